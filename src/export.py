"""Register the test pairs of a cohort of the Learn2Reg challenge and write the fields in its submission format."""

from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.files.io import read_settings
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.registration.evaluation import registrar_of
from textscf.registration.learn2reg import FORMS, export_fields


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the run")
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the cohort's stored scans")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint.pt of a trained run")
    parser.add_argument("--form", choices=FORMS, required=True, help="year of the challenge's evaluator")
    parser.add_argument("--out", type=Path, required=True, help="zip file to write")
    args = parse_arguments(parser)
    cohort, settings = Cohort.load(args.cohort), read_settings(args.config, "run", "method")
    registrar = registrar_of(settings, cohort, args.checkpoint, args.device)
    if registrar is None:
        raise InputError(f"run '{settings['run']}': registers nothing; expected a run with displacement fields")
    export_fields(
        cohort,
        read_settings(args.cohort / "config.yaml", "preprocess", "source"),
        args.raw,
        registrar,
        args.form,
        args.out,
    )


if __name__ == "__main__":
    run(main)
