"""Link, unpack or download the stored scans of a cohort and write their source.json."""

from pathlib import Path

from textscf.job.cli import parse_arguments, run, stage_parser


def main() -> None:
    """Parse the command line and obtain the source."""
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved cohort config, YAML")
    parser.add_argument("--data-root", type=Path, help="local mirror, searched before any download")
    parser.add_argument("--accept", default="", help="data sets whose data use terms are accepted, with commas")
    parser.add_argument("--out", type=Path, required=True, help="source.json; the folder source/ goes beside it")
    arguments = parse_arguments(parser)

    from textscf.data.download import obtain_source
    from textscf.files.io import read_settings

    accepted = [name.strip() for name in arguments.accept.split(",")]
    settings = read_settings(arguments.config, "name", "source")
    obtain_source(settings, arguments.data_root, arguments.out.parent, accepted)


if __name__ == "__main__":
    run(main)
