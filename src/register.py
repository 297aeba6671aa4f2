"""Register a moving scan to a fixed scan, or all pairs of a list, with a trained network.

Everything that is written fits the scans that were given: the warped scan lies on the fixed scan's grid, and the
transformation is one that ITK, ANTs and 3D Slicer read.
"""

from pathlib import Path

import torch

from textscf.errors import InputError
from textscf.job.cli import count, parse_arguments, run, stage_parser
from textscf.job.devices import acquire_device
from textscf.pairs.models import model_file
from textscf.pairs.pair_list import register_list
from textscf.pairs.registration_files import Options, PairFiles, register_files
from textscf.registration.scan_pair import ScanRegistrar

MODELS = Path(__file__).resolve().parents[1] / "models"
OF_ONE_PAIR = ("fixed", "moving", "fixed-labels", "moving-labels")


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--model", help="name of a model in models/")
    parser.add_argument("--checkpoint", type=Path, help="checkpoint.pt of a run, or the file of a model")
    parser.add_argument("--fixed", type=Path, help="fixed scan: NIfTI, NRRD, MetaImage, or a folder of DICOM slices")
    parser.add_argument("--moving", type=Path, help="moving scan")
    parser.add_argument("--pairs", type=Path, help="CSV with the columns fixed and moving, for many pairs")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument(
        "--initial",
        default="auto",
        help="alignment before the network: none (trust the headers), centre, rigid, affine, or the file of an affine "
        "transformation; auto (default): as in the model's training, or headers by which the scans overlap well, else "
        "what overlaps most",
    )
    parser.add_argument("--refine", type=count, default=0, help="steps of optimisation after the network (default: 0)")
    parser.add_argument(
        "--fixed-labels", type=Path, help="label map of the fixed scan, numbered as the model's training data"
    )
    parser.add_argument("--moving-labels", type=Path, help="label map of the moving scan, to be warped")
    parser.add_argument("--score-only", action="store_true", help="use label maps for Dice only, not as regions")
    parser.add_argument("--fill", type=float, help="value for voxels that are NaN (default: refuse them)")
    parser.add_argument("--segmentor", type=Path, help="weights that segment the scans (default: the model's own)")
    parser.set_defaults(threads=torch.get_num_threads())
    args = parse_arguments(parser)
    single = args.pairs is None
    if single and (args.fixed is None or args.moving is None):
        raise InputError("expected either --fixed and --moving, or --pairs")
    given = [f"--{name}" for name in OF_ONE_PAIR if getattr(args, name.replace("-", "_")) is not None]
    if given and not single:
        raise InputError(f"found --pairs and {given[0]}; expected the files of pairs in the CSV alone")
    device = acquire_device(args.device)
    registrar = ScanRegistrar(model_file(args.model, args.checkpoint, MODELS), device, args.segmentor)
    options = Options(args.initial, args.refine, args.fill, args.score_only)
    if single:
        files = PairFiles(args.fixed, args.moving, args.fixed_labels, args.moving_labels)
        register_files(registrar, files, args.out, options)
    else:
        register_list(registrar, args.pairs, args.out, options)


if __name__ == "__main__":
    run(main)
