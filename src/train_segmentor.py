"""Train a SwinUNETR on the training split of a cohort; the same call resumes an interrupted training."""

from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import read_settings
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.job.devices import acquire_device
from textscf.training.segmentor_training import train_segmentor


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the segmentor")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--out", type=Path, required=True, help="network.pt; history.csv goes beside it")
    args = parse_arguments(parser)
    train_segmentor(
        Cohort.load(args.cohort),
        read_settings(args.config, "source", "window", "steps"),
        args.out,
        acquire_device(args.device),
    )


if __name__ == "__main__":
    run(main)
