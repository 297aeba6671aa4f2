"""Encode the prompts of an anatomy; write embedding.npz, embedding.json, similarity.pdf and similarity.png."""

import logging
from pathlib import Path

from textscf.files.fill import fill
from textscf.files.io import read_yaml
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.plotting.prompt_similarity import plot_similarity
from textscf.prompts import PromptSet, embed, save_embedding


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the prompt set (YAML)")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="embedding to write (.npz); its provenance and heat map go beside it",
    )
    parser.add_argument("--data-root", type=Path, help="local mirror, searched for weights before any download")
    parser.add_argument("--device", default="cpu", help="where the text encoder runs, e.g. cuda (default: cpu)")
    arguments = parse_arguments(parser)

    settings = fill(PromptSet, read_yaml(arguments.config), arguments.config)
    embedding, provenance = embed(settings, arguments.device, arguments.data_root)
    folder = arguments.out.parent
    title = f"{settings.title}, encoder {settings.encoder}, background {settings.background}"
    plot_similarity(embedding, title, folder / "similarity.pdf")
    save_embedding(arguments.out, embedding, provenance)
    logging.info("%d regions as vectors of length %d", *embedding.vectors.shape)


if __name__ == "__main__":
    run(main)
