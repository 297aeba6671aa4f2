"""Measure every case, or some of them, and print a table: ``python -m benchmarks``."""

import argparse
import datetime
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.breakdown import break_down
from benchmarks.cases import ABDOMEN, cases, step
from benchmarks.measure import measure
from textscf.files.io import atomic_path, read_text
from textscf.job.devices import has_bfloat16
from textscf.job.provenance import environment

RESULTS = Path(__file__).with_name("RESULTS.md")
INTRODUCTION = """# Benchmarks

Made by `make bench`. Both versions of a computation run in turn, each in its own process, on the same machine at the
same time. Medians; `ratio` is the median of the ratios of the single turns (plain / fast). GiB: peak memory beyond the
inputs. `difference`: between the last results of both, relative. The plain versions are in `benchmarks/plain.py`.
"""
FORMATS = {
    "seconds": "{:.3g}",
    "plain": "{:.3g}",
    "ratio": "{:.2f}",
    "GiB": "{:.2f}",
    "plain GiB": "{:.2f}",
    "difference": "{:.0e}",
}


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    names = list(cases(device))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path, help="folder of real data sets; without it, brains are simulated")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--cases", nargs="+", default=names, choices=names, help="default: all")
    group.add_argument("--save", action="store_true", help=f"write this machine's section of {RESULTS.name} too")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    rows, known = [], cases(device, args.data_root)
    for name in args.cases:
        print(f"measuring {name} ...", flush=True)
        rows.append(formatted(measure(known[name], device)))
        print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if args.save:
        precision = "bfloat16" if has_bfloat16(torch.device(device)) else "float32"
        whole = step(device, fast=True, shape=ABDOMEN, start_channels=32, regions=14, precision=precision)
        parts = f"Training step, N_s = 32, 96x80x128, {precision}. {break_down(whole, device, precision)}"
        print(parts)
        save(table, parts, device)


def formatted(row: dict[str, Any]) -> dict[str, str]:
    """Format the values of a table row as text."""
    return {column: FORMATS.get(column, "{}").format(value) for column, value in row.items()}


def save(table: pd.DataFrame, parts: str, device: str) -> None:
    """Write the table and the breakdown of a step to the results file; they replace earlier ones of the same device."""
    made_by = environment(device)
    name = made_by["device"] if device == "cuda" else f"{torch.get_num_threads()} cores of {made_by['processor']}"
    origin = f"{datetime.date.today()}, revision {made_by['git_revision']}, PyTorch {made_by['packages']['torch']}."
    lines = [list(table.columns), ["---", *["--:"] * (len(table.columns) - 1)], *table.to_numpy().tolist()]
    section = "\n".join([name, "", origin, "", *("| " + " | ".join(cells) + " |" for cells in lines), "", parts, ""])
    earlier = read_text(RESULTS).split("\n## ")[1:] if RESULTS.is_file() else []
    others = [other for other in earlier if other.splitlines()[0] != name]
    with atomic_path(RESULTS) as temporary:
        temporary.write_text("\n## ".join([INTRODUCTION, *others, section]))


if __name__ == "__main__":
    main()
