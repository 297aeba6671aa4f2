"""Share of a scan's content that its structures cover, by which a scan of another kind than the training's is told."""

import numpy as np
from numpy.typing import NDArray

from textscf.data.alignment import CONTENT
from textscf.data.cohort import Cohort

_TOLERANCE = 1.4  # factor beyond the training scans' range


def covered_share(image: NDArray[np.floating], regions: NDArray[np.integer]) -> float:
    """Share of the voxels with content, in a prepared image (H, W, D), that have a structure in `regions`."""
    content = image > CONTENT
    return float((regions[content] > 0).mean()) if content.any() else 0.0


def training_range(cohort: Cohort) -> list[float]:
    """Smallest and largest `covered_share` of a cohort's labelled training scans."""
    shares = [covered_share(cohort.load_image(s), cohort.load_labels(s)) for s in cohort.labelled("train")]
    return [min(shares), max(shares)]


def coverage_remarks(share: float, trained: tuple[float, float]) -> list[str]:
    """A remark if the share of a scan lies well outside of the training scans' range, else nothing."""
    low, high = trained
    if low / _TOLERANCE <= share <= high * _TOLERANCE:
        return []
    known = f"{100 * low:.0f} to {100 * high:.0f} % in the scans that the model was trained on"
    return [
        f"structures cover {100 * share:.0f} % of what it shows, but {known}: is it of the same kind, cropped as these "
        "are, and without skull if these are?"
    ]
