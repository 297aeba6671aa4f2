"""Check the paper's claim about complexity: CSV, Markdown, LaTeX, HTML."""

import argparse
from pathlib import Path

from textscf.cli import run, setup_logging
from textscf.tables.claim import check_claim, load_claim
from textscf.tables.files import write_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("config/complexity_claim.yaml"), help="networks to compare")
    parser.add_argument(
        "--reported", type=Path, default=Path("config/reported.yaml"), help="values that the paper prints (YAML)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="table to write (.csv); .md, .tex and .html go beside it"
    )
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    setup_logging(args.log)
    write_table(check_claim(load_claim(args.config), args.reported), args.out)


if __name__ == "__main__":
    run(main)
