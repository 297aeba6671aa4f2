"""Copy or download the pretrained weights of a segmentor and write their origin beside them."""

from pathlib import Path

from textscf.files.io import read_yaml
from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.segmentation.weights import obtain_weights

OWN = Path(__file__).resolve().parents[1] / "models/segmentors"


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--config", type=Path, required=True, help="resolved settings of the segmentor")
    parser.add_argument("--data-root", type=Path, help="local mirror, searched before any download")
    parser.add_argument("--out", type=Path, required=True, help="weights.pt; weights.json goes beside it")
    args = parse_arguments(parser)
    obtain_weights(read_yaml(args.config)["weights"], args.data_root, OWN, args.out)


if __name__ == "__main__":
    run(main)
