"""Register a moving image to a fixed image with a trained run: displacement field and warped image."""

import argparse
from pathlib import Path

import torch

from textscf.cli import run, setup_logging
from textscf.devices import acquire_device
from textscf.registration import register_files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint.pt of a run")
    parser.add_argument("--fixed", type=Path, required=True, help="fixed image (NIfTI)")
    parser.add_argument("--moving", type=Path, required=True, help="moving image (NIfTI)")
    parser.add_argument("--fixed-labels", type=Path, help="label map of the fixed image, for a text-driven run")
    parser.add_argument("--segmentor", type=Path, help="network.pt for the fixed image (default: the run's own)")
    parser.add_argument("--out", type=Path, required=True, help="folder for displacement.nii.gz and warped.nii.gz")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads (default: all)")
    parser.add_argument("--device", help="torch device (default: a free GPU, else the CPU)")
    parser.add_argument("--log", type=Path, help="log file")
    args = parser.parse_args()
    setup_logging(args.log)
    torch.set_num_threads(args.threads)
    device = acquire_device(args.device)
    register_files(args.checkpoint, args.fixed, args.moving, args.out, device, args.fixed_labels, args.segmentor)


if __name__ == "__main__":
    run(main)
