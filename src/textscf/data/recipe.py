"""Settings for preparing a cohort's scans."""

import math
from dataclasses import dataclass
from typing import Any

from textscf.errors import InputError

FIRST = "first"
"""Value of `preprocess.align.to` for the first subject of the splits; anything else is the file of a template."""

_MAX_VOXELS = 2**28
_PATIENT_AXES = ("LR", "PA", "IS")


@dataclass(frozen=True)
class Recipe:
    """The `preprocess` section of a resolved cohort config, with the labels of its anatomy.

    `axes` is "header" or the axis codes of the stored scans; `orientation` is the axis codes after preparation.
    Spacings are in mm. `shape` is (H, W, D) after preparation; with `exact`, scans that would need padding or cropping
    are refused. `intensity` is clip, percentile or none. `values` are the numbers, one or more, that stored label maps
    have for each of the `labels`, if these are others; `other_labels` says what happens to numbers that are not among
    them. `align_to` is what the scans are aligned with, "first" or the file of a template, None for no alignment;
    `align_kind` is rigid or affine, None without alignment.
    """

    axes: str
    orientation: str
    source_spacing: tuple[float, ...] | None
    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    intensity: str
    intensity_range: tuple[float, float]
    labels: tuple[int, ...]
    values: tuple[tuple[int, ...], ...] = ()
    exact: bool = False
    other_labels: str = "refuse"
    align_to: str | None = None
    align_kind: str | None = None

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Recipe":
        """Read the settings of a resolved cohort `config`. Raises InputError for errors its schema cannot detect."""
        settings, where = config["preprocess"], f"cohort {config['name']}"
        labels = tuple(structure["label"] for structure in config["anatomy"]["structures"])
        if labels != tuple(range(1, len(labels) + 1)):
            raise InputError(f"{where}: labels of the anatomy are {list(labels)}; expected 1, 2, ... in order")
        cls.check(settings, where)
        source_spacing = settings.get("source_spacing")
        align = settings.get("align")
        return cls(
            axes=settings["axes"],
            orientation=settings["orientation"],
            source_spacing=tuple(source_spacing) if source_spacing else None,
            spacing=tuple(settings["spacing"]),
            shape=tuple(settings["shape"]),
            intensity=settings["intensity"]["kind"],
            intensity_range=_limits(settings),
            labels=labels,
            values=_values(config, labels, where),
            exact=settings.get("fit") == "exact",
            other_labels=settings.get("other_labels", "refuse"),
            align_to=align["to"] if align else None,
            align_kind=align.get("kind", "rigid") if align else None,
        )

    @staticmethod
    def check(settings: dict[str, Any], where: str) -> None:
        """Raise InputError for wrong axes, intensities or sizes that pass the schema of the `preprocess` section."""
        _check_codes(settings, where)
        _check_limits(settings["intensity"]["kind"], _limits(settings), where)
        if settings.get("align") and settings.get("fit") == "exact":
            raise InputError(f"{where}: preprocess.fit: exact; expected centre, as aligned scans are all resampled")
        if math.prod(settings["shape"]) > _MAX_VOXELS:
            raise InputError(f"{where}: preprocess.shape: {settings['shape']}; expected at most {_MAX_VOXELS} voxels")


def _values(config: dict[str, Any], labels: tuple[int, ...], where: str) -> tuple[tuple[int, ...], ...]:
    """Numbers of the structures in stored label maps; simulated label maps have those of the anatomy."""
    if config.get("simulate_ct") or config.get("from_one"):
        return tuple((label,) for label in labels)
    found = [structure.get("value", structure["label"]) for structure in config["anatomy"]["structures"]]
    values = tuple(tuple(value) if isinstance(value, list) else (value,) for value in found)
    every = [value for parts in values for value in parts]
    twice = sorted({value for value in every if every.count(value) > 1})
    if twice:
        raise InputError(f"{where}: value {twice[0]} of the anatomy stands for two structures; expected one each")
    return values


def _limits(settings: dict[str, Any]) -> Any:
    """Intensity range as configured, not yet checked; (0, 1) for kind `none`."""
    none = settings["intensity"]["kind"] == "none"
    return (0.0, 1.0) if none else tuple(settings["intensity"].get("range", ()))


def _check_codes(settings: dict[str, Any], where: str) -> None:
    for key in ("axes", "orientation"):
        codes = settings[key]
        named = {next((axis for axis in _PATIENT_AXES if letter in axis), "") for letter in codes}
        if not (key == "axes" and codes == "header") and not (len(codes) == 3 and named == set(_PATIENT_AXES)):
            raise InputError(f"{where}: preprocess.{key}: '{codes}'; expected one of L/R, P/A, I/S each, as in RAS")


def _check_limits(kind: str, limits: tuple[float, ...], where: str) -> None:
    if len(limits) != 2 or not limits[0] < limits[1]:
        raise InputError(f"{where}: preprocess.intensity.range: {list(limits)}; expected [low, high] for {kind}")
    if kind == "percentile" and not (limits[0] >= 0 and limits[1] <= 100):
        raise InputError(f"{where}: preprocess.intensity.range: {list(limits)}; expected percentiles, 0 to 100")
