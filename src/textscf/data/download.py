"""Gets a cohort's stored scans from a local folder, a local archive or a download."""

import logging
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from textscf.data.archive import remove, unpack
from textscf.data.fetch import checksum_mismatch, fetch
from textscf.data.releases import local_source
from textscf.errors import InputError
from textscf.files.io import read_json, sha256_of, write_json

_LOG = logging.getLogger(__name__)
_RECORD = ".archive.json"


def obtain_source(config: dict[str, Any], data_root: Path | None, folder: Path, accepted: Collection[str] = ()) -> None:
    """Put the stored scans of a resolved cohort `config` into `folder`/source and their origin into source.json.

    The releases of the data set are tried in order, the preferred one first. If `data_root` has a release's folder, it
    is linked; if it has the archive, that is unpacked. If `data_root` has none of them, the first release with an
    address is downloaded and unpacked. Checksums are verified, and files that an earlier call unpacked are kept. Raises
    InputError if the download needs an agreement and the data set is not in `accepted`, or if a person has to fetch
    the data; the message says what to put where.
    """
    source = config["source"]
    if source["kind"] != "archive":
        raise InputError(f"cohort {config['name']}: source.kind is {source['kind']}, which needs no download")
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"data_root {data_root}: no such folder; expected a local mirror of the data sets")
    folder.mkdir(parents=True, exist_ok=True)
    _LOG.info("%s. Licence: %s. Please cite: %s", config["title"], config["licence"], config["citation"])
    kind, release, location = _find(source, data_root)
    if kind == "folder":
        _link(Path(location), folder / "source")
        checksum = None
    else:
        checksum = _unpack_once(source, kind, release, location, folder, accepted)
    provenance = {
        "cohort": config["name"],
        "data_set": source["data_set"],
        "kind": kind,
        "location": location,
        "checksum": checksum,
        "verified": checksum is not None and checksum == release.get("checksum"),
    }
    write_json(folder / "source.json", provenance | {"licence": config["licence"], "citation": config["citation"]})


def _find(source: dict[str, Any], data_root: Path | None) -> tuple[str, dict[str, Any], str]:
    if data_root is not None and (local := local_source(source, data_root)):
        return local
    for release in source["releases"]:
        if release["url"]:
            return "download", release, release["url"]
    looked = f"{data_root} has none" if data_root is not None else "it is not set, so it has none"
    how = " ".join(part for release in source["releases"] for part in (release["instructions"] or "").split())
    raise InputError(
        f"data set {source['data_set']}: has to be fetched by a person. {how} Expected in data_root: "
        f"{_expected(source)} ({looked} of them)"
    )


def _expected(source: dict[str, Any]) -> str:
    return " or ".join(
        f"the folder {release['folder']}" + (f" or the file {release['archive']}" if release["archive"] else "")
        for release in source["releases"]
    )


def _link(origin: Path, link: Path) -> None:
    remove(link)
    link.symlink_to(origin, target_is_directory=True)
    _LOG.info("linked %s to %s", link, origin)


def _unpack_once(
    source: dict[str, Any], kind: str, release: dict[str, Any], location: str, folder: Path, accepted: Collection[str]
) -> str:
    """Unpack the archive unless an earlier call did. Returns the expected checksum, or else the computed one."""
    target, expected = folder / "source", release["checksum"]
    wanted = {"folder": release.get("top", release["folder"]), "expected": expected}
    if not expected:
        wanted["location"] = location
    record = target / _RECORD
    lasting = kind == "download" or expected
    if lasting and not target.is_symlink() and record.is_file():
        known = read_json(record)
        if {key: known.get(key) for key in wanted} == wanted:
            _LOG.info("%s: already unpacked", target)
            return str(known["checksum"])
    downloads = folder / ".download"
    archive = downloads / release["archive"] if kind == "download" else Path(location)
    if kind == "download":
        _check_accepted(source, accepted)
        fetch(location, expected, archive)
    elif expected:
        _verify(archive, expected)
    checksum = expected or f"sha256:{sha256_of(archive)}"
    unpack(archive, wanted["folder"], target)
    write_json(record, wanted | {"checksum": checksum})
    shutil.rmtree(downloads, ignore_errors=True)
    return str(checksum)


def _check_accepted(source: dict[str, Any], accepted: Collection[str]) -> None:
    name, agreement = source["data_set"], " ".join((source["agreement"] or "").split())
    if agreement and name not in accepted:
        raise InputError(
            f"data set {name}: its data use terms have to be accepted before it is downloaded. {agreement} "
            f"If you accept them, set --config accept={name}; expected otherwise in data_root: {_expected(source)}"
        )


def _verify(archive: Path, checksum: str) -> None:
    import pooch

    if not pooch.hashes.hash_matches(str(archive), checksum):
        raise InputError(f"{archive}: {checksum_mismatch(checksum)}")
