"""Write docs/configuration.md, the reference of all configuration keys, from the schemas."""

from pathlib import Path

from textscf.files.io import atomic_path
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.proposal.key_reference import key_reference

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs/configuration.md", help="default: docs/configuration.md"
    )
    args = parse_arguments(parser)
    with atomic_path(args.out) as temporary:
        temporary.write_text(key_reference(ROOT / "config"), encoding="utf-8")


if __name__ == "__main__":
    run(main)
