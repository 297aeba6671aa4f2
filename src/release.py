"""Release a trained run with its segmentor as one file, and write its card."""

from pathlib import Path

from textscf.files.io import read_settings
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.job.devices import acquire_device
from textscf.release import release


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the model")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument("--out", type=Path, required=True, help="file of the model; its card goes beside it as .md")
    args = parse_arguments(parser)
    settings = read_settings(args.config, "model", "run")
    release(settings, args.results, args.out, acquire_device(args.device))


if __name__ == "__main__":
    run(main)
