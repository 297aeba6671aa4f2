"""Registration of one pair of image files with a trained run."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from textscf.data.recipe import Recipe
from textscf.data.scans import prepare_image, prepare_labels
from textscf.errors import InputError
from textscf.files.io import read_yaml, write_json, write_nifti
from textscf.files.layout import NETWORK_FILES, Layout
from textscf.registration.inference import timed_prediction
from textscf.registration.trained_run import TrainedRun, load_checkpoint
from textscf.registration.volumes import Scan
from textscf.spatial import warp

if TYPE_CHECKING:
    from textscf.segmentation.segmentor import Segmentor


def register_files(
    checkpoint: Path,
    fixed: Path,
    moving: Path,
    out: Path,
    device: torch.device,
    fixed_labels: Path | None = None,
    segmentor: Path | None = None,
) -> None:
    """Write `displacement.nii.gz` (H, W, D, 3), `warped.nii.gz`, `fixed.nii.gz`, `moving.nii.gz`, `registration.json`.

    The function first preprocesses both scans like the run's cohort and resamples them to its grid. All files are on
    that grid. Displacements are in its voxels: ``warped(x) = moving(x + u(x))``.

    Args:
        checkpoint: `checkpoint.pt` of the run.
        fixed, moving: NIfTI images.
        out: folder for the files.
        device: device of the computation.
        fixed_labels: label map of the fixed image with the cohort's labels, for a run with a text-driven head.
        segmentor: weights, with `config.yaml` beside them, that segment the fixed image if no label map is given; the
            default is the run's own segmentor.

    Raises:
        InputError: a file cannot be used, or there are no regions for a run with a text-driven head.
    """
    trained = load_checkpoint(checkpoint, device)
    recipe = Recipe.from_config(trained.cohort)
    scans = {name: prepare_image(path, recipe) for name, path in (("fixed", fixed), ("moving", moving))}
    regions = confidence = None
    if trained.network.uses_regions and fixed_labels is not None:
        regions = torch.from_numpy(prepare_labels(fixed_labels, recipe))[None, None].to(device)
        confidence = torch.ones_like(regions, dtype=torch.float32)
    elif trained.network.uses_regions:
        found = find_segmentor(checkpoint, trained, segmentor, device)
        regions, confidence = (part[None, None] for part in found.regions(scans["fixed"], fixed))
    inputs = {name: torch.from_numpy(image)[None, None].to(device) for name, image in scans.items()}
    empty = torch.zeros_like(inputs["fixed"], dtype=torch.uint8)
    fixed_scan = Scan(inputs["fixed"], empty, regions, confidence)
    displacement, seconds = timed_prediction(trained.network, fixed_scan, Scan(inputs["moving"], empty, None, None))
    field = torch.from_numpy(displacement).movedim(-1, 0)[None].to(device)
    affine = np.array(trained.cohort["affine"])
    volumes = {**scans, "warped": warp(inputs["moving"], field)[0, 0].cpu().numpy(), "displacement": displacement}
    for name, volume in volumes.items():
        write_nifti(out / f"{name}.nii.gz", volume, affine)
    provenance = {"run": trained.run["run"], "cohort": trained.cohort["name"], "notice": trained.cohort["notice"]}
    write_json(
        out / "registration.json", {**provenance, "fixed": str(fixed), "moving": str(moving), "seconds": seconds}
    )


def find_segmentor(checkpoint: Path, trained: TrainedRun, given: Path | None, device: torch.device) -> "Segmentor":
    """Load the segmentor of the `given` weights, else that of a released model, else that in the workflow's results.

    Args:
        checkpoint: file that `trained` was read from.
        trained: run with a text-driven head.
        given: weights with `config.yaml` beside them.
        device: device of the computation.

    Raises:
        InputError: no segmentor is found, or its weights do not fit.
    """
    from textscf.segmentation.segmentor import Segmentor
    from textscf.segmentation.swin_unetr import read_weights  # importing MONAI takes seconds

    anatomy, recipe = trained.cohort["anatomy"], Recipe.from_config(trained.cohort)
    if given is None and trained.segmentor:
        own = trained.segmentor
        return Segmentor(own["weights"], str(checkpoint), own["settings"], anatomy, recipe, device)
    path = given or _of_the_workflow(checkpoint, trained)
    settings_file = path.with_name("config.yaml")
    if not path.is_file() or not settings_file.is_file():
        raise InputError(
            f"{path}: no segmentor with its config.yaml here; run {trained.run['run']} needs regions of the fixed "
            "image: give --fixed-labels or --segmentor"
        )
    settings = read_yaml(settings_file)
    return Segmentor(read_weights(path, settings), f"segmentor {path.parent.name}", settings, anatomy, recipe, device)


def _of_the_workflow(checkpoint: Path, trained: TrainedRun) -> Path:
    """Path in `results/cohorts/...` of the weights of the segmentor that the run was trained with."""
    if checkpoint.resolve().parent.parent.name != "runs":
        raise InputError(
            f"{checkpoint}: lies outside of the results that it was made with, which have its segmentor; run "
            f"{trained.run['run']} needs regions of the fixed image: give --fixed-labels or --segmentor"
        )
    folder = Layout.around(checkpoint.parent).segmentation(trained.cohort["name"], trained.run["segmentor"])
    known = [folder / name for name in NETWORK_FILES.values()]
    return next((path for path in known if path.is_file()), known[0])
