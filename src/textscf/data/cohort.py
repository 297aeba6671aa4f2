"""Subjects and pairs of a cohort, and the prepared cohort on disk."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textscf.data.recipe import Recipe
from textscf.errors import InputError
from textscf.files.io import read_image, read_json, read_labels

if TYPE_CHECKING:
    import numpy as np

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_RANGE = re.compile(r"(\d+)-(\d+)")
_MAX_SUBJECTS = 1_000_000
TRAINED_ON = ("train", "validation")
"""Splits that determine a training."""

Number = int | str
"""Number or name of a subject, as the splits list it."""


def expand_subjects(config: dict[str, Any]) -> dict[str, list[str]]:
    """Subject ids of each split of a resolved cohort config, in the order given.

    A split lists numbers, ranges "first-last" and names. Raises InputError if a range is malformed, if a subject
    appears twice (in one split or in two), or if the name template gives an id that is not safe as a file name, or one
    id for two subjects.
    """
    splits = _split_numbers(config)
    subjects = {split: [_subject_id(config, number) for number in numbers] for split, numbers in splits.items()}
    owner: dict[str, str] = {}
    for split, number, subject in ((s, *pair) for s in splits for pair in zip(splits[s], subjects[s], strict=True)):
        if subject in owner:
            where = f"cohort {config['name']}: splits.{split}: subject {number}"
            raise InputError(f"{where} is '{subject}' by the key subject, as is {owner[subject]}; expected two names")
        owner[subject] = f"{number} of splits.{split}"
    return subjects


def expand_pairs(config: dict[str, Any]) -> dict[str, list[tuple[str, str]]]:
    """Ordered pairs (fixed id, moving id) of each split that has an entry under `pairs`.

    The entry is `all` (every ordered pair), `{next: k}` (each subject is fixed, and the k subjects that follow it in
    the split, cyclically, are moving) or a list of [fixed, moving] numbers. Raises InputError that names a wrong entry.
    """
    splits = _split_numbers(config)
    pairs = {}
    for split, rule in config.get("pairs", {}).items():
        where = f"cohort {config['name']}: pairs.{split}"
        if split not in splits:
            raise InputError(f"{where}: there is no split of this name; expected one of {', '.join(splits)}")
        numbers = _number_pairs(rule, splits[split], where)
        pairs[split] = [(_subject_id(config, f), _subject_id(config, m)) for f, m in numbers]
    return pairs


def check_cohort(config: dict[str, Any]) -> None:
    """Raise InputError for errors in subjects, listed pairs or preparation that a cohort's schema cannot detect."""
    subjects = expand_subjects(config)
    for split in (split for split, rule in config["pairs"].items() if rule == "all"):
        if len(found := subjects.get(split, [])) < 2:
            where = f"cohort {config['name']}: pairs.{split}: all"
            raise InputError(f"{where}: splits.{split} has {len(found)} subjects; expected 2 or more")
    listed = {split: rule for split, rule in config["pairs"].items() if rule != "all"}
    expand_pairs({**config, "pairs": listed})
    where = f"cohort {config['name']}"
    Recipe.check(config["preprocess"], where)
    if config["preprocess"].get("align"):
        _check_alignable(config, where)


def _check_alignable(config: dict[str, Any], where: str) -> None:
    """Raise InputError for settings that need the stored grids; aligned scans are no longer on them."""
    pretrained = [name for name, each in config["segmentors"].items() if each.get("source") == "pretrained"]
    if pretrained:
        raise InputError(
            f"{where}: segmentors.{pretrained[0]}: pretrained; expected source train with preprocess.align"
        )
    if config.get("learn2reg"):
        raise InputError(f"{where}: learn2reg: not possible with preprocess.align, as fields go to the stored grids")


def subject_numbers(config: dict[str, Any]) -> dict[str, Number]:
    """Map of subject id to the number or name that the splits list, in the order of the splits."""
    return {_subject_id(config, number): number for numbers in _split_numbers(config).values() for number in numbers}


def _split_numbers(config: dict[str, Any]) -> dict[str, list[Number]]:
    owner: dict[Number, str] = {}
    splits = {}
    for split, entries in config["splits"].items():
        where = f"cohort {config['name']}: splits.{split}"
        splits[split] = [number for entry in entries for number in expand_entry(entry, where)]
        for number in splits[split]:
            if number in owner:
                raise InputError(f"{where}: subject {number} is already in splits.{owner[number]}")
            owner[number] = split
    return splits


def expand_entry(entry: Number, where: str) -> Iterable[Number]:
    """Numbers of one entry of a split: a number, a range such as "3-7", or a name, which stays a name.

    Raises:
        InputError: the entry is malformed; the message names `where`.
    """
    if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0:
        return [entry]
    if not isinstance(entry, str) or not _SAFE_NAME.fullmatch(entry):
        raise InputError(f"{where}: '{entry}' is no number, no range such as \"3-7\" and no name of a subject")
    match = _RANGE.fullmatch(entry)
    if not match:
        return [entry]
    first, last = int(match[1]), int(match[2])
    if not first <= last < first + _MAX_SUBJECTS:
        raise InputError(f"{where}: range '{entry}' is empty or too long; expected first-last, ascending")
    return range(first, last + 1)


def _number_pairs(rule: Any, numbers: list[Number], where: str) -> list[tuple[Number, Number]]:
    if rule == "all":
        return [(fixed, moving) for fixed in numbers for moving in numbers if fixed != moving]
    if isinstance(rule, dict):
        following, count = rule["next"], len(numbers)
        if not 1 <= following < count:
            raise InputError(f"{where}: next is {following}; expected 1 to {count - 1} for {count} subjects")
        return [(numbers[i], numbers[(i + k) % count]) for i in range(count) for k in range(1, following + 1)]
    known = set(numbers)
    for fixed, moving in rule:
        if fixed == moving or not {fixed, moving} <= known:
            raise InputError(f"{where}: [{fixed}, {moving}]; expected two different subjects of this split")
    pairs = [(fixed, moving) for fixed, moving in rule]
    if twice := [pair for pair, count in Counter(pairs).items() if count > 1]:
        raise InputError(f"{where}: {list(twice[0])} is there more than once; expected each pair once")
    return pairs


def _subject_id(config: dict[str, Any], number: Number) -> str:
    template, where = config["subject"], f"cohort {config['name']}: subject"
    try:
        subject = template.format(number)
    except (ValueError, IndexError, KeyError, AttributeError) as error:
        raise InputError(f"{where}: '{template}' cannot take '{number}' ({error})") from error
    if not _SAFE_NAME.fullmatch(subject):
        raise InputError(f"{where}: '{subject}' is not safe as a file name; expected letters, digits, _ . -")
    return subject


@dataclass(frozen=True)
class Cohort:
    """A prepared cohort: the content of its `cohort.json`, with images and label maps in the same `folder`."""

    folder: Path
    name: str
    title: str
    notice: str | None
    licence: str
    citation: str
    modality: str
    anatomy: dict[str, Any]
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    affine: "np.ndarray"
    splits: dict[str, list[str]]
    pairs: dict[str, list[tuple[str, str]]]
    files: dict[str, str]

    @classmethod
    def load(cls, folder: Path) -> "Cohort":
        """Read `folder`/cohort.json. Raises InputError if it is incomplete or a file that it lists is missing."""
        path = folder / "cohort.json"
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a prepared cohort, made by src/preprocess.py")
        content = read_json(path)
        try:
            cohort = cls.described(folder, content)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise InputError(f"{path}: not a prepared cohort ({error})") from error
        missing = [name for name in cohort.files if not (folder / name).is_file()]
        if missing:
            raise InputError(f"{folder / missing[0]}: no such file ({len(missing)} of cohort.json are missing)")
        return cohort

    @classmethod
    def described(cls, folder: Path, content: dict[str, Any]) -> "Cohort":
        """Build the cohort in `folder` from the `content` of a cohort.json. Does not check that its files exist."""
        return cls(folder=folder, **_typed(content))

    @property
    def label_values(self) -> list[int]:
        """Labels of the structures, without the background."""
        return [structure["label"] for structure in self.anatomy["structures"]]

    @property
    def structure_names(self) -> list[str]:
        """Names of the structures in the order of `label_values`."""
        return [structure["name"] for structure in self.anatomy["structures"]]

    @property
    def n_regions(self) -> int:
        """Number of regions: the structures and the background."""
        return len(self.anatomy["structures"]) + 1

    def subjects(self, split: str | None = None) -> list[str]:
        """Subject ids of one split, or of all splits in order."""
        if split is None:
            return [subject for subjects in self.splits.values() for subject in subjects]
        if split not in self.splits:
            known = ", ".join(self.splits)
            raise InputError(f"cohort {self.name}: no split '{split}'; expected one of {known}")
        return self.splits[split]

    def image_path(self, subject: str) -> Path:
        """File of the prepared image, float32 in [0, 1]."""
        return self._path("images", subject)

    def label_path(self, subject: str) -> Path:
        """File of the prepared label map, uint8."""
        return self._path("labels", subject)

    def landmark_path(self, subject: str) -> Path:
        """CSV file of the landmarks, mm of RAS axes in the world of the prepared grid."""
        return self.folder / f"landmarks/{subject}.csv"

    def has_labels(self, subject: str) -> bool:
        """Whether a subject has a label map."""
        return f"labels/{subject}.nii.gz" in self.files

    def has_landmarks(self, subject: str) -> bool:
        """Whether a subject has landmarks."""
        return f"landmarks/{subject}.csv" in self.files

    def labelled(self, split: str | None = None) -> list[str]:
        """Subject ids of one split, or of all splits in order, that have a label map."""
        return [subject for subject in self.subjects(split) if self.has_labels(subject)]

    def labelled_pairs(self, split: str) -> list[tuple[str, str]]:
        """Pairs of one split whose two subjects have label maps."""
        return [pair for pair in self.pairs.get(split, []) if all(map(self.has_labels, pair))]

    def load_image(self, subject: str) -> "np.ndarray":
        """Prepared image, float32 (H, W, D) in [0, 1]."""
        path = self.image_path(subject)
        return self._checked(read_image(path).data, path)

    def load_labels(self, subject: str) -> "np.ndarray":
        """Prepared label map, uint8 (H, W, D); InputError for a subject without one."""
        path = self.label_path(subject)
        return self._checked(read_labels(path).data.astype("uint8"), path)

    def fingerprint(self) -> str:
        """SHA-256 of what determines a training: grid, labels, and scans and pairs to train and validate on.

        Names, texts, colours and test scans may change without making a training begin again.
        """
        splits = {split: self.splits.get(split, []) for split in TRAINED_ON}
        names = [
            f"{kind}/{subject}.nii.gz" for kind in ("images", "labels") for part in splits.values() for subject in part
        ]
        content = {
            "grid": [self.shape, self.spacing, self.affine.tolist()],
            "labels": self.label_values,
            "splits": splits,
            "pairs": self.pairs.get("validation"),
            "files": {name: self.files[name] for name in names if name in self.files},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def _path(self, kind: str, subject: str) -> Path:
        name = f"{kind}/{subject}.nii.gz"
        if name not in self.files:
            if kind == "labels" and f"images/{subject}.nii.gz" in self.files:
                raise InputError(f"cohort {self.name}: subject '{subject}' has no label map; expected one")
            raise InputError(f"cohort {self.name}: no subject '{subject}' in its splits")
        return self.folder / name

    def _checked(self, data: "np.ndarray", path: Path) -> "np.ndarray":
        if data.shape != self.shape:
            raise InputError(f"{path}: shape {data.shape}; expected {self.shape} as in cohort.json")
        return data


def _typed(content: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    return content | {
        "shape": tuple(content["shape"]),
        "spacing": tuple(content["spacing"]),
        "affine": np.array(content["affine"], dtype=np.float64).reshape(4, 4),
        "files": dict(content["files"]),
        "anatomy": {**content["anatomy"], "structures": list(content["anatomy"]["structures"])},
        "pairs": {split: [tuple(pair) for pair in pairs] for split, pairs in content["pairs"].items()},
    }
