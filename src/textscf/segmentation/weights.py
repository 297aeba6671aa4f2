"""Gets the pretrained weights of a segmentor from a local mirror or by download."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textscf.data.fetch import checksum_mismatch, fetch
from textscf.errors import InputError
from textscf.files.io import atomic_path, sha256_of, write_json

_LOG = logging.getLogger(__name__)


def obtain_weights(weights: Mapping[str, Any], data_root: Path | None, path: Path) -> None:
    """Save the file that `weights` (file, url, checksum) names as `path`, with origin and SHA-256 as .json beside it.

    A file of that name in `data_root` is copied. Otherwise the file is downloaded; an interrupted download continues
    in a later call. If `checksum` is null, the file is not verified, and the log says so.

    Raises:
        InputError: the folder `data_root` does not exist, the file has another checksum, or the download failed.
    """
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"data_root {data_root}: no such folder; expected a local mirror of the weights")
    local = data_root / weights["file"] if data_root is not None else None
    checksum = weights["checksum"]
    if local is not None and local.is_file():
        kind, location = "file", str(local.resolve())
        with atomic_path(path) as temporary:
            shutil.copyfile(local, temporary)
            _verify(local, temporary, checksum)
    else:
        kind, location = "download", weights["url"]
        downloads = path.parent / ".download"
        fetch(location, checksum, downloads / weights["file"])
        (downloads / weights["file"]).replace(path)
        shutil.rmtree(downloads)
    sha256 = sha256_of(path)
    state = "verified" if checksum else "not verified, as its checksum is not known"
    _LOG.info("%s: %s; its SHA-256 is %s", weights["file"], state, sha256)
    origin = {"file": weights["file"], "kind": kind, "location": location}
    write_json(path.with_suffix(".json"), {**origin, "checksum": checksum, "sha256": sha256})


def _verify(local: Path, copied: Path, checksum: str | None) -> None:
    import pooch

    if checksum is not None and not pooch.hashes.hash_matches(str(copied), checksum):
        raise InputError(f"{local}: {checksum_mismatch(checksum)}")
