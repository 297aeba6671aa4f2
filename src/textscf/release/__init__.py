"""Release of models: one file with a trained run and its segmentor, and a model card."""

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
    """Write the model to `out`, and its card to the same path with the suffix ``.md``.

    Args:
        settings: settings of the model, see `textscf.workflow.model_settings`.
        results: folder of all results.
        out: file of the model.
        device: device for registering the test pairs.

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
