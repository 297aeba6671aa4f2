"""Replacement of values within nested mappings and lists by odd ones."""

import copy
import datetime
from collections.abc import Iterator
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**70, 0.5, -1e308, float("nan"), float("inf")),
    *("", "x", "é\n", "../x", "{x}", "a" * 300, b"\xff", datetime.date(2020, 1, 1)),
    *([], {}, [None], {"": None}, {1: 1}, [[1, 2], [3]], ["1-1000000000000"], {"x": {"x": {}}}),
)
"""Values of every type that YAML has, and of sizes that a reader may not expect."""


def with_odd_values(content: Any, choices: bytes) -> Any:
    """Copy of `content` with changed values: each four bytes of `choices` choose a place (two), an action and a value.

    An action replaces the value, removes it with its key, or adds the odd value beside it.
    """
    result = copy.deepcopy(content)
    for start in range(0, min(len(choices), 40), 4):
        choice = choices[start : start + 4].ljust(4, b"\0")
        places = list(_places(result))
        if places:
            holder, key = places[int.from_bytes(choice[:2], "big") % len(places)]
            _change(holder, key, choice[2] % 4, ODD[choice[3] % len(ODD)])
    return result


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every mapping or list within `content` with each of its keys or indices."""
    keys = list(content) if isinstance(content, dict) else range(len(content)) if isinstance(content, list) else ()
    for key in keys:
        yield content, key
        yield from _places(content[key])


def _change(holder: Any, key: Any, action: int, value: Any) -> None:
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(value))
    elif action == 1:
        holder["odd"] = copy.deepcopy(value)
    else:
        holder[key] = copy.deepcopy(value)
