"""Train a SwinUNETR on the training split of a cohort; killed, the same call goes on where it was."""

import argparse
import logging
from pathlib import Path

import torch

from textscf.checkpoint import STOPPED_EXIT_CODE
from textscf.cli import run, setup_logging
from textscf.data.cohort import Cohort
from textscf.devices import acquire_device
from textscf.io import read_yaml
from textscf.segmentation.training import train_segmentor
from textscf.training.trainer import TrainingStopped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the segmentor")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--out", type=Path, required=True, help="network.pt; history.csv goes beside it")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", help="torch device (default: a free GPU, else the CPU)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    setup_logging(args.log)
    torch.set_num_threads(args.threads)
    try:
        train_segmentor(Cohort.load(args.cohort), read_yaml(args.config), args.out, acquire_device(args.device))
    except TrainingStopped as stopped:
        logging.getLogger(__name__).warning("%s", stopped)
        return STOPPED_EXIT_CODE
    return 0


if __name__ == "__main__":
    run(main)
