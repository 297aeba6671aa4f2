"""Metrics, one module each; a module has `METRIC`, a `textscf.metrics.metric.Metric`.

Result files, tables, checks and settings take from `METRICS` which metrics there are.
"""

import dataclasses

from textscf.files.registry import MEASURES, entries, entry
from textscf.metrics.metric import Metric


def _loaded(name: str) -> Metric:
    metric: Metric = entry(MEASURES, name, "metrics").METRIC
    columns = metric.columns or (() if metric.level == "run" else (name,))
    return dataclasses.replace(metric, name=name, columns=columns, phrase=metric.phrase or metric.title)


METRICS = {metric.name: metric for metric in sorted(map(_loaded, entries(MEASURES)), key=lambda metric: metric.place)}
"""All metrics by name, in the order of their columns."""
