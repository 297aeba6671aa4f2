"""Compute the Dice of a segmentor on every scan of a cohort, and its mean for each split."""

import logging
from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import write_csv
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.segmentation import load_segmentation
from textscf.segmentation.segmentor_accuracy import accuracy, by_split, never_found

logger = logging.getLogger(__name__)


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--segmentation", type=Path, required=True, help="segmentation.json of a segmentor")
    parser.add_argument("--out", type=Path, required=True, help="accuracy.csv; accuracy_by_split.csv goes beside it")
    args = parse_arguments(parser)
    cohort = Cohort.load(args.cohort)
    name = args.segmentation.parent.name
    scores = accuracy(cohort, load_segmentation(args.segmentation, cohort), name)
    if lost := never_found(scores):
        logger.warning(
            "segmentor %s finds no voxel of %s in any scan: there textSCF has no region of its own; train it longer",
            *(name, ", ".join(lost)),
        )
    write_csv(args.out, scores)
    write_csv(args.out.with_name("accuracy_by_split.csv"), by_split(scores))


if __name__ == "__main__":
    run(main)
