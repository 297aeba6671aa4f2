"""Metrics of a run on all test pairs of its cohort."""

import multiprocessing
from collections import deque
from collections.abc import Container, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textscf.data.cohort import Cohort
from textscf.data.landmarks import landmarks_of_pair
from textscf.errors import InputError
from textscf.files.io import write_csv
from textscf.files.registry import METHODS, entry
from textscf.job.devices import acquire_device
from textscf.job.progress import progress_bar
from textscf.job.workers import end_with_parent
from textscf.metrics import evaluate_pair
from textscf.metrics.aggregation import METRIC_COLUMNS, pair_row, structure_rows
from textscf.metrics.pair import PairMetrics
from textscf.registration.inference import RefiningRegistrar, Registrar


class PairRegistrar(Protocol):
    """Registers pairs of subjects of a cohort.

    Attributes:
        in_workers: whether worker processes register the pairs, one pair at a time each; otherwise the parent process
            does. A registrar for workers must be picklable.
    """

    in_workers: ClassVar[bool]

    def displacement(self, fixed: str, moving: str) -> tuple[NDArray[np.floating], float]:
        """Displacement field ``(H, W, D, 3)`` in voxels that warps `moving` to `fixed`, and its computing time in s.

        The time is NaN where it was not measured.
        """


@dataclass(frozen=True)
class _Case:
    fixed: str
    moving: str
    metrics: PairMetrics


def registrar_of(
    settings: dict[str, Any], cohort: Cohort, checkpoint: Path | None, device: str | None
) -> PairRegistrar | None:
    """Make the registrar of a run; None for no registration (the paper's row Initial).

    Args:
        settings: resolved settings of the run.
        cohort: prepared cohort of the run.
        checkpoint: `checkpoint.pt` of a trained run, or of the one that the run refines.
        device: torch device for a trained network; None selects a free device.

    Raises:
        InputError: the run's method is unknown, or it is ``learned`` or ``refined`` and there is no checkpoint.
    """
    match settings["method"]:
        case "initial":
            return None
        case "learned" if checkpoint:
            return Registrar(checkpoint, cohort, acquire_device(device))
        case "refined" if checkpoint:
            return RefiningRegistrar(checkpoint, cohort, acquire_device(device), settings["method_options"]["steps"])
        case "learned" | "refined":
            raise InputError(f"run '{settings['run']}': a trained run needs a checkpoint: give --checkpoint")
    method = entry(METHODS, settings["method"], f"run '{settings['run']}'")
    registrar: PairRegistrar = method.registrar(cohort, **settings.get("method_options", {}))
    return registrar


def evaluate_run(
    run: str,
    cohort: Cohort,
    registrar: PairRegistrar | None,
    folder: Path,
    workers: int = 1,
    requested: Container[str] = (),
) -> None:
    """Register and evaluate every test pair; write `metrics.csv` (per structure) and `pairs.csv` to `folder`.

    A pair of which a scan has no labels has no rows in `metrics.csv`, and no Dice and HD95 in `pairs.csv`. Means of
    structures in `pairs.csv` leave missing structures out. Tables compute theirs from `metrics.csv` by the
    convention that they state.

    Args:
        run: id of the run, the first column of both files.
        cohort: prepared cohort.
        registrar: registers each pair; None for no registration.
        workers: number of processes that compute metrics; they also register if the registrar is `in_workers`.
        requested: names of metrics that are measured only on request.

    Raises:
        InputError: a pair cannot be registered, or a process dies.
    """
    pairs = cohort.pairs["test"]
    rows = []
    context = multiprocessing.get_context("fork")  # worker processes need no GPU, and a fork starts at once
    with (
        ProcessPoolExecutor(workers, context, end_with_parent) as pool,
        progress_bar(len(pairs), f"evaluating {run}") as bar,
    ):
        try:
            for case in _in_order(_submit(pool, cohort, registrar, requested), ahead=2 * workers):
                rows.append(_rows(run, cohort, case))
                bar.update(1)
        except BrokenProcessPool as error:
            fixed, moving = pairs[len(rows)]
            raise InputError(
                f"run '{run}': a worker process died at or soon after the pair of fixed {fixed} and moving {moving}, "
                "perhaps for want of memory; try fewer workers"
            ) from error
    structures = [each for each, _ in rows if each is not None]
    nothing = pd.DataFrame(columns=METRIC_COLUMNS)
    write_csv(folder / "metrics.csv", pd.concat(structures, ignore_index=True) if structures else nothing)
    write_csv(folder / "pairs.csv", pd.DataFrame([pair for _, pair in rows]))


def _submit(
    pool: ProcessPoolExecutor, cohort: Cohort, registrar: PairRegistrar | None, requested: Container[str]
) -> Iterator["Future[_Case]"]:
    for fixed, moving in cohort.pairs["test"]:
        if registrar is None:
            yield pool.submit(_measure, cohort, requested, fixed, moving, None, 0.0)
        elif registrar.in_workers:
            yield pool.submit(_register_and_measure, cohort, requested, registrar, fixed, moving)
        else:
            field, seconds = registrar.displacement(fixed, moving)
            yield pool.submit(_measure_field, cohort, requested, fixed, moving, np.moveaxis(field, -1, 0), seconds)


def _in_order(futures: Iterator["Future[_Case]"], ahead: int) -> Iterator[_Case]:
    """Yield results in order, with at most `ahead` more calls submitted; cancel the rest if a call fails."""
    waiting: deque[Future[_Case]] = deque()
    try:
        for future in futures:
            waiting.append(future)
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _register_and_measure(
    cohort: Cohort, requested: Container[str], registrar: PairRegistrar, fixed: str, moving: str
) -> _Case:
    return _measure(cohort, requested, fixed, moving, *registrar.displacement(fixed, moving))


def _measure_field(
    cohort: Cohort, requested: Container[str], fixed: str, moving: str, components: NDArray[np.floating], seconds: float
) -> _Case:
    """Measure a field ``(3, H, W, D)``, the order of a network in memory, which pickling keeps."""
    return _measure(cohort, requested, fixed, moving, np.moveaxis(components, 0, -1), seconds)


def _measure(
    cohort: Cohort,
    requested: Container[str],
    fixed: str,
    moving: str,
    displacement: NDArray[np.floating] | None,
    seconds: float,
) -> _Case:
    first, second = (cohort.load_labels(scan) if cohort.has_labels(scan) else None for scan in (fixed, moving))
    landmarks = landmarks_of_pair(cohort, fixed, moving)
    metrics = evaluate_pair(
        first, second, displacement, cohort.label_values, cohort.spacing, seconds, landmarks, requested
    )
    return _Case(fixed, moving, metrics)


def _rows(run: str, cohort: Cohort, case: _Case) -> tuple[pd.DataFrame | None, dict[str, Any]]:
    key = run, case.fixed, case.moving
    labelled = cohort.has_labels(case.fixed) and cohort.has_labels(case.moving)
    structures = structure_rows(case.metrics, *key, cohort.structure_names) if labelled else None
    return structures, pair_row(case.metrics, *key)
