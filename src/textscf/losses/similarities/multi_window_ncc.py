"""Local correlation in windows of several sizes, the training loss of LapIRN."""

from torch import Tensor
from torch.nn import functional

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
    mean_f, mean_w = _local_mean(fixed, window), _local_mean(warped, window)
    covariance = size * (_local_mean(fixed * warped, window) - mean_f * mean_w)
    variance_f = size * (_local_mean(fixed.square(), window) - mean_f.square()).clamp(min=0)
    variance_w = size * (_local_mean(warped.square(), window) - mean_w.square()).clamp(min=0)
    return covariance.square() / (variance_f * variance_w + _EPSILON)


def _local_mean(x: Tensor, window: int) -> Tensor:
    for axis in range(3):
        kernel = [window if axis == a else 1 for a in range(3)]
        x = functional.avg_pool3d(x, kernel, 1, [n // 2 for n in kernel])
    return x
