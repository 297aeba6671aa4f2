"""Print parameters and multi-adds of a registration network as JSON."""

import argparse
import json

import torch

from textscf.cli import run
from textscf.complexity import multi_adds, parameters
from textscf.models import build_network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", required=True, help="name of the backbone, e.g. lku_net")
    parser.add_argument("--start-channels", type=int, required=True, help="N_s")
    parser.add_argument(
        "--full-resolution", action="store_true", help="field on the full grid instead of the half grid"
    )
    parser.add_argument(
        "--shape", type=int, nargs=3, required=True, metavar=("H", "W", "D"), help="volume shape in voxels"
    )
    parser.add_argument(
        "--scf",
        type=int,
        metavar="REGIONS",
        help="text-driven head for this number of regions with the background",
    )
    parser.add_argument("--embedding-size", type=int, default=768, help="C1, length of the text vectors (default: 768)")
    parser.add_argument("--hidden-channels", type=int, default=2048, help="C_Phi (default: 2048)")
    parser.add_argument(
        "--blend",
        choices=["convex", "additive"],
        default="convex",
        help="blend of the head (default: convex)",
    )
    parser.add_argument("--frozen", action="store_true", help="filters stored, as in inference, instead of the MLP")
    args = parser.parse_args()
    options = {"full_resolution": True} if args.full_resolution else {}
    settings = {
        "backbone": {"name": args.backbone, "start_channels": args.start_channels, **options},
        "head": {"hidden_channels": args.hidden_channels, "blend": args.blend} if args.scf else None,
        "integration_steps": 0,
    }
    network = build_network(settings, torch.zeros(args.scf, args.embedding_size) if args.scf else None)
    network = network.frozen() if args.frozen else network
    print(json.dumps({"parameters": parameters(network), "multi_adds": multi_adds(network, args.shape)}))


if __name__ == "__main__":
    run(main)
