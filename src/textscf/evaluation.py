"""Metrics of a run on all test pairs of its cohort."""

from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textscf.data.cohort import Cohort
from textscf.inference import Registrar
from textscf.io import write_csv
from textscf.metrics import evaluate_pair
from textscf.metrics.pair import PairMetrics
from textscf.progress import progress_bar


@dataclass(frozen=True)
class _Case:
    fixed: str
    moving: str
    seconds: float
    metrics: "Future[PairMetrics]"


def evaluate_run(run: str, cohort: Cohort, registrar: Registrar | None, folder: Path, workers: int = 1) -> None:
    """Register and measure every test pair; write `metrics.csv` (per structure) and `pairs.csv` to `folder`.

    Args:
        run: id of the run, the first column of both files.
        cohort: prepared cohort.
        registrar: the trained run; None for no registration (the paper's row Initial).
        workers: processes that measure while the network goes on.
    """
    pairs = cohort.pairs["test"]
    with ProcessPoolExecutor(workers) as pool, progress_bar(len(pairs), f"evaluating {run}") as bar:
        cases = []
        for case in _submit(pool, cohort, registrar):
            cases.append(case)
            if len(cases) > 2 * workers:
                cases[-2 * workers - 1].metrics.result()
            bar.update(1)
        rows = [_rows(run, cohort, case) for case in cases]
    write_csv(folder / "metrics.csv", pd.concat([structures for structures, _ in rows], ignore_index=True))
    write_csv(folder / "pairs.csv", pd.DataFrame([pair for _, pair in rows]))


def _submit(pool: ProcessPoolExecutor, cohort: Cohort, registrar: Registrar | None) -> Iterator[_Case]:
    for fixed, moving in cohort.pairs["test"]:
        displacement, seconds = (None, 0.0) if registrar is None else registrar.displacement(fixed, moving)
        labels = cohort.load_labels(fixed), cohort.load_labels(moving)
        metrics = pool.submit(evaluate_pair, *labels, displacement, cohort.label_values, cohort.spacing)
        yield _Case(fixed, moving, seconds, metrics)


def _rows(run: str, cohort: Cohort, case: _Case) -> tuple[pd.DataFrame, dict[str, Any]]:
    metrics = case.metrics.result()
    key = {"run": run, "fixed": case.fixed, "moving": case.moving}
    structures = {
        "label": metrics.labels,
        "structure": cohort.structure_names,
        "dice": metrics.dice,
        "hd95": metrics.hd95,
        "hd95_initial": metrics.hd95_initial,
    }
    pair = {
        **key,
        "dice": float(np.nanmean(metrics.dice)),
        "hd95": float(np.nanmean(metrics.hd95)),
        "sdlogj": metrics.sdlogj,
        "nonpositive_jacobian_fraction": metrics.nonpositive_jacobian_fraction,
        "seconds": case.seconds,
    }
    return pd.DataFrame({**key, **structures}), pair
