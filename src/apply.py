"""Apply a written transformation to another image, a label map or points.

The transformation of a registration takes images of the moving scan to the fixed scan with warp.nii.gz, and images of
the fixed scan to the moving scan with inverse_warp.nii.gz. Points move the other way.
"""

from pathlib import Path

from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.pairs.application import AXES, INTERPOLATIONS, apply, apply_to_list


def main() -> None:
    parser = stage_parser(__doc__)
    parser.add_argument("--warp", type=Path, help="warp.nii.gz, transform.h5, or another transformation of ITK or ANTs")
    parser.add_argument("--reference", type=Path, help="scan whose grid the result gets")
    parser.add_argument("--input", type=Path, help="image or label map to warp")
    parser.add_argument("--points", type=Path, help="CSV with the columns x, y and z in mm, instead of --input")
    parser.add_argument("--axes", choices=AXES, help="axes of the points")
    parser.add_argument("--interpolation", choices=INTERPOLATIONS, default="linear", help="default: linear")
    parser.add_argument(
        "--fill",
        type=float,
        help="value outside of the input (default: 0 for labels, else its minimum), and of its voxels that are NaN "
        "(default: refuse them)",
    )
    parser.add_argument("--out", type=Path, help="file of the result: .nii or .nii.gz; for points .csv")
    parser.add_argument(
        "--list", type=Path, help="CSV with the columns out, input or points, and others of these options"
    )
    args = parse_arguments(parser)
    common = {key: str(value) for key, value in vars(args).items() if value is not None and key not in ("list", "log")}
    if args.list is not None:
        apply_to_list(args.list, common)
    else:
        apply(common)


if __name__ == "__main__":
    run(main)
