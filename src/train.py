"""Train one run of a study; the same call resumes an interrupted training."""

from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import read_settings
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.job.devices import acquire_device
from textscf.prompts import load_embedding
from textscf.segmentation import load_segmentation
from textscf.training.run import train_run


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument(
        "--config", type=Path, required=True, help="resolved settings, results/<study>/runs/<run>/config.yaml"
    )
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--segmentation", type=Path, help="segmentation.json of the segmentor, for a text-driven head")
    parser.add_argument("--embedding", type=Path, help="embedding.npz of the prompt set, for a text-driven head")
    parser.add_argument(
        "--auxiliary", type=Path, help="prepared cohort that is trained on as well, for a run with an auxiliary cohort"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    args = parse_arguments(parser)
    settings = read_settings(args.config, "run", "network", "loss", "training", "seed")
    cohort = Cohort.load(args.cohort)
    segmentation = load_segmentation(args.segmentation, cohort) if args.segmentation else None
    embedding = load_embedding(args.embedding) if args.embedding else None
    auxiliary = Cohort.load(args.auxiliary) if args.auxiliary else None
    train_run(settings, cohort, segmentation, embedding, args.out, acquire_device(args.device), auxiliary)


if __name__ == "__main__":
    run(main)
