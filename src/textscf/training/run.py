"""Training of one run, from data and settings to the exported checkpoint."""

import hashlib
import json
import logging
import resource
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from textscf.data.cohort import TRAINED_ON, Cohort
from textscf.errors import InputError
from textscf.files.io import write_json
from textscf.files.state import load_newest
from textscf.job.devices import taken_precision
from textscf.job.provenance import environment
from textscf.models import build_network
from textscf.prompts import Embedding
from textscf.registration.trained_run import export_checkpoint
from textscf.segmentation import Segmentation
from textscf.training.auxiliary import open_volumes
from textscf.training.objective import Objective
from textscf.training.pairs import PairSchedule
from textscf.training.trainer import Trainer
from textscf.training.validation_dice import mean_dice

logger = logging.getLogger(__name__)


def train_run(
    run: Mapping[str, Any],
    cohort: Cohort,
    segmentation: Segmentation | None,
    embedding: Embedding | None,
    folder: Path,
    device: torch.device,
    auxiliary: Cohort | None = None,
) -> None:
    """Train a run and write `checkpoint.pt`, `history.csv`, `timing.json` and `environment.json` to `folder`.

    `last.pt` holds the last saved state, `best.pt` that of the best epoch. If `folder` has both, of the same settings
    and data, the call resumes from `last.pt`. `auxiliary` is a second cohort to train on. Validation Dice is that of
    the validation pairs with labels of both scans; without any such pair, the last epoch is taken for the best.

    Raises:
        InputError: bad data or settings.
        TrainingStopped: after SIGTERM or Ctrl-C.
    """
    scans = open_volumes(run, cohort, segmentation, auxiliary, device)
    if embedding is not None and list(embedding.labels) != list(range(scans.n_regions)):
        raise InputError(
            f"run {run['run']}: the embedding has {len(embedding.labels)} regions; expected {scans.n_regions}"
        )
    torch.manual_seed(run["seed"])
    vectors = None if embedding is None else torch.from_numpy(embedding.vectors)
    network = build_network(run["network"], vectors).to(device)
    network.backbone.check_shape(cohort.shape)
    subjects = cohort.subjects("train")
    scans.preload([*subjects, *cohort.subjects("validation"), *scans.auxiliary_subjects])
    validation = cohort.labelled_pairs("validation")
    if not validation:
        logger.warning(
            "run %s: no validation pair of cohort %s has labels: the checkpoint will be that of the last epoch",
            run["run"],
            cohort.name,
        )
    digest = fingerprint(run, cohort, segmentation, embedding, auxiliary)
    trainer = Trainer(
        network,
        Objective(run["loss"], scans.n_labels),
        scans,
        PairSchedule(subjects, run["seed"], run["training"]["steps_per_epoch"], scans.auxiliary_subjects),
        partial(mean_dice, scans=scans, pairs=validation, n_regions=cohort.n_regions),
        run["training"],
        folder,
        digest,
    )
    logger.info("run %s: %d parameters on %s", run["run"], sum(p.numel() for p in network.parameters()), device)
    timing = trainer.fit()
    best = load_newest([folder / "best.pt"], device, digest)
    if best is None:
        expected = "expected no other training to write to this folder"
        raise InputError(f"{folder / 'best.pt'}: is not the best state of this training; {expected}")
    network.load_state_dict(best["network"])
    precision = taken_precision(device, run["training"]["precision"])
    write_json(folder / "environment.json", {**environment(str(device)), "precision": precision})
    write_json(folder / "timing.json", {**timing, **_peak_memory(device)})
    export_checkpoint(folder / "checkpoint.pt", network.eval(), run, cohort)


def fingerprint(
    run: Mapping[str, Any],
    cohort: Cohort,
    segmentation: Segmentation | None,
    embedding: Embedding | None,
    auxiliary: Cohort | None = None,
) -> str:
    """Digest of all settings and data that determine a training's result."""
    seen = [subject for split in TRAINED_ON for subject in cohort.splits.get(split, [])]
    parts = [json.dumps(run, sort_keys=True), cohort.fingerprint()]
    parts += ["" if segmentation is None else segmentation.fingerprint(seen)]
    parts += ["" if embedding is None else embedding.fingerprint()]
    parts += [auxiliary.fingerprint()] if auxiliary else []
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _peak_memory(device: torch.device) -> dict[str, float]:
    """Peak memory in GiB of this process and, on CUDA, of the device."""
    peak = {"peak_memory_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    if device.type == "cuda":
        peak["peak_device_memory_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return peak
