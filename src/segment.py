"""Segment every scan of a cohort, or take its labels where the source is ground_truth."""

import argparse
from pathlib import Path

import torch

from textscf.cli import run, setup_logging
from textscf.data.cohort import Cohort
from textscf.devices import acquire_device
from textscf.io import read_yaml
from textscf.segmentation.inference import segment_cohort


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the segmentor")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--network", type=Path, help="network.pt of a segmentor with source: train")
    parser.add_argument("--out", type=Path, required=True, help="segmentation.json; label maps go beside it")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: 1)")
    parser.add_argument("--device", help="torch device (default: a free GPU, else the CPU)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    setup_logging(args.log)
    torch.set_num_threads(args.threads)
    cohort, device = Cohort.load(args.cohort), acquire_device(args.device)
    segment_cohort(cohort, read_yaml(args.config), args.network, args.out.parent, device)


if __name__ == "__main__":
    run(main)
