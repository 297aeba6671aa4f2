"""Make one figure of a study from its runs: PDF and PNG, plotted values as CSV, caption as text."""

from pathlib import Path

from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.plotting.draw_figure import write_figure
from textscf.results.items import Results, load_item


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
    write_figure(item, Results(args.results, item.study), args.reported, args.out)


if __name__ == "__main__":
    run(main)
