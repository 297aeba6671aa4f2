"""Local correlation in windows of several sizes, the training loss of LapIRN."""

from torch import Tensor

from textscf.losses.box_mean import box_mean
from textscf.spatial import halve

_WINDOWS = (7, 5, 3)
_EPSILON = 1e-5


def dissimilarity(fixed: Tensor, warped: Tensor, stride: int) -> Tensor:
    """Negative squared local correlation at several scales, the training loss of LapIRN (Mok and Chung, 2020).

    The images are compared in windows of 7, 5 and 3 voxels at full, half and quarter size with weights 1, 1/2 and 1/4.
    If the images are on a grid with a `stride`, the first log2(stride) windows are left out.
    """
    total = fixed.new_zeros(())
    for scale, window in enumerate(_WINDOWS[stride.bit_length() - 1 :]):
        if scale:
            fixed, warped = halve(fixed), halve(warped)
        total = total - squared_correlation(fixed, warped, window).mean() / 2**scale
    return total


def squared_correlation(fixed: Tensor, warped: Tensor, window: int) -> Tensor:
    """Squared correlation in the window around each voxel; outside the images the values are zero.

    It uses sums instead of means, and the published epsilon of 1e-5 in the denominator. Variances that rounding makes
    negative are set to zero: in the published form they caused a division by zero.
    """
    size = window**3
    mean_f, mean_w = box_mean(fixed, window), box_mean(warped, window)
    covariance = size * (box_mean(fixed * warped, window) - mean_f * mean_w)
    variance_f = size * (box_mean(fixed.square(), window) - mean_f.square()).clamp(min=0)
    variance_w = size * (box_mean(warped.square(), window) - mean_w.square()).clamp(min=0)
    return covariance.square() / (variance_f * variance_w + _EPSILON)
