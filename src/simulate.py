"""Simulate the scans of a cohort: phantoms, or images made from real label maps."""

from pathlib import Path

from textscf.job.cli import parse_arguments, positive_integer, run, stage_parser


def main() -> None:
    """Parse the command line and simulate every subject of the cohort."""
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved cohort config, YAML")
    parser.add_argument("--source", type=Path, help="folder of the real label maps, for cohorts with simulate_ct")
    parser.add_argument("--out", type=Path, required=True, help="folder that gets images/, labels/, simulation.json")
    parser.add_argument("--workers", type=positive_integer, default=1, help="processes (default: %(default)s)")
    arguments = parse_arguments(parser)

    from textscf.data.simulation.simulated_cohort import simulate_cohort
    from textscf.files.io import read_settings

    simulate_cohort(
        read_settings(arguments.config, "name", "preprocess", "splits"),
        arguments.source,
        arguments.out,
        arguments.workers,
    )


if __name__ == "__main__":
    run(main)
