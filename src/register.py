"""Register a moving image to a fixed image with a trained run; write the displacement field and the warped image."""

from pathlib import Path

import torch

from textscf.job.cli import parse_arguments, run, stage_parser
from textscf.job.devices import acquire_device
from textscf.registration.scan_pair import register_files


def main() -> None:
    parser = stage_parser(__doc__, computes=True)
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.pt of a run")
    parser.add_argument("--fixed", type=Path, required=True, help="fixed image (NIfTI)")
    parser.add_argument("--moving", type=Path, required=True, help="moving image (NIfTI)")
    parser.add_argument("--fixed-labels", type=Path, help="label map of the fixed image, for a text-driven run")
    parser.add_argument("--segmentor", type=Path, help="weights that segment the fixed image (default: the run's own)")
    parser.add_argument("--out", type=Path, required=True, help="folder for displacement.nii.gz and warped.nii.gz")
    parser.set_defaults(threads=torch.get_num_threads())
    args = parse_arguments(parser)
    device = acquire_device(args.device)
    register_files(args.checkpoint, args.fixed, args.moving, args.out, device, args.fixed_labels, args.segmentor)


if __name__ == "__main__":
    run(main)
