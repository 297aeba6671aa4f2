"""Volumes of one grid for a page: gzipped NIfTI in base64, equal volumes once."""

import base64
import gzip
import hashlib
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Encoded:
    """Volumes as text.

    Attributes:
        volumes: gzipped NIfTI in base64, by name.
        stride: every how many voxels along each axis are kept.
        shape: voxels of each volume.
        spacing: mm between the voxels kept.
    """

    volumes: dict[str, str]
    stride: int
    shape: tuple[int, ...]
    spacing: tuple[float, ...]

    @property
    def size(self) -> int:
        """Number of characters of all volumes."""
        return sum(map(len, self.volumes.values()))


class EmbeddedVolumes:
    """Collects volumes ``(H, W, D)`` of bytes on a grid with `affine` (4, 4) from voxels to mm."""

    def __init__(self, affine: NDArray[np.float64]) -> None:
        self._affine = affine
        self._volumes: dict[str, NDArray[np.uint8]] = {}
        self._names: dict[str, str] = {}

    def add(self, volume: NDArray[np.uint8]) -> str:
        """Add a volume of the grid; returns its name, which equal volumes share."""
        digest = hashlib.sha256(volume.tobytes()).hexdigest()
        name = self._names.setdefault(digest, f"volume{len(self._names)}")
        self._volumes[name] = volume
        return name

    def encoded(self, limit: int) -> Encoded:
        """Encode all volumes with the smallest stride by which they take at most `limit` characters.

        A stride keeps every n-th voxel along each axis, from the first one on, where it was.
        """
        shape = next(iter(self._volumes.values())).shape
        for stride in range(1, max(shape) + 1):
            texts = self._encoded(stride, limit)
            if texts is not None:
                spacing = stride * np.linalg.norm(self._affine[:3, :3], axis=0)
                return Encoded(texts, stride, tuple(-(-n // stride) for n in shape), tuple(spacing.tolist()))
        raise ValueError(f"{len(self._volumes)} volumes of one voxel take more than {limit} characters")

    def _encoded(self, stride: int, limit: int) -> dict[str, str] | None:
        affine = self._affine @ np.diag([stride, stride, stride, 1.0])
        texts: dict[str, str] = {}
        for name, volume in self._volumes.items():
            content = nib.Nifti1Image(volume[::stride, ::stride, ::stride], affine).to_bytes()
            texts[name] = base64.b64encode(gzip.compress(content, 6, mtime=0)).decode()
            limit -= len(texts[name])
            if limit < 0:
                return None
        return texts


def as_bytes(image: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round intensities in [0, 1] to steps of 1/255."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
