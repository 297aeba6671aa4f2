"""Train one run of a study; killed, the same call goes on where it was."""

import argparse
import logging
from pathlib import Path

import torch

from textscf.checkpoint import STOPPED_EXIT_CODE
from textscf.cli import run, setup_logging
from textscf.data.cohort import Cohort
from textscf.devices import acquire_device
from textscf.io import read_yaml
from textscf.prompts import load_embedding
from textscf.segmentation import load_segmentation
from textscf.training.run import train_run
from textscf.training.trainer import TrainingStopped


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="resolved settings, results/<study>/runs/<run>/config.yaml"
    )
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--segmentation", type=Path, help="segmentation.json of the segmentor, for a text-driven head")
    parser.add_argument("--embedding", type=Path, help="embedding.npz of the prompt set, for a text-driven head")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", help="torch device (default: a free GPU, else the CPU)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    setup_logging(args.log)
    torch.set_num_threads(args.threads)
    settings = read_yaml(args.config)
    cohort = Cohort.load(args.cohort)
    segmentation = load_segmentation(args.segmentation, cohort) if args.segmentation else None
    embedding = load_embedding(args.embedding) if args.embedding else None
    try:
        train_run(settings, cohort, segmentation, embedding, args.out, acquire_device(args.device))
    except TrainingStopped as stopped:
        logging.getLogger(__name__).warning("%s", stopped)
        return STOPPED_EXIT_CODE
    return 0


if __name__ == "__main__":
    run(main)
