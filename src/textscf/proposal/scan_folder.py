"""Finds the images and label maps of a folder, and how their paths name the subject."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textscf.data.releases import Files
from textscf.errors import InputError
from textscf.files.image_file import read_image_file

_SUFFIXES = (".nii", ".nii.gz")
_BIDS = re.compile(r"(?<=sub-)[A-Za-z0-9]+")
_NUMBER = re.compile(r"\d+")
_LOOKED_AT = 3  # files of a group that are read to tell images from label maps
_MOST_LABELS = 256
_LEAST_EQUAL = 0.5  # part of the neighbouring voxels, background left out, that have the same label
_FEWEST = 6


@dataclass(frozen=True)
class FoundScans:
    """Images and label maps of a folder.

    Attributes:
        images, labels: patterns of their paths below the folder, with ``{subject}``; no pattern without label maps.
        files: image and label map of each subject, by the subject's name; None for an image without a label map.
        remarks: what was assumed, and what was left out.
    """

    images: str
    labels: str | None
    files: Files
    remarks: list[str]

    @property
    def labelled(self) -> list[str]:
        """Subjects with a label map."""
        return [subject for subject, (_, labels) in self.files.items() if labels is not None]


def find_scans(folder: Path) -> FoundScans:
    """Find the images of a folder and their label maps, if any, by names that differ only in the subject.

    Knows BIDS trees (``sub-01/anat/sub-01_T1w.nii.gz`` with label maps as ``_dseg`` beside them or under
    ``derivatives``), and folders in which a number in the name stands for the subject.

    Raises:
        InputError: there are no scans, fewer than 6 subjects, or label maps of some, but of fewer than 6 subjects.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a folder of NIfTI scans")
    paths = sorted(path for path in folder.rglob("*") if path.name.endswith(_SUFFIXES) and not _hidden(path, folder))
    if not paths:
        raise InputError(f"{folder}: has no .nii or .nii.gz file; expected scans and their label maps")
    groups = _groups(paths, folder)
    kinds = {pattern: _are_labels(list(files.values())[:_LOOKED_AT]) for pattern, files in groups.items()}
    images, labels = ([pattern for pattern in groups if kinds[pattern] == kind] for kind in (False, True))
    if not images:
        raise InputError(
            f"{folder}: found no images whose paths differ in the subject alone; found {', '.join(groups)}"
        )
    if not labels:
        return _unlabelled(folder, groups, max(images, key=lambda pattern: len(groups[pattern])))
    image, label = max(
        ((i, j) for i in images for j in labels), key=lambda pair: len(groups[pair[0]].keys() & groups[pair[1]].keys())
    )
    both = sorted(groups[image].keys() & groups[label].keys())
    if len(both) < _FEWEST:
        raise InputError(f"{folder}: {len(both)} subjects have {image} and {label}; expected at least {_FEWEST}")
    remarks = [f"images: {image}; label maps: {label}; {len(both)} subjects have both"]
    remarks += _left_out(groups, image, label)
    files: Files = {name: (groups[image][name], groups[label][name]) for name in both}
    alone = sorted(groups[image].keys() - groups[label].keys())
    return FoundScans(image, label, files | {name: (groups[image][name], None) for name in alone}, remarks)


def _unlabelled(folder: Path, groups: dict[str, dict[str, Path]], image: str) -> FoundScans:
    """The images of a folder without label maps."""
    subjects = sorted(groups[image])
    if len(subjects) < _FEWEST:
        raise InputError(f"{folder}: {len(subjects)} subjects have {image}; expected at least {_FEWEST}")
    what = "label maps (integers, at most 256 of them) whose paths differ in the subject alone"
    remarks = [f"images: {image}; {len(subjects)} subjects", f"found no {what}: all scans are without labels"]
    return FoundScans(image, None, {name: (groups[image][name], None) for name in subjects}, [
        *remarks, *(f"left out: {pattern}, {len(files)} files" for pattern, files in groups.items() if pattern != image)
    ])  # fmt: skip


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _groups(paths: list[Path], folder: Path) -> dict[str, dict[str, Path]]:
    """Files by pattern and subject; a pattern is a path in which ``{subject}`` stands for what differs."""
    alike: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        text = path.relative_to(folder).as_posix()
        alike[_NUMBER.sub("#", _BIDS.sub("@", text))].append(text)
    groups: dict[str, dict[str, Path]] = defaultdict(dict)
    for texts in alike.values():
        for text in texts:
            pattern, subject = _named(text, texts)
            if subject is not None:
                groups[pattern].setdefault(subject, folder / text)
    return dict(groups)


def _named(text: str, alike: list[str]) -> tuple[str, str | None]:
    """The pattern of a path and its subject; None if nothing in it names one."""
    bids = _BIDS.search(text)
    if bids:
        return _BIDS.sub("{subject}", text), bids[0]
    columns = list(zip(*(_NUMBER.findall(other) for other in alike), strict=True))
    varying = [column for column, values in enumerate(columns) if len(set(values)) > 1]
    if not varying:
        return text, None
    numbers = _NUMBER.findall(text)
    subject = numbers[varying[0]]
    same = {column for column in varying if numbers[column] == subject}
    parts, place = [], 0
    for column, match in enumerate(_NUMBER.finditer(text)):
        parts += [text[place : match.start()], "{subject}" if column in same else match[0]]
        place = match.end()
    return "".join([*parts, text[place:]]), subject


def _are_labels(paths: list[Path]) -> bool:
    """Whether the files hold label maps: few different integers, in areas of one number (8-bit images have none)."""
    for path in paths:
        data = read_image_file(path, fill=0.0).data
        values = np.unique(data)
        if len(values) > _MOST_LABELS or values[0] < 0 or not np.array_equal(values, np.rint(values)):
            return False
        first, second = data[:-1], data[1:]
        content = (first > 0) | (second > 0)
        if content.any() and (first == second)[content].mean() < _LEAST_EQUAL:
            return False
    return True


def _left_out(groups: dict[str, dict[str, Path]], image: str, label: str) -> list[str]:
    strays = sorted(groups[label].keys() - groups[image].keys())
    alone = [f"left out: {groups[label][name]} has no partner" for name in strays]
    unlabelled = [groups[image][name] for name in sorted(groups[image].keys() - groups[label].keys())]
    if unlabelled:
        named = ", ".join(map(str, unlabelled[:_LOOKED_AT])) + (", ..." if len(unlabelled) > _LOOKED_AT else "")
        alone.append(
            f"without labels: {len(unlabelled)} images, which train without Dice ({named}); `unlabelled: true` says so"
        )
    others = [f"left out: {pattern}, {len(files)} files" for pattern, files in groups.items()
              if pattern not in (image, label)]  # fmt: skip
    return alone + others
