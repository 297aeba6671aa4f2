"""Make one table of a study from its runs: CSV, Markdown, LaTeX, HTML, and paired t-tests that compare methods."""

from pathlib import Path

from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.results.items import Results, load_item
from textscf.tables.table_kinds import make
from textscf.tables.written import write_table


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved specification of the table (YAML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument(
        "--reported", type=Path, default=Path("config/reported.yaml"), help="values that the paper prints (YAML)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="table to write (.csv); .md, .tex, .html, .json and <table>_tests.csv go beside it",
    )
    args = parse_arguments(parser)
    item = load_item(args.config)
    write_table(make(item, Results(args.results, item.study), args.reported), args.out)


if __name__ == "__main__":
    run(main)
