"""Accepted and refused settings of a cohort's preprocessing."""

from pathlib import Path
from typing import Any

import pytest

from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.study.catalogue import Catalogue


def config_with(labels: tuple[int, ...] = (1, 2), **changes: Any) -> dict[str, Any]:
    """The parts of a resolved cohort config that a recipe comes from."""
    settings = {
        **{"axes": "header", "orientation": "RAS", "source_spacing": None, "spacing": [1, 1, 2]},
        **{"shape": [8, 9, 10], "intensity": {"kind": "clip", "range": [-500, 800]}},
    }
    structures = [{"label": label} for label in labels]
    return {"name": "c", "preprocess": settings | changes, "anatomy": {"structures": structures}}


def test_settings_are_taken_over() -> None:
    recipe = Recipe.from_config(config_with(axes="LAS", source_spacing=[2, 2, 3]))
    assert (recipe.axes, recipe.orientation, recipe.source_spacing) == ("LAS", "RAS", (2, 2, 3))
    assert (recipe.spacing, recipe.shape, recipe.labels) == ((1, 1, 2), (8, 9, 10), (1, 2))
    assert (recipe.intensity, recipe.intensity_range) == ("clip", (-500, 800))


def test_intensities_taken_as_they_are_need_no_range() -> None:
    assert Recipe.from_config(config_with(intensity={"kind": "none"})).intensity_range == (0.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"axes": "LLA"}, r"preprocess\.axes: 'LLA'"),
        ({"axes": "LA"}, r"preprocess\.axes: 'LA'"),
        ({"orientation": "header"}, r"preprocess\.orientation: 'header'"),
        ({"orientation": "RAX"}, r"preprocess\.orientation: 'RAX'"),
        ({"intensity": {"kind": "clip"}}, r"range: \[\]; expected \[low, high\] for clip"),
        ({"intensity": {"kind": "clip", "range": [800, -500]}}, r"range: \[800, -500\]"),
        ({"intensity": {"kind": "percentile", "range": [-1, 99]}}, "expected percentiles"),
        ({"intensity": {"kind": "percentile", "range": [1, 101]}}, "expected percentiles"),
        ({"labels": (1, 3)}, r"labels of the anatomy are \[1, 3\]; expected 1, 2"),
        ({"labels": (2, 1)}, r"labels of the anatomy are \[2, 1\]"),
    ],
)
def test_settings_that_cannot_be_are_named(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=f"^cohort c: .*{reason}"):
        Recipe.from_config(config_with(**changes))


def test_every_cohort_of_the_project_has_a_recipe(root: Path) -> None:
    catalogue = Catalogue(root / "config")
    for path in sorted((root / "config/cohorts").glob("*.yaml")):
        recipe = Recipe.from_config(catalogue.cohort(path.stem))
        assert len(recipe.values) == len(recipe.labels), path


def test_cortex_of_the_manual_segmentations_is_its_parcels_of_one_side(root: Path) -> None:
    """Neuromorphometrics gives odd numbers to the left side and even ones to the right."""
    config = Catalogue(root / "config").cohort("brain_mr")
    values = dict(
        zip((s["name"] for s in config["anatomy"]["structures"]), Recipe.from_config(config).values, strict=True)
    )
    left, right = values["left cerebral cortex"], values["right cerebral cortex"]
    assert {value % 2 for value in left} == {1}
    assert sorted(right) == sorted(66 if value == 65 else value - 1 for value in left)
