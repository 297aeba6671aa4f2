"""Samples of the surfaces of all labels of a map, found in one pass over the map.

A sample of a label's surface is a 2x2x2 neighbourhood of which some voxels have the label and some have not. Most
neighbourhoods have a single label and give no sample. In each of the others, every label that occurs gives one.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class SurfaceSamples:
    """Samples of one label's surface.

    Attributes:
        places: position ``(3, K)`` of each neighbourhood in the grid of neighbourhoods ``(H+1, W+1, D+1)``.
        codes: occupancy ``(K,)`` of each neighbourhood by the label, as in `surface_areas`.
    """

    places: NDArray[np.uint32]
    codes: NDArray[np.uint8]


def surface_samples(labels: NDArray[np.integer], n_labels: int) -> list[SurfaceSamples]:
    """Samples of the surfaces of the labels 1 to `n_labels` of a map ``(H, W, D)``, outside of which is background."""
    padded = np.pad(labels, 1)
    strides = [padded.shape[1] * padded.shape[2], padded.shape[2], 1]
    flat = padded.ravel()
    mixed = np.flatnonzero(_is_mixed(flat, strides))
    steps = [i * strides[0] + j * strides[1] + k for i, j, k in itertools.product((0, 1), repeat=3)]
    corners = np.stack([flat[step:].take(mixed) for step in steps])
    label, code, place = (np.concatenate(parts) for parts in zip(*_one_by_one(corners, mixed), strict=True))
    order = np.argsort(label, kind="stable")
    codes, positions = code.take(order), _unravelled(place.take(order), strides)
    ends = np.searchsorted(label.take(order), np.arange(1, n_labels + 2))
    parts = [slice(first, last) for first, last in itertools.pairwise(ends)]
    return [SurfaceSamples(positions[:, part], codes[part]) for part in parts]


def _is_mixed(flat: NDArray[np.integer], strides: list[int]) -> NDArray[np.bool_]:
    """Whether the neighbourhood that starts at each place of a flat map has several labels.

    The map's outermost layers are background, so neighbourhoods that reach over the end of a row are not mixed.
    """
    mixed = np.zeros(len(flat), dtype=bool)
    for stride in strides:
        mixed = mixed[:-stride] | mixed[stride:]
        mixed |= flat[: len(mixed)] != flat[stride : stride + len(mixed)]
    return mixed


def _one_by_one(corners: NDArray[np.integer], places: NDArray[np.intp]) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
    """Yield the largest label of each neighbourhood with its code and place, then the next one, to the last.

    Args:
        corners: labels ``(8, M)`` of the voxels of each neighbourhood, overwritten.
        places: place ``(M,)`` of each neighbourhood.
    """
    label = corners.max(axis=0)
    while True:
        equal = corners == label
        yield label, _code(equal), places
        corners *= (~equal).view(np.uint8)
        label = corners.max(axis=0)
        left = np.flatnonzero(label)
        if not left.size:
            return
        corners, label, places = corners.take(left, axis=1), label.take(left), places.take(left)


def _code(occupied: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Occupancy codes ``(M,)`` from the occupancy of corners ``(8, M)``."""
    code = np.zeros(occupied.shape[1], np.uint8)
    for corner in occupied.view(np.uint8):
        code <<= 1
        code |= corner
    return code


def _unravelled(places: NDArray[np.intp], strides: list[int]) -> NDArray[np.uint32]:
    """Positions ``(3, K)`` of flat indices."""
    rest = places.astype(np.uint32)
    positions = np.empty((3, len(rest)), np.uint32)
    for position, stride in zip(positions, strides, strict=True):
        np.floor_divide(rest, np.uint32(stride), out=position)
        rest -= position * np.uint32(stride)
    return positions
