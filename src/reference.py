"""Keep the tables, figures, metrics and provenance of a finished study as a reference result."""

import argparse
from pathlib import Path

from textscf.job.cli import run
from textscf.workflow.reference import keep_reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--out", type=Path, required=True, help="folder, such as results/reference/<study>")
    args = parser.parse_args()
    written = keep_reference(args.results, args.study, args.out)
    print(f"{len(written)} files in {args.out}")


if __name__ == "__main__":
    run(main)
