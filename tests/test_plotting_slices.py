"""Slices in the radiological orientation."""

import numpy as np
import pytest
from nibabel import orientations

from textscf.plotting.slices import AXIAL, CORONAL, content_box, organ_centre, position_to_display, to_display

CODES = ["RAS", "LAS", "LPI", "PIR", "SLA"]
SIZES = {"R": 5, "A": 6, "S": 7}


def _pointing(codes: str, towards: str) -> np.ndarray:
    """A volume with axes `codes` that is 1 where the patient's side `towards` is, 0 elsewhere."""
    opposite = dict(zip("RLAPSI", "LRPAIS", strict=True))
    axes = [code if code in SIZES else opposite[code] for code in codes]
    volume = np.zeros([SIZES[axis] for axis in axes])
    place = axes.index(towards if towards in SIZES else opposite[towards])
    index = [slice(None)] * 3
    index[place] = -1 if codes[place] == towards else 0
    volume[tuple(index)] = 1
    return volume


@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize("view", [AXIAL, CORONAL])
def test_the_sides_named_at_the_edges_are_there(codes, view):
    left = view.cut(to_display(_pointing(codes, view.left), codes), 2)
    top = view.cut(to_display(_pointing(codes, view.top), codes), 2)
    assert left[:, 0].all()
    assert not left[:, 1:].any()
    assert top[0].all()
    assert not top[1:].any()


@pytest.mark.parametrize("codes", CODES)
def test_positions_keep_each_component_with_its_axis(codes):
    shape = (5, 6, 7)
    position = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).astype(float)
    shown = position_to_display(position, codes)
    order = np.argsort(
        orientations.ornt_transform(orientations.axcodes2ornt(codes), orientations.axcodes2ornt("LPI"))[:, 0]
    )
    assert shown.shape[1:] == tuple(shape[axis] for axis in order)
    for component in range(3):
        steps = [np.abs(np.diff(shown[component], axis=axis)) for axis in range(3)]
        for axis in range(3):
            assert (steps[axis] == (axis == component)).all()


def test_every_structure_counts_once_for_the_centre():
    labels = np.zeros((20, 20, 20), dtype=np.uint8)
    labels[0:10, 2, 4] = 1
    labels[14, 6, 4] = 3
    assert organ_centre(labels) == [9, 4, 4]


def test_the_centre_of_an_empty_map_is_the_middle():
    assert organ_centre(np.zeros((10, 12, 14))) == [5, 6, 7]


def test_the_box_holds_the_content_of_all_images():
    one, two = np.zeros((8, 9, 10)), np.full((8, 9, 10), 0.01)
    one[2, 3, 4] = 0.5
    two[5, 3, 8] = 0.5
    assert content_box([one, two]) == (slice(2, 6), slice(3, 4), slice(4, 9))
    assert content_box([np.zeros((8, 9, 10))]) == (slice(0, 8), slice(0, 9), slice(0, 10))
