"""Check the claims of the paper on the runs of a study and write them as CSV, Markdown and HTML."""

from pathlib import Path

from textscf.claims.claims_page import make
from textscf.claims.evidence import load_page
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.results.items import Results
from textscf.tables.written import write_page


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the page (YAML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument(
        "--out", type=Path, required=True, help="page to write (.csv); .md, .html and .json go beside it"
    )
    args = parse_arguments(parser)
    page = load_page(args.config)
    write_page(make(page, Results(args.results, page.study)), args.out)


if __name__ == "__main__":
    run(main)
