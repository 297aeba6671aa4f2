"""Keep the tables, figures, metrics and provenance of a study as a reference result, or redraw those of a kept one."""

import argparse
from pathlib import Path

from textscf.job.cli import run
from textscf.reference.kept_study import keep_reference, redraw_reference


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--study", help="name of the study to keep")
    what.add_argument(
        "--redraw",
        type=Path,
        metavar="CONFIG",
        help="file of the study: make tables, figures, claims from the runs in OUT",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder, such as results/reference/<study>")
    parser.add_argument(
        "names",
        nargs="*",
        help="tables and figures, or claims, that --redraw makes (default: those that OUT has already)",
    )
    args = parser.parse_args()
    if args.study:
        written, left_out = keep_reference(args.results, args.study, args.out), {}
    else:
        written, left_out = redraw_reference(args.redraw, args.redraw.parent, args.out, args.names)
    print(f"{len(written)} files in {args.out}")
    for item, missing in left_out.items():
        print(f"left out: {item}, which needs {missing}")


if __name__ == "__main__":
    run(main)
