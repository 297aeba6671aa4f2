"""Settings dataclasses from mappings."""

from dataclasses import dataclass

import pytest

from textscf.errors import InputError
from textscf.files.fill import fill


@dataclass(frozen=True)
class Fruit:
    name: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError(f"weight is {self.weight}; expected more than 0")


def test_defaults_are_filled_in() -> None:
    assert fill(Fruit, {"name": "pear"}, "f.yaml") == Fruit("pear", 1.0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"name": "pear", "wieght": 2}, "f.yaml: unknown key 'wieght'; did you mean 'weight'?"),
        ({"name": "pear", "zzz": 2}, "f.yaml: unknown key 'zzz'; expected one of name, weight"),
        ({"weight": 2}, "f.yaml: key 'name' is missing"),
        ({"name": "pear", "weight": 0}, "f.yaml: weight is 0; expected more than 0"),
        (["pear"], "f.yaml: holds list; expected a mapping of settings"),
        (None, "f.yaml: holds NoneType; expected a mapping of settings"),
    ],
)
def test_errors_name_file_and_key(content: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        fill(Fruit, content, "f.yaml")
    assert str(caught.value) == message
