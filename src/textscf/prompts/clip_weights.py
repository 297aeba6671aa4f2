"""Finds CLIP's weights in a local mirror, in the caches of CLIP and open_clip, or by download."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textscf.data.fetch import checksum_mismatch, fetch
from textscf.errors import InputError
from textscf.files.io import sha256_of

_SUFFIXES = (".safetensors", ".bin", ".pt")


def find_weights(model: str, published: Mapping[str, Any], data_root: Path | None) -> Path:
    """Find the file with the weights of `model` that open_clip lists as `published` (its `url`, `hf_hub`).

    The file is searched in this order: in `data_root`, by the name of OpenAI's file (such as ``ViT-L-14-336px.pt``) or
    as `model` with the suffix .safetensors, .bin or .pt; in CLIP's cache; in open_clip's cache, to which open_clip
    downloads it. The last resort is a download of OpenAI's file to CLIP's cache.

    Raises:
        InputError: the file cannot be found or downloaded; the message says what to put where.
    """
    url = str(published.get("url") or "")
    own = Path(url).name
    if data_root is not None:
        candidates = [data_root / name for name in (own, *(f"{model}{suffix}" for suffix in _SUFFIXES)) if name]
        if found := next((path for path in candidates if path.is_file()), None):
            return found
    cached = Path.home() / ".cache" / "clip" / own
    digest = published_digest(published)
    if digest and cached.is_file() and sha256_of(cached) == digest:
        return cached
    try:
        return _downloaded(published)
    except Exception as error:  # the download libraries raise many kinds
        hub = str(published.get("hf_hub") or "").rstrip("/")
        reason = _one_line(error)
        if digest:
            try:
                fetch(url, f"sha256:{digest}", cached)
                return cached
            except InputError as refused:
                reason = str(refused).removeprefix(f"{url}: ")
        raise InputError(
            f"{model}: no weights in data_root or the cache, and no download ({reason}); fetch {url or hub} on a "
            f"machine with a network and put it as {own or model + _SUFFIXES[0]} into data_root"
        ) from error


def published_digest(published: Mapping[str, Any]) -> str | None:
    """SHA-256 of the file that OpenAI published, read from the last folder of its address; None for other files."""
    folder = str(published.get("url") or "").split("/")[-2:-1]
    return folder[0] if folder and len(folder[0]) == 64 else None


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive, which holds code beside its weights."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def check_code(path: Path, published: Mapping[str, Any]) -> None:
    """Raise InputError for a TorchScript archive that is not, byte by byte, the one that OpenAI published."""
    digest = published_digest(published)
    if digest is None:
        raise InputError(f"{path}: is a TorchScript archive, which can hold code; expected safetensors or a state dict")
    if sha256_of(path) != digest:
        raise InputError(f"{path}: is a TorchScript archive, and {checksum_mismatch(f'sha256:{digest}')} of OpenAI's")


def _downloaded(published: Mapping[str, Any]) -> Path:
    """Path of the file in open_clip's cache, to which it is downloaded if needed."""
    from open_clip.pretrained import download_pretrained

    if not published.get("hf_hub"):
        raise InputError("open_clip knows no other place of it")
    return Path(download_pretrained(dict(published)))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
