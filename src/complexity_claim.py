"""Check the paper's claim about complexity and write it as CSV, Markdown, LaTeX and HTML."""

from pathlib import Path

from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.tables.claim_table import check_claim, load_claim
from textscf.tables.written import write_table


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, default=Path("config/complexity_claim.yaml"), help="networks to compare")
    parser.add_argument(
        "--reported", type=Path, default=Path("config/reported.yaml"), help="values that the paper prints (YAML)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="table to write (.csv); .md, .tex, .html and .json go beside it"
    )
    args = parse_arguments(parser)
    write_table(check_claim(load_claim(args.config), args.reported), args.out)


if __name__ == "__main__":
    run(main)
