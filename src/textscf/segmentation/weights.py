"""Gets the pretrained weights of a segmentor from a local folder or by download."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textscf.data.fetch import checksum_mismatch, fetch
from textscf.errors import InputError
from textscf.files.io import atomic_path, sha256_of, write_json

_LOG = logging.getLogger(__name__)


def obtain_weights(weights: Mapping[str, Any], data_root: Path | None, own: Path, path: Path) -> None:
    """Save the file that `weights` (file, url, checksum) names as `path`, with origin and SHA-256 as .json beside it.

    A file of that name in `data_root`, else in `own`, is copied. Otherwise the file is downloaded; an interrupted
    download continues in a later call. If `checksum` is null, the file is not verified, and the log says so.

    Args:
        weights: name of the file, address (null for a file of `own`), and checksum.
        data_root: local mirror, if any.
        own: folder of the project's own segmentors.
        path: file to write.

    Raises:
        InputError: the folder `data_root` does not exist, the file has another checksum, or the download failed.
    """
    if data_root is not None and not data_root.is_dir():
        raise InputError(f"data_root {data_root}: no such folder; expected a local mirror of the weights")
    folders = [folder for folder in (data_root, own) if folder is not None]
    local = next((file for folder in folders if (file := folder / weights["file"]).is_file()), None)
    checksum = weights["checksum"]
    if local is None and weights["url"] is None:
        raise InputError(f"{own / weights['file']}: no such file; expected weights that come with the project")
    if local is not None:
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
