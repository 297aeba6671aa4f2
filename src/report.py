"""Make the report of a study, or of its first part: one HTML page that needs no internet and no other files."""

from datetime import date
from pathlib import Path

from textscf.files.io import atomic_path
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.report import load_shown, report


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the report (YAML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument(
        "--out", type=Path, required=True, help="page to write (.html); its main result goes beside it (.txt)"
    )
    args = parse_arguments(parser)
    page, words = report(load_shown(args.config), args.results, date.today())
    for path, text in ((args.out.with_suffix(".txt"), words), (args.out, page)):
        with atomic_path(path) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
