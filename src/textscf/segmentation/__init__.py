"""External segmentors: a MONAI SwinUNETR segments every scan of a cohort (paper, section 3.3.2, mask branch)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textscf.segmentation.result import Segmentation, load_segmentation

__all__ = ["Segmentation", "load_segmentation"]


def __getattr__(name: str) -> Any:
    """Import on first use: a study is planned without NumPy."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from textscf.segmentation import result

    return getattr(result, name)
