"""Segments every scan of a cohort."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textscf.data.cohort import Cohort
from textscf.data.recipe import Recipe
from textscf.data.releases import stored_files, stored_recipe
from textscf.errors import InputError
from textscf.files.io import read_yaml, sha256_of, write_json, write_nifti
from textscf.files.layout import COST_FILE
from textscf.job.progress import progress_bar


def segment_cohort(
    cohort: Cohort,
    settings: Mapping[str, Any],
    network: Path | None,
    folder: Path,
    device: torch.device,
    raw: Path | None = None,
) -> None:
    """Write `labels/`, `confidence/` (p(x) scaled to 0 to 255), `cost.json` and, last, `segmentation.json` to `folder`.

    With `source: ground_truth`, the cohort's own labels are the segmentation, with confidence 1, at no cost. Otherwise
    `network` is the file of the trained or pretrained weights. A pretrained network reads the stored scans below `raw`.
    The cost is the network's number of parameters and the computing time of each scan in s.
    """
    if not folder.resolve().is_relative_to(cohort.folder.resolve()):
        raise InputError(
            f"{folder}: is not below the cohort's folder; expected {cohort.folder}/segmentations/<segmentor>"
        )
    content = {"cohort": cohort.name, "segmentor": folder.name, "source": settings["source"]}
    if settings["source"] == "ground_truth":
        without = [subject for subject in cohort.subjects() if not cohort.has_labels(subject)]
        if without:
            raise InputError(
                f"cohort {cohort.name}: {len(without)} of {len(cohort.subjects())} scans have no labels, the first is "
                f"{without[0]}; expected labels of all scans for ground_truth: take a segmentor that is trained"
            )
        files = {name: digest for name, digest in cohort.files.items() if name.startswith("labels/")}
        write_json(folder / COST_FILE, {"parameters": 0, "seconds": dict.fromkeys(cohort.subjects(), 0.0)})
        write_json(folder / "segmentation.json", {**content, "labels": "labels", "confidence": None, "files": files})
        return
    if network is None:
        raise InputError(
            f"segmentor {folder.name}: source is {settings['source']}, but no network is given (--network)"
        )
    from textscf.segmentation.segmentor import Segmentor
    from textscf.segmentation.stored import StoredImage
    from textscf.segmentation.swin_unetr import read_weights  # imports MONAI, which takes seconds

    config = read_yaml(cohort.folder / "config.yaml")
    recipe = Recipe.from_config(config) if raw is None else stored_recipe(config, raw)
    stored = {} if raw is None else {subject: image for subject, (image, _) in stored_files(config, raw).items()}
    weights = read_weights(network, settings)
    source = str(network)
    segmentor = Segmentor(weights, source, settings, cohort.anatomy, device)
    files, seconds = {}, {}
    with progress_bar(len(cohort.subjects()), "segmenting") as bar:
        for subject in cohort.subjects():
            image = StoredImage.of_cohort(stored[subject], recipe) if stored else None
            scan = cohort.load_image(subject)
            started = time.perf_counter()
            labels, confidence = segmentor.regions(scan, image)
            volumes = {"labels": labels.cpu(), "confidence": (confidence * 255).round().to(torch.uint8).cpu()}
            seconds[subject] = time.perf_counter() - started
            for kind, volume in volumes.items():
                path = folder / kind / f"{subject}.nii.gz"
                write_nifti(path, np.asarray(volume), cohort.affine)
                files[f"{kind}/{subject}.nii.gz"] = sha256_of(path)
            bar.update(1)
    write_json(folder / COST_FILE, {"parameters": segmentor.parameters, "seconds": seconds})
    place = folder.resolve().relative_to(cohort.folder.resolve())
    kinds = {kind: str(place / kind) for kind in ("labels", "confidence")}
    write_json(folder / "segmentation.json", {**content, **kinds, "network": sha256_of(network), "files": files})
