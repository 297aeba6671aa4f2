"""Import of the package antspyx, with a fixed seed and one thread."""

import os
from types import ModuleType

from textscf.errors import InputError

_SEED = 1


def load_ants(user: str) -> ModuleType:
    """Import the package ants, so that the same images give the same result.

    The import is here because it takes seconds and because it reads the number of threads from the environment. The
    deterministic mode of ants stays off, because that mode refuses SyN with default settings.

    Args:
        user: what needs the package, for the message.

    Raises:
        InputError: the package is not installed.
    """
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    try:
        import ants
    except ImportError as error:
        raise InputError(
            f"{user}: found no package antspyx, which has no build for this Python or processor; expected it "
            "installed: use Python 3.11 to 3.13 on another processor, or do without it"
        ) from error
    ants.config.set_ants_deterministic(on=False, seed_value=_SEED)
    return ants
