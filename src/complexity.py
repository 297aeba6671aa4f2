"""Print parameters and multi-adds of a registration network as JSON."""

import argparse
import dataclasses
import json
from typing import Any

import torch
import yaml

from textscf.job.cli import positive_integer, run
from textscf.models import build_network
from textscf.models.complexity import complexity

SET_HELP = "any other argument of the backbone, e.g. encoder=[16,32,32,32]; may be repeated"


def argument(text: str) -> tuple[str, Any]:
    """Parse ``key=value``; the value is read as YAML."""
    key, separator, value = text.partition("=")
    try:
        content = yaml.safe_load(value)
    except yaml.YAMLError:
        separator = ""
    if not key or not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form key=value")
    return key, content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", required=True, help="name of the backbone, e.g. lku_net")
    parser.add_argument("--start-channels", type=positive_integer, help="N_s, for backbones that have it")
    parser.add_argument("--full-resolution", action="store_true", help="field on the full grid, for lku_net")
    parser.add_argument("--set", type=argument, action="append", default=[], metavar="KEY=VALUE", help=SET_HELP)
    parser.add_argument(
        "--shape", type=positive_integer, nargs=3, required=True, metavar=("H", "W", "D"), help="voxels of a volume"
    )
    parser.add_argument(
        "--scf", type=positive_integer, metavar="N", help="text-driven head for N regions with the background"
    )
    parser.add_argument(
        "--embedding-size", type=positive_integer, default=768, help="C1, length of the text vectors (default: 768)"
    )
    parser.add_argument("--hidden-channels", type=positive_integer, default=2048, help="C_Phi (default: 2048)")
    parser.add_argument(
        "--blend", choices=["convex", "additive"], default="convex", help="of the head (default: convex)"
    )
    parser.add_argument("--frozen", action="store_true", help="filters stored, as in inference, instead of the MLP")
    args = parser.parse_args()
    options = {"start_channels": args.start_channels, "full_resolution": args.full_resolution or None}
    given = {key: value for key, value in options.items() if value is not None}
    backbone = {"name": args.backbone, **given, **dict(args.set)}
    head = {"kind": "scf", "hidden_channels": args.hidden_channels, "blend": args.blend} if args.scf else None
    settings = {"backbone": backbone, "head": head, "integration_steps": 0}
    network = build_network(settings, torch.ones(args.scf, args.embedding_size) if args.scf else None)
    counted = complexity(network.frozen() if args.frozen else network, args.shape)
    print(json.dumps(dataclasses.asdict(counted)))


if __name__ == "__main__":
    run(main)
