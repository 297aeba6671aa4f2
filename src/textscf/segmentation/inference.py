"""Segments every scan of a cohort."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textscf.data.cohort import Cohort
from textscf.errors import InputError
from textscf.io import sha256_of, write_json, write_nifti
from textscf.progress import progress_bar


def segment_cohort(
    cohort: Cohort, settings: Mapping[str, Any], network: Path | None, folder: Path, device: torch.device
) -> None:
    """Write `labels/`, `confidence/` (p(x) scaled to 0 to 255) and, last, `segmentation.json` to `folder`.

    With `source: ground_truth` the cohort's own labels are the segmentation, with certainty; with `source: pretrained`
    the weights are the file that the settings name; otherwise `network` is the trained one.
    """
    if not folder.resolve().is_relative_to(cohort.folder.resolve()):
        raise InputError(
            f"{folder}: is not below the cohort's folder; expected {cohort.folder}/segmentations/<segmentor>"
        )
    weights = _weights(settings, network, folder.name)
    content = {"cohort": cohort.name, "segmentor": folder.name, "source": settings["source"]}
    if weights is None:
        files = {name: digest for name, digest in cohort.files.items() if name.startswith("labels/")}
        write_json(folder / "segmentation.json", {**content, "labels": "labels", "confidence": None, "files": files})
        return
    from textscf.segmentation.network import check_window, load_segmentor, probabilities  # MONAI takes seconds

    check_window(settings["window"], f"segmentor {folder.name}")
    segmentor = load_segmentor(weights, settings, cohort.n_regions, device)
    files = {}
    with progress_bar(len(cohort.subjects()), "segmenting") as bar:
        for subject in cohort.subjects():
            confidence, labels = probabilities(segmentor, cohort.load_image(subject), settings, device).max(0)
            volumes = {
                "labels": labels.to(torch.uint8),
                "confidence": (confidence * 255).round().to(torch.uint8),
            }
            for kind, volume in volumes.items():
                path = folder / kind / f"{subject}.nii.gz"
                write_nifti(path, np.asarray(volume.cpu()), cohort.affine)
                files[f"{kind}/{subject}.nii.gz"] = sha256_of(path)
            bar.update(1)
    place = folder.resolve().relative_to(cohort.folder.resolve())
    kinds = {kind: str(place / kind) for kind in ("labels", "confidence")}
    write_json(folder / "segmentation.json", {**content, **kinds, "network": sha256_of(weights), "files": files})


def _weights(settings: Mapping[str, Any], network: Path | None, segmentor: str) -> Path | None:
    """The file with the network's weights; None for the ground truth."""
    if settings["source"] == "ground_truth":
        return None
    if settings["source"] == "pretrained":
        return Path(settings["weights"])
    if network is None:
        raise InputError(f"segmentor {segmentor}: source is {settings['source']}, but no network is given (--network)")
    return network
