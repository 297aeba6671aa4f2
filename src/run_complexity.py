"""Count parameters and multi-adds of a run's network at the size of its cohort, as JSON."""

import dataclasses
from pathlib import Path

from textscf.cli import parse_arguments, run, stage_parser
from textscf.complexity import complexity_of_run
from textscf.data.cohort import Cohort
from textscf.io import read_yaml, write_json
from textscf.prompts import load_embedding


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--config", type=Path, required=True, help="resolved settings, results/<study>/runs/<run>/config.yaml"
    )
    parser.add_argument("--cohort", type=Path, required=True, help="prepared cohort, results/cohorts/<cohort>")
    parser.add_argument("--embedding", type=Path, help="embedding.npz of the prompt set, for a text-driven head")
    parser.add_argument("--out", type=Path, required=True, help="file to write (.json)")
    args = parse_arguments(parser)
    settings = read_yaml(args.config)
    shape = Cohort.load(args.cohort).shape
    vectors = load_embedding(args.embedding).vectors if args.embedding else None
    embedding_shape = None if vectors is None else (vectors.shape[0], vectors.shape[1])
    counted = complexity_of_run(settings["network"], shape, embedding_shape)
    described = {"run": settings["run"], "shape": shape, "embedding_shape": embedding_shape}
    write_json(args.out, described | {use: dataclasses.asdict(value) for use, value in counted.items()})


if __name__ == "__main__":
    run(main)
