"""Data of figures that plot means over pairs: one line for every run and every point of a sweep."""

from typing import Any

import numpy as np
import pandas as pd

from textscf.metrics.aggregation import run_means
from textscf.results.items import Item, Results, Row
from textscf.results.statistics import jackknife_interval, leave_one_out_means


def dice_of_pairs(item: Item, results: Results, row: Row) -> pd.Series:
    """Mean Dice over structures in percent, indexed by (fixed, moving) and averaged over seeds."""
    frame = results.seed_mean(row, item.convention)
    return 100 * frame.groupby(["fixed", "moving"])["dice"].mean().dropna()


def mean_interval(dice: pd.Series) -> tuple[float, float]:
    """95 % interval of the mean, by a jackknife over subjects."""
    return jackknife_interval(float(dice.mean()), leave_one_out_means(dice.to_frame())[:, 0])


def seed_means(item: Item, results: Results, row: Row) -> list[float]:
    """Mean Dice of each seed's run, as a fraction."""
    return [float(run_means(frame, item.convention)["dice"].iloc[0]) for frame in results.metrics(row)]


def points_of(item: Item) -> list[Row]:
    """Rows of an item, where each sweep is replaced by its points."""
    return [point for row in item.rows for point in row.points or [row]]


def summarise(item: Item, results: Results) -> pd.DataFrame:
    """Means over pairs and seeds, one line per row of an item and per point of its sweeps, in their order.

    Columns: method, run, the swept settings by dotted key (empty if a run is not part of a sweep), smoothness (lambda;
    NaN without training), steps (squarings that integrate a velocity field; 0 for none), dice, dice_low, dice_high
    (percent, 95 % interval over subjects), dice_by_seed (percent, the means of the seeds, separated by spaces), sdlogj,
    nonpositive_jacobian_percent, pairs, seeds, trained.
    """
    lines = [_line(item, results, row, point) for row in item.rows for point in row.points or [row]]
    return pd.DataFrame(lines)


def _line(item: Item, results: Results, row: Row, point: Row) -> dict[str, Any]:
    dice, pairs = dice_of_pairs(item, results, point), results.pairs(point)
    low, high = mean_interval(dice)
    settings = results.settings(point.runs[0])
    folding = [frame["nonpositive_jacobian_fraction"].mean() for frame in pairs]
    network = settings.get("network", {})
    steps = max(network.get("integration_steps", 0), network.get("backbone", {}).get("integration_steps", 0))
    return {
        "method": row.label,
        "run": point.run,
        **point.swept,
        "smoothness": settings["loss"]["smoothness"] if "loss" in settings else np.nan,
        "steps": steps,
        "dice": dice.mean(),
        "dice_low": low,
        "dice_high": high,
        "dice_by_seed": " ".join(f"{100 * value:.4f}" for value in seed_means(item, results, point)),
        "sdlogj": np.mean([frame["sdlogj"].mean() for frame in pairs]),
        "nonpositive_jacobian_percent": 100 * np.mean(folding),
        "pairs": len(dice),
        "seeds": len(point.runs),
        "trained": results.is_trained(point),
    }
