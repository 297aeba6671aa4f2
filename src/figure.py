"""Make one figure of a study from its runs: PDF and PNG, plotted values as CSV, caption as text."""

import dataclasses
from pathlib import Path

from textscf.files.io import atomic_path, write_csv
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.plotting.draw_figure import draw
from textscf.plotting.style import save_figure
from textscf.results.captions import subject_sentences
from textscf.results.items import Results, load_item
from textscf.results.reported import printed_of


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved specification of the figure (YAML)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of all results")
    parser.add_argument(
        "--reported", type=Path, default=Path("config/reported.yaml"), help="values that the paper prints (YAML)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="figure to write (.pdf); .png, .csv and the caption (.txt) go beside it"
    )
    args = parse_arguments(parser)
    item = load_item(args.config)
    item = dataclasses.replace(item, printed=printed_of(item, args.reported))
    drawing = draw(item, Results(args.results, item.study))
    save_figure(drawing.figure, args.out)
    write_csv(args.out.with_suffix(".csv"), drawing.data)
    with atomic_path(args.out.with_suffix(".txt")) as caption:
        text = " ".join([f"{item.number}.", *subject_sentences(item), *drawing.sentences])
        caption.write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
