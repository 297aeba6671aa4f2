"""Releases of a data set: finds the release that a folder holds, and the files of each subject."""

import re
from pathlib import Path
from typing import Any

from textscf.data.cohort import Number, expand_entry, subject_numbers
from textscf.data.landmark_file import LandmarkFile
from textscf.data.recipe import Recipe
from textscf.errors import InputError

_KINDS = ("images", "labels")
_NAMED = 3

Files = dict[str, tuple[Path, Path | None]]
"""Image and label map of each subject; None for a scan without labels."""


def local_source(source: dict[str, Any], data_root: Path) -> tuple[str, dict[str, Any], str] | None:
    """Kind (folder or archive), release and path of a data set in `data_root`, of the first release that it has."""
    for release in source["releases"]:
        if (data_root / release["folder"]).is_dir():
            return "folder", release, str((data_root / release["folder"]).resolve())
        if release["archive"] and (data_root / release["archive"]).is_file():
            return "archive", release, str((data_root / release["archive"]).resolve())
    return None


def release_in(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    """First release of an archive cohort's data set with label maps in `folder`; the first of all if none has any.

    For a release without label maps, images are looked for.
    """
    releases: list[dict[str, Any]] = config["source"]["releases"]
    anywhere = [(each, re.sub(r"\{[^}]*\}", "*", each["labels"] or each["images"])) for each in releases]
    return next((release for release, pattern in anywhere if any(folder.glob(pattern))), releases[0])


def source_files(config: dict[str, Any], folder: Path) -> Files:
    """Paths of a cohort's scans in the `folder` of its data set. Does not check that files of numbers exist.

    Patterns hold `{number}`, with a format, `{subject}`, which is a name, or `*`. With `*`, an image and a label map
    belong together if `*` stands for the same text in both; subject n is the n-th image by name. A release whose
    `labels` are null has no label maps. With `unlabelled`, an image without a label map is a scan without labels.

    Raises:
        InputError: an image or a label map has no partner, no subject has a label map though the release has a
            pattern for them, two subjects have the same file though they are not made from one scan, or there are not
            as many images as the release's `count`.
    """
    release = release_in(config, folder)
    files = _files(config, release, folder)
    if not config.get("from_one"):
        _check_own_files(files)
    if release["labels"] is not None and all(labels is None for _, labels in files.values()):
        found = f"no subject of cohort {config['name']} has a label map {release['labels']}"
        raise InputError(f"{folder}: {found}; expected some, or `labels: null` for scans without labels")
    return files


def _files(config: dict[str, Any], release: dict[str, Any], folder: Path) -> Files:
    if any("*" in (release[kind] or "") for kind in _KINDS):
        numbers, pairs = subject_numbers(config), list(_pairs(release, folder).values())
        ranks = _ranks(config, folder, list(numbers.values()), len(pairs))
        return {subject: pairs[rank - 1] for subject, rank in zip(numbers, ranks, strict=True)}
    images = _numbered(config, release, release["images"], folder)
    if release["labels"] is None:
        return {subject: (image, None) for subject, image in images.items()}
    labels = _numbered(config, release, release["labels"], folder)
    may_lack = release.get("unlabelled", False)
    return {
        subject: (image, None if may_lack and not labels[subject].is_file() else labels[subject])
        for subject, image in images.items()
    }


def _check_own_files(files: Files) -> None:
    """Raise InputError if two subjects have the same file."""
    owner: dict[Path, str] = {}
    for subject, (image, labels) in files.items():
        for path in filter(None, (image, labels)):
            if path in owner:
                raise InputError(
                    f"{path}: is a file of two subjects, {owner[path]} and {subject}; expected one for each, by "
                    "{number} or {subject} in the data set's pattern, and every number once"
                )
        owner |= dict.fromkeys(filter(None, (image, labels)), subject)


def landmark_files(config: dict[str, Any], raw: Path) -> dict[str, LandmarkFile]:
    """Landmarks of the subjects that have any, in the `raw` folder of a cohort's data set.

    A cohort whose images are simulated has none.

    Raises:
        InputError: the release has a pattern for landmarks, and no subject has a file, or two have the same.
    """
    if is_simulated(config):
        return {}
    release, numbers = release_in(config, raw), subject_numbers(config)
    pattern = release.get("landmarks")
    if pattern is None:
        return {}
    if "*" in pattern and "*" not in release["images"]:
        raise InputError(
            f"data set of cohort {config['name']}: landmarks {pattern} has a *; expected one in images too"
        )
    if "*" in pattern:
        by_text, texts = _found(raw, pattern), list(_pairs(release, raw))
        ranks = _ranks(config, raw, list(numbers.values()), len(texts))
        places = {subject: by_text.get(texts[rank - 1]) for subject, rank in zip(numbers, ranks, strict=True)}
    else:
        places = dict(_numbered(config, release, pattern, raw))
    files = {subject: path for subject, path in places.items() if path is not None and path.is_file()}
    if not files:
        raise InputError(f"{raw}: no subject has landmarks {pattern}; expected such files, or no key landmarks")
    _check_own_files({subject: (path, None) for subject, path in files.items()})
    return {subject: LandmarkFile(path, release.get("landmark_axes", "RAS")) for subject, path in files.items()}


def stored_files(config: dict[str, Any], raw: Path) -> Files:
    """Image and label map of each subject as downloaded or simulated, under `raw`."""
    if is_simulated(config):
        folders = raw / "images", raw / "labels"
        return {s: (folders[0] / f"{s}.nii.gz", folders[1] / f"{s}.nii.gz") for s in subject_numbers(config)}
    return source_files(config, raw)


def stored_axes(config: dict[str, Any], folder: Path) -> str:
    """Axis codes of the stored scans in `folder`: those of their release, or else the cohort's `preprocess.axes`."""
    axes: str = config["preprocess"]["axes"]
    drawn = config["source"]["kind"] == "phantom"
    return axes if drawn else str(release_in(config, folder).get("axes") or axes)


def stored_recipe(config: dict[str, Any], raw: Path) -> Recipe:
    """Recipe for preparing the downloaded or simulated scans under `raw`."""
    axes = config["preprocess"]["axes"] if is_simulated(config) else stored_axes(config, raw)
    return Recipe.from_config({**config, "preprocess": {**config["preprocess"], "axes": axes}})


def is_simulated(config: dict[str, Any]) -> bool:
    """Whether a cohort's scans are simulated: from label maps, from one scan, or as phantoms."""
    made = config.get("simulate_ct") or config.get("from_one")
    return bool(made) or config["source"]["kind"] == "phantom"


def _pairs(release: dict[str, Any], folder: Path) -> dict[tuple[str, ...], tuple[Path, Path | None]]:
    """Images and label maps for which `*` stands for the same text, by this text, sorted by the image's name."""
    images, labels = ({} if release[kind] is None else _found(folder, release[kind]) for kind in _KINDS)
    may_lack = release["labels"] is None or release.get("unlabelled", False)
    alone = [] if may_lack else [str(images[key]) for key in images.keys() - labels.keys()]
    alone += [str(labels[key]) for key in labels.keys() - images.keys()]
    if alone:
        named = ", ".join(sorted(alone)[:_NAMED])
        more = f" and {len(alone) - _NAMED} more" if len(alone) > _NAMED else ""
        expected = f"{release['images']} and {release['labels']} with the same text for *"
        raise InputError(
            f"{named}{more}: has no partner; expected an image and a label map of each subject, {expected}; "
            "`unlabelled: true` in the data set takes images without a label map"
        )
    if len(images) != release["count"]:
        expected = f"{release['count']}, as subjects are numbered by their order"
        raise InputError(f"{folder}: {len(images)} files {release['images']}; expected {expected}")
    return {key: (path, labels.get(key)) for key, path in sorted(images.items(), key=lambda item: item[1])}


def _found(folder: Path, pattern: str) -> dict[tuple[str, ...], Path]:
    """Files that match a pattern, by the texts that `*` stands for."""
    parts = re.compile("([^/]*)".join(map(re.escape, pattern.split("*"))))
    matches = ((parts.fullmatch(path.relative_to(folder).as_posix()), path) for path in folder.glob(pattern))
    return {match.groups(): path for match, path in matches if match}


def _numbered(config: dict[str, Any], release: dict[str, Any], pattern: str, folder: Path) -> dict[str, Path]:
    """Files of a pattern without `*`, by subject."""
    numbers = subject_numbers(config)
    if "numbers" not in release:
        return {subject: folder / _placed(config, pattern, number) for subject, number in numbers.items()}
    entries = [expand_entry(entry, f"{folder}: numbers") for entry in release["numbers"]]
    known = [folder / pattern.format(number=number) for entry in entries for number in entry]
    ranks = _ranks(config, folder, list(numbers.values()), len(known))
    return {subject: known[rank - 1] for subject, rank in zip(numbers, ranks, strict=True)}


def _placed(config: dict[str, Any], pattern: str, number: Number) -> str:
    """The path of a pattern for a subject."""
    if "{subject}" in pattern:
        return pattern.format(subject=number)
    if isinstance(number, str):
        where = f"cohort {config['name']}: splits"
        raise InputError(f"{where}: '{number}' is a name, but '{pattern}' has numbers; expected {{subject}} in it")
    return pattern.format(number=number)


def _ranks(config: dict[str, Any], folder: Path, numbers: list[Number], n_known: int) -> list[int]:
    """The numbers themselves. Raises InputError for names, and for numbers beyond the files that are known."""
    names = [number for number in numbers if isinstance(number, str)]
    if names:
        raise InputError(f"cohort {config['name']}: splits: '{names[0]}' is a name; expected numbers, 1 to {n_known}")
    ranks = [int(number) for number in numbers]
    beyond = [number for number in ranks if not 1 <= number <= n_known]
    if beyond:
        raise InputError(f"cohort {config['name']}: no subject {beyond[0]} in {folder}; expected 1 to {n_known}")
    return ranks
