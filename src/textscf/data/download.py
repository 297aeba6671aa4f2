"""Where a cohort's stored scans come from: a local folder, a local archive, or a download."""

import logging
import shutil
from pathlib import Path
from typing import Any

from textscf.data.archive import remove, unpack
from textscf.data.fetch import checksum_mismatch, fetch
from textscf.errors import InputError
from textscf.io import read_json, write_json

_LOG = logging.getLogger(__name__)
_RECORD = ".archive.json"


def obtain_source(config: dict[str, Any], data_root: Path | None, folder: Path) -> None:
    """Make `folder`/source the stored scans of a resolved cohort `config`, with its origin in source.json.

    A folder of the source's name under `data_root` is linked; else its archive there is unpacked; else it is
    downloaded and unpacked. Checksums are verified, and what an earlier call unpacked is kept. If nothing can
    be downloaded, InputError says what a person has to put where.
    """
    source = config["source"]
    if source["kind"] != "archive":
        raise InputError(f"cohort {config['name']}: source.kind is {source['kind']}, which needs no download")
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"data_root {data_root}: no such folder; expected a local mirror of the data sets")
    folder.mkdir(parents=True, exist_ok=True)
    _LOG.info("%s. Licence: %s. Please cite: %s", config["title"], config["licence"], config["citation"])
    kind, location = _find(source, data_root)
    if kind == "folder":
        _link(Path(location), folder / "source")
    else:
        _unpack_once(config, kind, location, folder)
    checksum = None if kind == "folder" else source["archive"].get("checksum")
    provenance = {"cohort": config["name"], "kind": kind, "location": location, "checksum": checksum}
    write_json(folder / "source.json", provenance | {"licence": config["licence"], "citation": config["citation"]})


def _find(source: dict[str, Any], data_root: Path | None) -> tuple[str, str]:
    archive = source["archive"]
    if data_root is not None:
        if (data_root / source["folder"]).is_dir():
            return "folder", str((data_root / source["folder"]).resolve())
        if (data_root / archive["file"]).is_file():
            return "archive", str((data_root / archive["file"]).resolve())
    if archive["url"] is None:
        looked = f"{data_root} has neither" if data_root is not None else "it is not set, so it has none"
        how = " ".join((archive.get("instructions") or "").split())
        raise InputError(
            f"{source['folder']}: has to be fetched by a person. {how} Put the folder {source['folder']} "
            f"or the file {archive['file']} into data_root ({looked} of them)"
        )
    return "download", archive["url"]


def _link(origin: Path, link: Path) -> None:
    remove(link)
    link.symlink_to(origin, target_is_directory=True)
    _LOG.info("linked %s to %s", link, origin)


def _unpack_once(config: dict[str, Any], kind: str, location: str, folder: Path) -> None:
    source, target = config["source"], folder / "source"
    wanted = {"checksum": source["archive"].get("checksum"), "folder": source["folder"]}
    record = target / _RECORD
    known = wanted["checksum"] and not target.is_symlink() and record.is_file()
    if known and read_json(record) == wanted:
        _LOG.info("%s: already unpacked", target)
        return
    downloads = folder / ".download"
    archive = downloads / source["archive"]["file"] if kind == "download" else Path(location)
    if kind == "download":
        fetch(location, wanted["checksum"], archive)
    elif wanted["checksum"]:
        _verify(archive, wanted["checksum"])
    unpack(archive, source["folder"], target)
    write_json(record, wanted)
    shutil.rmtree(downloads, ignore_errors=True)


def _verify(archive: Path, checksum: str) -> None:
    import pooch

    if not pooch.hashes.hash_matches(str(archive), checksum):
        raise InputError(f"{archive}: {checksum_mismatch(checksum)}")
