"""Accuracy of a released model on stored scans in their own space, beside ANTs SyN.

    python -m benchmarks.native_space --model MODEL --cohort FOLDER --raw FOLDER --out FOLDER

Every test pair of a cohort is registered as `src/register.py` does it, from the stored files, with the segmentor's
regions. Dice is measured on the fixed scan's own grid. The table goes to OUT/native_space.md.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from textscf.data.ants_package import load_ants
from textscf.data.cohort import Cohort
from textscf.data.recipe import Recipe
from textscf.data.releases import stored_files
from textscf.data.scans import renumbered
from textscf.files.image_file import ImageFile, read_image_file, read_label_file
from textscf.files.io import read_yaml, write_csv
from textscf.job.progress import progress_bar
from textscf.pairs.registration_files import dice_of
from textscf.registration.scan_pair import ScanRegistrar
from textscf.world.grid import Grid, sample

Scans = dict[str, ImageFile]
Method = Callable[[Scans], tuple[np.ndarray, float]]
"""Gives the moving scan's labels on the fixed scan's grid, and the share of voxels that fold (NaN if not measured)."""


def with_model(registrar: ScanRegistrar, initial: str, steps: int) -> Method:
    """A method that registers with the model."""

    def register(scans: Scans) -> tuple[np.ndarray, float]:
        transform = registrar.register(scans["fixed"], scans["moving"], initial, None, steps).transform
        return warped(scans, transform), folding(transform.field)

    return register


def aligned(registrar: ScanRegistrar, initial: str) -> Method:
    """A method that aligns the scans and does nothing else."""

    def register(scans: Scans) -> tuple[np.ndarray, float]:
        transform = registrar.register(scans["fixed"], scans["moving"], initial).transform
        still = type(transform)(np.zeros_like(transform.field), transform.grid, transform.initial)
        return warped(scans, still), 0.0

    return register


def syn(scans: Scans) -> tuple[np.ndarray, float]:
    """ANTs SyN with its default settings on the stored files."""
    ants = load_ants("native_space")
    images = [ants.image_read(str(scans[name].path)) for name in ("fixed", "moving", "moving_labels")]
    found = ants.registration(images[0], images[1], "SyN")
    labels = ants.apply_transforms(images[0], images[2], found["fwdtransforms"], interpolator="nearestNeighbor")
    return labels.numpy().astype(int), float("nan")


def warped(scans: Scans, transform: Any) -> np.ndarray:
    """The moving scan's labels on the fixed scan's grid."""
    labels, fixed = scans["moving_labels"], scans["fixed"]
    return sample(labels.data, labels.affine, Grid(fixed.data.shape, fixed.affine), transform, order=0)


def folding(field: np.ndarray) -> float:
    """Share of voxels of a displacement field (H, W, D, 3) whose Jacobian determinant is 0 or less."""
    rows = [np.gradient(field, axis=axis) + np.eye(3)[axis] for axis in range(3)]
    return float((np.einsum("...a,...a->...", rows[0], np.cross(rows[1], rows[2])) <= 0).mean())


def scans_of(files: dict[str, tuple[Path, Path]], recipe: Recipe, fixed: str, moving: str) -> Scans:
    """Images and label maps of a pair, the latter in the anatomy's numbers."""

    def labels(path: Path) -> ImageFile:
        stored = read_label_file(path)
        return replace(stored, data=renumbered(stored.data, recipe))

    return {
        "fixed": read_image_file(files[fixed][0]),
        "moving": read_image_file(files[moving][0]),
        "fixed_labels": labels(files[fixed][1]),
        "moving_labels": labels(files[moving][1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="file of a released model")
    parser.add_argument("--cohort", type=Path, required=True, help="folder of the prepared cohort")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the stored scans")
    parser.add_argument("--refine", type=int, default=50, help="steps of refinement; 0: none (default: %(default)s)")
    parser.add_argument("--every", type=int, default=1, help="register every n-th test pair (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cohort = Cohort.load(args.cohort)
    config = read_yaml(args.cohort / "config.yaml")
    recipe, stored = Recipe.from_config(config), stored_files(config, args.raw)
    files = {subject: (image, labels) for subject, (image, labels) in stored.items() if labels is not None}
    registrar = ScanRegistrar(args.model, torch.device("cpu"))
    methods: dict[str, Method] = {
        "centres aligned": aligned(registrar, "centre"),
        "ANTs affine alone": aligned(registrar, "affine"),
        "ANTs SyN": syn,
        "model, centres aligned": with_model(registrar, "centre", 0),
        "model, alignment affine": with_model(registrar, "affine", 0),
        "model, alignment auto": with_model(registrar, "auto", 0),
    }
    if args.refine:
        methods[f"model, {args.refine} steps of refinement"] = with_model(registrar, "auto", args.refine)
    rows, pairs = [], cohort.pairs["test"][:: args.every]
    with progress_bar(len(pairs) * len(methods), "registering") as bar:
        for fixed, moving in pairs:
            scans = scans_of(files, recipe, fixed, moving)
            for name, method in methods.items():
                started = time.process_time()
                labels, folded = method(scans)
                seconds = time.process_time() - started
                dice = dice_of(scans["fixed_labels"].data, labels)["mean"]
                rows.append({"method": name, "fixed": fixed, "moving": moving, "dice": dice, "folded": folded,
                             "seconds": seconds})  # fmt: skip
                bar.update(1)
    frame = pd.DataFrame(rows)
    write_csv(args.out / "native_space.csv", frame)
    means = frame.groupby("method", sort=False)[["dice", "folded", "seconds"]].mean()
    table = pd.DataFrame({"Dice (%)": (100 * means["dice"]).round(2), "folded (%)": (100 * means["folded"]).round(3),
                          "CPU time (s)": means["seconds"].round(1)})  # fmt: skip
    text = f"{len(pairs)} test pairs of {cohort.name}, stored scans in their own space\n\n"
    (args.out / "native_space.md").write_text(text + table.to_markdown() + "\n")
    print(table.to_markdown())


if __name__ == "__main__":
    main()
