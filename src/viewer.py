"""Make the viewer of a table's pairs: one HTML page that needs no internet and no other files."""

from pathlib import Path

from textscf.files.io import atomic_path
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.report.viewer_page import viewer
from textscf.results.items import Results, load_item


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved specification of the table (YAML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument("--out", type=Path, required=True, help="page to write (.html), in the folder of the study")
    args = parse_arguments(parser)
    item = load_item(args.config)
    page = viewer(item, Results(args.results, item.study))
    with atomic_path(args.out) as temporary:
        temporary.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    run(main)
