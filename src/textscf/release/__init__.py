"""Models for use: a trained run with its segmentor in one file, and the card that comes with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from textscf.data.cohort import Cohort
from textscf.files.io import atomic_path
from textscf.files.layout import Layout
from textscf.release.card import model_card
from textscf.release.model import write_model


def release(settings: Mapping[str, Any], results: Path, out: Path, device: torch.device) -> None:
    """Write the model `out` and its card, the same name with the suffix ``.md``.

    Args:
        settings: of the model, see `textscf.workflow.model_settings`.
        results: folder of all results.
        out: file of the model.
        device: where its test pairs are registered.

    Raises:
        InputError: a file of the run, its cohort or its segmentor is missing or cannot be used.
    """
    layout, name = Layout(results), settings["segmentor"]
    run, initial = (layout.run(settings["study"], settings[key]) for key in ("run", "initial"))
    cohort = Cohort.load(layout.cohort(settings["cohort"]))
    segmentor = layout.segmentation(cohort.name, name) if name else None
    written = write_model(run, cohort, segmentor, out, device)
    with atomic_path(out.with_suffix(".md")) as temporary:
        temporary.write_text(model_card(settings, run, initial, cohort, segmentor, out, written))
