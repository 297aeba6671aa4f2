"""Segment every scan of a cohort, or take its labels if the source is ground_truth."""

from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import read_settings
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.job.devices import acquire_device
from textscf.segmentation.segment_cohort import segment_cohort


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the segmentor")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--network", type=Path, help="weights of a segmentor with source: train or pretrained")
    parser.add_argument("--raw", type=Path, help="folder of the cohort's stored scans, for source: pretrained")
    parser.add_argument("--out", type=Path, required=True, help="segmentation.json; label maps go beside it")
    args = parse_arguments(parser)
    cohort, settings = Cohort.load(args.cohort), read_settings(args.config, "source")
    device = acquire_device("cpu" if settings["source"] == "ground_truth" else args.device)
    segment_cohort(cohort, settings, args.network, args.out.parent, device, args.raw)


if __name__ == "__main__":
    run(main)
