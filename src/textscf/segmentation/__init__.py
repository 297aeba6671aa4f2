"""External segmentors: a MONAI SwinUNETR segments every scan of a cohort (paper, section 3.3.2, mask branch)."""

from textscf.segmentation.result import Segmentation, load_segmentation

__all__ = ["Segmentation", "load_segmentation"]
