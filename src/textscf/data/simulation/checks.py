"""Checks of a declarative file; errors name the key, the value found and the value expected."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from textscf.errors import InputError

_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ellipsoid": (("centre", "radii"), ("turn",)),
    "tube": (("through", "radii"), ()),
    "side": (("point", "normal"), ()),
    "union": (("of",), ("blend",)),
    "cut": (("from", "by"), ()),
    "both": (("of",), ()),
    "repeat": (("of", "step", "times"), ()),
}


def check_shape(shape: Any, where: str) -> None:
    """Raise InputError naming `where` (a config key) unless `shape` is one of the seven kinds with its keys."""
    if not isinstance(shape, Mapping) or len(shape) != 1 or next(iter(shape)) not in _KEYS:
        found = ", ".join(map(str, shape)) if isinstance(shape, Mapping) else repr(shape)
        raise InputError(f"{where}: found shape '{found}'; expected one of {', '.join(_KEYS)}")
    kind, content = next(iter(shape.items()))
    required, optional = _KEYS[kind]
    check_keys(content, required, optional, f"{where}.{kind}")
    for key in content:
        _check_entry(content[key], (kind, key), f"{where}.{kind}.{key}")
    if kind == "tube" and not len(content["through"]) == len(content["radii"]) >= 2:
        raise InputError(
            f"{where}.tube: {len(content['through'])} points and {len(content['radii'])} radii; "
            "expected as many of both, at least 2"
        )


def check_keys(content: Any, required: Collection[str], optional: Collection[str], where: str) -> None:
    """Raise InputError naming `where` unless `content` is a mapping with all required and no unknown keys."""
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: found {content!r}; expected a mapping with {', '.join(required or optional)}")
    for key in required:
        if key not in content:
            raise InputError(f"{where}: key '{key}' is missing; expected {', '.join(required)}")
    for key in content:
        if key not in required and key not in optional:
            raise InputError(f"{where}: unknown key '{key}'; expected {', '.join([*required, *optional]) or 'none'}")


def _check_entry(value: Any, entry: tuple[str, str], where: str) -> None:
    if entry in (("cut", "from"), ("repeat", "of")):
        check_shape(value, where)
    elif entry[1] in ("of", "by", "through"):
        for index, part in enumerate(check_list(value, where)):
            if entry[1] == "through":
                check_numbers(part, 3, f"{where}[{index}]")
            else:
                check_shape(part, f"{where}[{index}]")
    elif entry == ("repeat", "times"):
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{where}: found {value!r}; expected a whole number from 1")
    else:
        check_numbers(value, {("tube", "radii"): None, ("union", "blend"): 0}.get(entry, 3), where)


def check_list(value: Any, where: str) -> list[Any]:
    """Return `value` if it is a list with at least one entry, else raise InputError."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: found {value!r}; expected a list of at least one entry")
    return value


def check_numbers(value: Any, count: int | None, where: str) -> None:
    """Raise InputError unless `value` is `count` numbers (0: one bare number, None: a list of any length)."""
    numbers = [value] if count == 0 else value
    right = isinstance(numbers, Sequence) and not isinstance(numbers, str) and count in (0, None, len(numbers))
    if not right or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        expected = "a number" if count == 0 else f"a list of {count or 'some'} numbers"
        raise InputError(f"{where}: found {value!r}; expected {expected}")
