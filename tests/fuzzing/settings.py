"""YAML settings: a study with everything that it names, and every other kind of file by its schema."""

import contextlib
from pathlib import Path
from typing import Any

import yaml

from tests.fuzzing.odd_values import with_odd_values
from tests.fuzzing.target import Target
from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.files.schema import validate
from textscf.study import load_study

CONFIG = Path(__file__).resolve().parents[2] / "config"
_SCHEMAS = ("cohort", "data_set", "anatomy", "prompts", "experiment")
_SEEDS = ("demo.yaml", "cohorts/hippocampus_mr.yaml", "prompts/one_hot.yaml", "experiments/table3.yaml")
_ALIASES = b"a: &a {study: x, title: y}\nb: &b [*a, *a]\nruns: {x: *a, <<: {y: *b}}\n"


def _read(path: Path) -> None:
    content = read_yaml(path)
    for name in _SCHEMAS:
        with contextlib.suppress(InputError):
            validate(content, CONFIG / f"schemas/{name}.yaml", str(path))
    if isinstance(content, dict):  # Snakemake refuses others
        _resolve(content, path)


def _resolve(content: dict[str, Any], path: Path) -> None:
    """Resolve a study; an error may also name the file of `config/` that the study asks too much of."""
    try:
        load_study(content, CONFIG, [path])
    except InputError as error:
        raise InputError(str(error).replace(f"{CONFIG}/", f"{path}: ")) from error


def _odd_study(choices: bytes) -> bytes:
    """The study of `config/demo.yaml` with odd values."""
    return yaml.dump(with_odd_values(read_yaml(CONFIG / "demo.yaml"), choices)).encode()


TARGET = Target(
    "settings.yaml",
    _read,
    (*(b"\0" + (CONFIG / name).read_bytes()[:8000] for name in _SEEDS), b"\0" + _ALIASES, b"\1" + bytes(4)),
    (bytes, _odd_study),
    largest=8192,
)
