"""Write resolved settings, given as JSON, to a YAML file."""

import argparse
import json
from pathlib import Path

from textscf.files.io import write_yaml
from textscf.job.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--content", type=json.loads, required=True, help="the settings as JSON")
    parser.add_argument("--out", type=Path, required=True, help="YAML file")
    args = parser.parse_args()
    write_yaml(args.out, args.content)


if __name__ == "__main__":
    run(main)
