"""Looks of methods: the same in every figure, and different for colour-blind readers too."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from textscf.files.io import read_yaml
from textscf.plotting.looks import METHODS, looks_of

EXPERIMENTS = Path(__file__).parents[1] / "config" / "experiments"

SIGHT = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
"""Matrices of Machado et al. (2009) for linear RGB, severity 1."""
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour: str, sight: str) -> np.ndarray:
    """A colour in CIELAB (D65) as seen with a kind of sight."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(SIGHT[sight]) @ linear, 0, 1)
    x, y, z = np.cbrt(np.maximum(XYZ @ seen / XYZ.sum(axis=1), 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_no_two_methods_look_alike(sight: str) -> None:
    for (a, one), (b, other) in itertools.combinations(METHODS.items(), 2):
        apart = np.linalg.norm(lab(one.colour, sight) - lab(other.colour, sight))
        assert apart > 17, (a, b)
        assert one.marker != other.marker


def rows_of(kinds: set[str]) -> Iterator[tuple[str, list[str]]]:
    """Names of tables and figures of these kinds with the labels of their rows."""
    for path in sorted(EXPERIMENTS.glob("table[23].yaml")) + sorted(EXPERIMENTS.glob("figure*.yaml")):
        content = read_yaml(path)
        for name, item in (content.get("tables", {}) | content.get("figures", {})).items():
            if item.get("kind", "accuracy") in kinds:
                yield name, [row["label"] for row in item["rows"]]


def test_every_method_has_a_look_wherever_it_is_shown() -> None:
    shown = dict(rows_of({"accuracy", "dice_boxplot", "tradeoff", "cost", "forest", "validation_curves", "field"}))
    assert {"table2", "table3", "figure3", "figure4a", "figure4b", "figure5b", "figure6"} <= set(shown)
    assert {label for labels in shown.values() for label in labels} == set(METHODS)


def test_the_look_of_a_method_does_not_depend_on_the_others() -> None:
    for label in METHODS:
        assert looks_of([label]) == {label: looks_of([*METHODS, "mine"])[label]}


def test_other_labels_get_looks_of_their_own() -> None:
    labels = [f"setting {n}" for n in range(16)]
    looks = looks_of([*labels[:8], "textSCF", *labels[8:]])
    others = [looks[label] for label in labels]
    assert not {look.colour for look in others} & {look.colour for look in METHODS.values()}
    for parts in (("colour", "hatch"), ("colour", "line"), ("colour", "marker")):
        known = {tuple(getattr(look, part) for part in parts) for look in others[:15]}
        assert len(known) == 15


NEIGHBOURS = {
    "liver": ["gall bladder", "right kidney", "stomach", "inferior vena cava", "portal and splenic vein", "oesophagus"],
    "stomach": ["spleen", "pancreas", "left adrenal gland", "oesophagus"],
    "left kidney": ["spleen", "pancreas", "left adrenal gland"],
    "aorta": ["inferior vena cava", "oesophagus", "left adrenal gland", "pancreas"],
    "right adrenal gland": ["liver", "right kidney", "inferior vena cava"],
    "pancreas": ["portal and splenic vein", "inferior vena cava", "spleen"],
}


@pytest.mark.parametrize("sight", SIGHT)
def test_neighbouring_organs_have_distinct_colours(sight: str) -> None:
    anatomy = read_yaml(EXPERIMENTS.parent / "anatomies" / "abdomen.yaml")
    colours = {structure["name"]: structure["colour"] for structure in anatomy["structures"]}
    for organ, others in NEIGHBOURS.items():
        for other in others:
            assert np.linalg.norm(lab(colours[organ], sight) - lab(colours[other], sight)) > 25, (organ, other)
