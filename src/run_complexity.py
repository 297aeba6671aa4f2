"""Count parameters and multi-adds of runs at the size of their cohorts; write complexity.json beside each config."""

import dataclasses
from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import read_settings, write_json
from textscf.files.layout import Layout
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.models.complexity import complexity_of_run
from textscf.prompts import load_embedding


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--configs", type=Path, nargs="+", required=True, help="resolved config.yaml of each run")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    args = parse_arguments(parser)
    for path in args.configs:
        settings = read_settings(path, "run", "network", "cohort", "prompts")
        layout, cohort = Layout(args.results), settings["cohort"]
        shape, embedding_shape = Cohort.load(layout.cohort(cohort)).shape, None
        if settings["prompts"]:
            rows, length = load_embedding(layout.prompts(cohort, settings["prompts"]) / "embedding.npz").vectors.shape
            embedding_shape = rows, length
        counted = complexity_of_run(settings["network"], shape, embedding_shape)
        described = {"run": settings["run"], "shape": shape, "embedding_shape": embedding_shape}
        counts = described | {use: dataclasses.asdict(value) for use, value in counted.items()}
        write_json(path.with_name("complexity.json"), counts)


if __name__ == "__main__":
    run(main)
