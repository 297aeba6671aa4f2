"""Time and peak memory of a forward and backward pass of every network at the paper's size, each in its own process.

Run as ``PYTHONPATH=src python -m benchmarks.networks``.
"""

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from textscf.models import build_network
from textscf.study.catalogue import Catalogue

HEAD = {"kind": "scf", "hidden_channels": 2048, "blend": "convex"}


def measure(name: str, arguments: dict[str, Any], head: bool, shape: list[int], device: str) -> dict[str, Any]:
    """Measure a network: seconds of the second of two passes, and peak memory in GiB of this process or of the GPU."""
    torch.manual_seed(0)
    settings = {"backbone": {"name": name, **arguments}, "head": HEAD if head else None, "integration_steps": 0}
    network = build_network(settings, torch.randn(14, 768)).to(device)
    image = torch.rand(1, 1, *shape, device=device)
    regions = torch.randint(0, 14, image.shape, device=device)
    for _ in range(2):
        started = time.perf_counter()
        network(image, image.flip(2), regions, image).square().mean().backward()
        if device != "cpu":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    peak = peak if device == "cpu" else torch.cuda.max_memory_allocated() / 2**30
    label = f"{name} + scf" if head else name
    return {"network": label, "seconds": round(seconds, 2), "peak memory (GiB)": round(peak, 2)}


def main() -> None:
    defaults = Catalogue(Path(__file__).parents[1] / "config").run_defaults["backbones"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=list(defaults), choices=list(defaults), help="default: all")
    parser.add_argument("--shape", type=int, nargs=3, default=[96, 80, 128], help="default: 96 80 128")
    parser.add_argument("--head", action="store_true", help="with the text-driven head of 14 regions")
    parser.add_argument(
        "--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default: a GPU, if any"
    )
    args = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    for name in args.networks:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            row = pool.submit(measure, name, defaults[name], args.head, args.shape, args.device).result()
        print(pd.DataFrame([row]).to_string(index=False, header=name == args.networks[0]), flush=True)


if __name__ == "__main__":
    main()
