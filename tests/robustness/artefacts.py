"""Cases with bad intermediate files of the workflow: checkpoints, embeddings, JSON descriptions, metrics."""

import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.robustness.case import Case, at
from tests.robustness.nifti import put
from tests.robustness.workspace import COHORT, RUNS, scan

_CHECKPOINT = f"{RUNS}/textscf/checkpoint.pt"
_EMBEDDING = f"{COHORT}/prompts/one_hot/embedding.npz"
_SEGMENTATION = f"{COHORT}/segmentations/ground_truth/segmentation.json"
_DESCRIPTION = f"{COHORT}/cohort.json"
_EVALUATE = (
    *("evaluate.py", "--config", f"{RUNS}/textscf/config.yaml", "--cohort", COHORT, "--checkpoint", _CHECKPOINT),
    *("--out", "new"),
)
_REGISTER = (
    *("register.py", "--checkpoint", _CHECKPOINT, "--fixed", scan(14), "--moving", scan(15), "--out", "new"),
    *("--fixed-labels", scan(14, "labels")),
)
_TRAIN = (
    *("train.py", "--config", f"{RUNS}/textscf/config.yaml", "--cohort", COHORT, "--segmentation", _SEGMENTATION),
    *("--embedding", _EMBEDDING, "--out", "new"),
)
_ACCURACY = ("segmentor_accuracy.py", "--cohort", COHORT, "--segmentation", _SEGMENTATION, "--out", "new/accuracy.csv")
_TABLE = ("table.py", "--config", "results/small/tables/table3/config.yaml", "--out", "new/table3.csv")
_FIGURE = ("figure.py", "--config", "results/small/figures/figure3/config.yaml", "--out", "new/figure3.pdf")


class _Code:
    """Object whose pickle calls a function when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, ("owned", "w"))


def cases() -> Iterable[Case]:
    """All cases of this module."""
    yield from _cases("Checkpoint", _EVALUATE, _CHECKPOINT, _checkpoints())
    yield from _cases("Checkpoint", _REGISTER, _CHECKPOINT, list(_checkpoints())[::4])
    segment = (
        *("segment.py", "--config", "segmentor.yaml", "--cohort", COHORT, "--network", "network.pt"),
        *("--out", f"{COHORT}/segmentations/new/segmentation.json"),
    )
    yield from _cases("Network of a segmentor", segment, "network.pt", _segmentors())
    yield from _cases("Embedding", _TRAIN, _EMBEDDING, _embeddings())
    yield Case(
        "Embedding",
        "vectors of another anatomy",
        _TRAIN,
        lambda place: _change_arrays(place / _EMBEDDING, _regions(5)),
        "the embedding",
        "5 regions; expected 3",
    )
    yield from _cases("Cohort", _EVALUATE, _DESCRIPTION, _descriptions(_DESCRIPTION))
    yield from _cases("Cohort", _ACCURACY, _DESCRIPTION, list(_descriptions(_DESCRIPTION))[::4])
    yield from _cases("Segmentation", _ACCURACY, _SEGMENTATION, _descriptions(_SEGMENTATION))
    metrics = f"{RUNS}/lku_net/metrics.csv"
    yield from _cases("Metrics", _TABLE, metrics, _tables())
    yield from _cases("Metrics", _FIGURE, metrics, list(_tables())[::3])


def _cases(
    kind: str, command: tuple[str, ...], file: str, faults: Iterable[tuple[str, Callable[[Path], object], str]]
) -> Iterable[Case]:
    for name, damage, reason in faults:
        yield Case(kind, name, command, at(file, damage), file, reason)


def _blobs(whole: str) -> Iterable[tuple[str, Callable[[Path], object], str]]:
    """Contents that are invalid for all of these kinds of files."""
    reason = f"cannot be read|not valid|UTF-8|no such file|expected|{whole}"
    yield "missing", lambda path: path.unlink(), "no such file"
    for name, content in {
        "empty file": b"",
        "random bytes": random.Random(2).randbytes(2000),
        "a pickled number": pickle.dumps(3),
    }.items():
        yield name, partial(put, content=content), reason
    yield "cut in the middle", _cut, reason


def _checkpoints() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    yield from _blobs("checkpoint")
    yield "code in a checkpoint", lambda path: _save(path, {"network": _Code()}), "cannot be read"
    yield "a bit flip in the weights", _flip, "cannot be read|checksum|CRC"
    yield "another format", partial(_change, change={"format": "textscf checkpoint 99"}), "no checkpoint of a run"
    yield "settings without weights", partial(_drop, key="network"), "expected|missing"
    yield "no cohort", partial(_drop, key="cohort"), "expected|missing"
    yield "weights of another architecture", _other_architecture, "do not fit"
    yield "weights that are NaN", _nan, "not finite"


def _segmentors() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    def with_settings(damage: Callable[[Path], object]) -> Callable[[Path], object]:
        def both(path: Path) -> None:
            settings = {"source": "train", "feature_size": 12, "depths": [1, 1, 1, 1], "attention_window": 4}
            path.with_name("segmentor.yaml").write_text(json.dumps({**settings, "window": [64, 64, 64], "overlap": 0}))
            _save(path, {"network": {"weight": torch.ones(1000)}})
            damage(path)

        return both

    for name, damage, reason in _blobs("weights"):
        yield name, with_settings(damage), reason
    for name, damage, reason in (
        ("code in a checkpoint", lambda path: _save(path, {"network": _Code()}), "cannot be read"),
        ("weights of another architecture", lambda path: None, "do not fit"),
        ("no weights", lambda path: _save(path, {"step": 1}), "neither 'network' nor"),
    ):
        yield name, with_settings(damage), reason


def _embeddings() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    yield from _blobs("NumPy")
    arrays: list[tuple[str, Mapping[str, Any], str]] = [
        ("pickled objects", {"vectors": np.array([_Code()], dtype=object)}, "cannot be read"),
        ("vectors that are NaN", {"vectors": np.full((3, 3), np.nan)}, "not finite"),
        ("complex vectors", {"vectors": np.ones((3, 3), complex)}, "expected a matrix of numbers"),
        ("no vector", {"vectors": np.ones((0, 3))}, "expected a matrix of numbers"),
        ("labels in another order", {"labels": np.array([0, 2, 1])}, "labels are"),
        ("labels as one number", {"labels": np.array(3)}, "labels|lengths"),
    ]
    for name, change, reason in arrays:
        yield name, partial(_change_arrays, change=change), reason
    yield "no names", partial(_change_arrays, change={"names": None}), "has the keys"
    yield "vectors that claim 10^15 numbers", _absurd_array, "cannot be read"


def _descriptions(file: str) -> Iterable[tuple[str, Callable[[Path], object], str]]:
    yield from _blobs("JSON")
    kinds: dict[str, Any] = {"a list": [1], "an empty mapping": {}}
    for name, content in kinds.items():
        yield name, partial(_dump, content=content), "not a|expected"
    keys = ("labels",) if file == _SEGMENTATION else ("affine", "files", "pairs")
    for key in keys:
        yield f"no {key}", partial(_edit_json, key=key, value=...), "not a|expected"
        yield f"{key}: a number", partial(_edit_json, key=key, value=7), "not a|expected"
    yield "10,000 brackets", lambda path: put(path, b"[" * 10_000), "nested|not valid"


def _tables() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    reason = "cannot be read|no column|no rows|no such file|expected"
    yield "missing", lambda path: path.unlink(), "no such file"
    for name, content in {
        "empty file": b"",
        "a heading alone": b"run,fixed,moving,label,structure,dice,hd95,hd95_initial\n",
        "lines of different lengths": b"run,fixed\n1,2\n1,2,3,4\n",
        "words for numbers": b"run,fixed,moving,label,structure,dice,hd95,hd95_initial\nx,a,b,1,s,much,more,most\n",
    }.items():
        yield name, partial(put, content=content), reason


def _cut(path: Path) -> None:
    content = path.read_bytes()
    put(path, content[: len(content) // 2])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 64
    put(path, bytes(content))


def _save(path: Path, content: Any) -> None:
    stream = io.BytesIO()
    torch.save(content, stream)
    put(path, stream.getvalue())


def _change(path: Path, change: Mapping[str, Any]) -> None:
    _save(path, {**torch.load(path, weights_only=True), **change})


def _drop(path: Path, key: str) -> None:
    content = torch.load(path, weights_only=True)
    del content[key]
    _save(path, content)


def _other_architecture(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["run"]["network"]["backbone"] = {"name": "voxelmorph"}
    _save(path, content)


def _nan(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["network"] = {key: torch.full_like(value, torch.nan) for key, value in content["network"].items()}
    _save(path, content)


def _regions(number: int) -> dict[str, Any]:
    names = np.array([f"region {n}" for n in range(number)])
    return {"vectors": np.eye(number), "labels": np.arange(number), "names": names, "prompts": names}


def _change_arrays(path: Path, change: Mapping[str, Any]) -> None:
    with np.load(path) as stored:
        arrays = {**dict(stored), **change}
    stream = io.BytesIO()
    np.savez(stream, **{key: value for key, value in arrays.items() if value is not None})
    put(path, stream.getvalue())


def _absurd_array(path: Path) -> None:
    """Write an array whose header claims far more values than the file holds."""
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000, 1000000), }".ljust(117) + "\n"
    content = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode() + bytes(80)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("vectors.npy", content)
    put(path, stream.getvalue())


def _dump(path: Path, content: Any) -> None:
    put(path, json.dumps(content).encode())


def _edit_json(path: Path, key: str, value: Any) -> None:
    content = json.loads(path.read_text())
    content[key] = value
    _dump(path, {name: part for name, part in content.items() if part is not ...})
