"""The project's phantom is valid, and faults in other phantoms are named."""

import copy
from pathlib import Path
from typing import Any

import pytest

from textscf.data.simulation.phantom import check_phantom
from textscf.data.simulation.tissues import structure_labels
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.files.schema import validate

ROOT = Path(__file__).parents[1]


@pytest.fixture
def phantom(root: Path) -> dict[str, Any]:
    return copy.deepcopy(read_yaml(root / "config/phantoms/abdomen.yaml"))


def check(phantom: Any) -> None:
    """Check the form of a phantom and how its parts fit each other."""
    validate(phantom, ROOT / "config/schemas/phantom.yaml", "p.yaml")
    check_phantom(phantom, "p.yaml")


def change(phantom: dict[str, Any], path: str, value: Any) -> None:
    """Set the entry at a dotted path, or delete it if `value` is None."""
    *parents, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parents:
        phantom = phantom[part]
    if value is None:
        del phantom[last]
    else:
        phantom[last] = value


def test_our_phantom_has_the_13_organs_of_the_anatomy(phantom: dict[str, Any], root: Path) -> None:
    check(phantom)
    anatomy = read_yaml(root / "config/anatomies/abdomen.yaml")
    labels = [structure["label"] for structure in anatomy["structures"]]
    assert sorted(structure_labels(phantom)) == labels == list(range(1, 14))
    sides = {structure["label"]: structure["side"] for structure in anatomy["structures"]}
    assert {label: side for label, side in sides.items() if side} == {2: "right", 3: "left", 12: "right", 13: "left"}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("tissues", None, "p.yaml: key 'tissues' is missing"),
        ("part", [], "p.yaml: unknown key 'part'"),
        ("parts", {}, "p.yaml: parts: found {}; expected array"),
        ("frame", [1, 2], r"p.yaml: frame: \[1, 2\] is too short; expected: three numbers"),
        ("deformation.0.amplitude", "big", "p.yaml: deformation.0.amplitude: found 'big'; expected number"),
        ("sliding.1.radii", None, "p.yaml: sliding.1: key 'radii' is missing"),
        ("parts.0.label", 6, r"p.yaml.parts\[1\].label: found 6; expected 1 to 199, each once"),
        ("parts.2.shape", {"cube": {}}, "p.yaml: parts.2.shape: unknown key 'cube'"),
        ("parts.2.slides", ["pleura"], r"slides: found 'pleura'; expected one of peritoneum"),
        ("parts.2.place", 4, "p.yaml: parts.2.place: found 4; expected array"),
        ("parts.2.signal.mean", [], r"parts.2.signal.mean: "),
        ("parts.2.signal.spread", "wide", "spread: found 'wide'"),
        ("body.wall.fat", None, "p.yaml: body.wall: key 'fat' is missing"),
        ("body.filled.0.tissue", "soup", r"filled\[0\].tissue: found 'soup'; expected one of air"),
        ("body.wall.fatt", 3, "p.yaml: body.wall: found 'fatt'; did you mean 'fat'"),
        ("parts.2.shape", {"tube": {"through": [[0, 0, 0], [1, 1, 1]], "radii": [1, 1, 1]}}, "differ in number"),
        ("tissues.fat", None, "p.yaml.tissues: key 'fat' is missing"),
        ("parts.2.shape", {"side": {"point": [0, 0, 0], "normal": [0, 0, 1]}}, r"parts\[2\].shape: has no end"),
        ("parts.2.label", None, r"parts\[2\]: neither label nor tissue"),
        ("parts.2.signal", None, r"parts\[2\]: neither of tissue and signal; expected one"),
        ("parts.2.tissue", "fat", r"parts\[2\]: both of tissue and signal; expected one"),
        ("parts.2.mirror", 7, r"parts\[2\].mirror: found 7; expected 1 to 199, each once"),
        ("parts.2.folds", {"gyri": 3}, r"parts\[2\].folds: found 'gyri'; expected none"),
        ("folding", [{"name": "gyri", "apart": 9}], "p.yaml: folding.0: key 'width' is missing"),
        ("tissues.soup", {"mean": [1]}, "p.yaml.tissues: found 'soup'; expected one of air"),
        ("scanner.blank", ["soup"], "p.yaml.scanner.blank: found 'soup'; expected one of air"),
        ("scanner.range", None, "p.yaml: scanner: key 'range' is missing"),
        ("scanner.noise", [8], r"p.yaml: scanner.noise: \[8\] is too short; expected: two numbers"),
    ],
)
def test_a_wrong_key_is_one_clear_error(phantom: dict[str, Any], path: str, value: Any, message: str) -> None:
    change(phantom, path, value)
    with pytest.raises(InputError, match=message) as error:
        check(phantom)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["brain", "lung"])
def test_phantoms_without_a_body_have_the_structures_of_their_anatomies(root: Path, name: str) -> None:
    phantom = read_yaml(root / f"config/phantoms/{name}.yaml")
    check(phantom)
    structures = read_yaml(root / f"config/anatomies/{name}.yaml")["structures"]
    assert structure_labels(phantom) == {structure["label"] for structure in structures}
    assert len({structure["colour"] for structure in structures}) == len(structures)
    sides = {s["label"]: s["side"] for s in structures}
    pairs = [(part["label"], part["mirror"]) for part in phantom["parts"] if "label" in part and "mirror" in part]
    assert all((sides[a], sides[b]) == ("left", "right") for a, b in pairs if a != b)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("parts.0.tissue", "soup", r"p.yaml.parts\[0\].tissue: found 'soup'; expected one of air, csf"),
        ("parts.0.mirror", 2, r"p.yaml.parts\[0\].mirror: found 2; expected one of air, csf"),
        ("parts.1.mirror", "cortex", r"p.yaml.parts\[1\].mirror: found 'cortex'; expected 1 to 199"),
        ("parts.1.folds", {"gyry": 7}, r"folds: found 'gyry'; expected one of gyri, folia"),
        ("parts.1.folds", {"gyri": "deep"}, "p.yaml: parts.1.folds.gyri: found 'deep'; expected number"),
        ("parts.1.slides", ["skull"], r"parts\[1\].slides: found 'skull'; expected none"),
        ("tissues.air", None, "p.yaml.tissues: key 'air' is missing"),
        ("tissues.csf", {"hu": [1]}, "p.yaml: tissues.csf: "),
        ("tissues", ["csf"], "p.yaml: tissues: found .*; expected object"),
        ("scanner.bias", "strong", "p.yaml: scanner.bias: found 'strong'; expected number"),
    ],
)
def test_a_wrong_key_of_a_phantom_without_a_body_is_one_clear_error(
    root: Path, path: str, value: Any, message: str
) -> None:
    phantom = copy.deepcopy(read_yaml(root / "config/phantoms/brain.yaml"))
    change(phantom, path, value)
    with pytest.raises(InputError, match=message):
        check(phantom)


def test_a_phantom_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InputError, match=r"p\.yaml: found None; expected object"):
        check(None)
