"""Count parameters and multi-adds of runs at the size of their cohorts; write complexity.json beside each config."""

import dataclasses
from pathlib import Path

from textscf.data.cohort import Cohort
from textscf.files.io import read_settings, read_yaml, write_json
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
        settings = read_settings(path, "run", "network", "cohort", "prompts", "segmentor")
        layout, cohort = Layout(args.results), Cohort.load(Layout(args.results).cohort(settings["cohort"]))
        embedding_shape, segmentor = None, 0
        if settings["prompts"]:
            vectors = load_embedding(layout.prompts(cohort.name, settings["prompts"]) / "embedding.npz").vectors
            embedding_shape = vectors.shape
        if settings["segmentor"]:
            from textscf.segmentation.swin_unetr import segmentor_parameters  # imports MONAI, which takes seconds

            segmentation = read_yaml(layout.segmentation(cohort.name, settings["segmentor"]) / "config.yaml")
            segmentor = segmentor_parameters(segmentation, cohort.n_regions)
        counted = complexity_of_run(settings["network"], cohort.shape, embedding_shape)
        described = {
            "run": settings["run"],
            "shape": cohort.shape,
            "embedding_shape": embedding_shape,
            "segmentor_parameters": segmentor,
        }
        counts = described | {use: dataclasses.asdict(value) for use, value in counted.items()}
        write_json(path.with_name("complexity.json"), counts)


if __name__ == "__main__":
    run(main)
