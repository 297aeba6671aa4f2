"""Measure one run on the test pairs of its cohort."""

import argparse
from pathlib import Path

import torch

from textscf.cli import run, setup_logging
from textscf.data.cohort import Cohort
from textscf.evaluation import evaluate_run, registrar_of
from textscf.io import read_yaml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the run")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint.pt of a trained run")
    parser.add_argument("--out", type=Path, required=True, help="folder for metrics.csv and pairs.csv")
    parser.add_argument("--workers", type=int, default=1, help="processes that work (default: 1)")
    parser.add_argument("--device", help="torch device (default: a free GPU, else the CPU)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    setup_logging(args.log)
    torch.set_num_threads(args.workers)
    cohort = Cohort.load(args.cohort)
    settings = read_yaml(args.config)
    registrar = registrar_of(settings, cohort, args.checkpoint, args.device)
    evaluate_run(settings["run"], cohort, registrar, args.out, args.workers)


if __name__ == "__main__":
    run(main)
