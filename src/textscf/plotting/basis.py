"""Caption sentences on what a figure rests on: pairs, subjects, seeds, length of training."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from textscf.results import captions
from textscf.results.items import Item, Results, Row

BOXES = (
    "Boxes: quartiles and median; diamonds: means; whiskers: furthest value within 1.5 interquartile ranges; points: "
    "values beyond."
)
INTERVAL = "95 % interval by a jackknife over subjects, not pairs"


def basis(item: Item, results: Results, rows: Sequence[Row]) -> list[str]:
    """Sentences on the pairs, subjects, seeds and trainings of `rows`, on missing structures, and on the dagger."""
    trained = [row for row in rows if results.is_trained(row)]
    seeds = captions.seeds_phrase([len(row.runs) for row in trained])
    return [
        f"{pairs_and_subjects(results.metrics(row)[0] for row in rows)}; {seeds}, averaged per pair.",
        *budget(results, trained),
        captions.convention_sentence(item.convention),
        *captions.leakage_sentences(item),
    ]


def pairs_and_subjects(frames: Iterable[pd.DataFrame]) -> str:
    """Numbers of test pairs in frames with columns fixed and moving, one frame per row, and of subjects, in words."""
    pairs = [frame[["fixed", "moving"]].drop_duplicates().to_numpy() for frame in frames]
    counts, subjects = (sorted(set(found)) for found in (map(len, pairs), (len(np.unique(pair)) for pair in pairs)))
    return f"{captions.pairs_phrase(counts)} of {' or '.join(map(str, subjects))} subjects"


def budget(results: Results, trained: Sequence[Row]) -> list[str]:
    """Sentences on the steps of each training."""
    settings = {row.label: results.settings(row.runs[0])["training"] for row in trained}
    return captions.training_sentences(
        {label: captions.steps_phrase(each["epochs"], each["steps_per_epoch"]) for label, each in settings.items()}
    )
