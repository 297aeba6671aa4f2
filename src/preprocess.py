"""Bring every scan of a cohort onto the cohort's grid and write its cohort.json."""

from pathlib import Path

from textscf.job.cli import parse_arguments, positive_integer, run, stage_parser


def main() -> None:
    """Parse the command line and prepare the cohort."""
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved cohort config, YAML")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the stored images and label maps")
    parser.add_argument("--out", type=Path, required=True, help="cohort.json; images/ and labels/ go beside")
    parser.add_argument("--workers", type=positive_integer, default=1, help="processes (default: %(default)s)")
    arguments = parse_arguments(parser)

    from textscf.data.preprocess import preprocess_cohort
    from textscf.files.io import read_settings

    preprocess_cohort(
        read_settings(arguments.config, "name", "preprocess", "splits"),
        arguments.raw,
        arguments.out.parent,
        arguments.workers,
    )


if __name__ == "__main__":
    run(main)
