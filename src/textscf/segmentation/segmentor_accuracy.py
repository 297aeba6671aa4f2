"""Accuracy of a segmentor per split (the paper reports the mean over all scans, Table 5)."""

import pandas as pd

from textscf.data.cohort import Cohort
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.segmentation.result import Segmentation

_COLUMNS = ["segmentor", "subject", "split", "label", "structure", "dice"]


def accuracy(cohort: Cohort, segmentation: Segmentation, segmentor: str) -> pd.DataFrame:
    """Dice of every structure in every labelled scan: columns segmentor, subject, split, label, structure, dice.

    A structure that the scan does not have is left out.
    """
    rows = []
    for split in cohort.splits:
        for subject in cohort.labelled(split):
            counts = confusion_counts(cohort.load_labels(subject), segmentation.labels(subject), cohort.n_regions)
            key = {"segmentor": segmentor, "subject": subject, "split": split}
            structures = zip(cohort.label_values, cohort.structure_names, dice_scores(counts)[1:], strict=True)
            rows += [
                {**key, "label": label, "structure": name, "dice": dice}
                for label, name, dice in structures
                if counts[label].sum()
            ]
    return pd.DataFrame(rows, columns=_COLUMNS)


def by_split(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean Dice per scan, averaged over each split and over all scans: columns segmentor, split, scans, dice."""
    per_scan = frame.groupby(["segmentor", "split", "subject"], sort=False)["dice"].mean().reset_index()
    everything = per_scan.assign(split="all")
    grouped = pd.concat([per_scan, everything]).groupby(["segmentor", "split"], sort=False)["dice"]
    return grouped.agg(scans="size", dice="mean").reset_index()


def never_found(frame: pd.DataFrame) -> list[str]:
    """Structures of which a segmentor finds no voxel in any of the scans of `frame`, see `accuracy`."""
    best = frame.groupby("structure", sort=False)["dice"].max()
    return list(best.index[best == 0])
