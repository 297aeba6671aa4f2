"""Compute the metrics of one run on the test pairs of its cohort."""

from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import read_settings
from textscf.job.cli import parse_arguments, positive_integer, run, stage_parser
from textscf.registration.evaluation import evaluate_run, registrar_of


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the run")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint.pt of a trained run")
    parser.add_argument("--out", type=Path, required=True, help="folder for metrics.csv and pairs.csv")
    parser.add_argument("--workers", type=positive_integer, default=1, help="processes that work (default: 1)")
    parser.add_argument("--metrics", nargs="*", default=(), help="metrics that are measured only on request")
    args = parse_arguments(parser)
    cohort = Cohort.load(args.cohort)
    settings = read_settings(args.config, "run", "method")
    registrar = registrar_of(settings, cohort, args.checkpoint, args.device)
    evaluate_run(settings["run"], cohort, registrar, args.out, args.workers, args.metrics)


if __name__ == "__main__":
    run(main)
