"""Copies the small result files of a finished study to `results/reference/`, to be kept in the repository."""

import shutil
from pathlib import Path

from textscf.errors import InputError
from textscf.files.io import atomic_path, read_yaml
from textscf.files.layout import Layout

_OF_STUDY = (
    *(
        f"{folder}/*.{suffix}"
        for folder, suffixes in {"tables": ("csv", "md", "tex"), "figures": ("csv", "pdf", "png", "txt")}.items()
        for suffix in suffixes
    ),
    *("claims.csv", "claims.md"),
)
_OF_RUNS = ("config.yaml", "history.csv", "metrics.csv", "pairs.csv", "timing.json", "environment.json")
_OF_COHORTS = ("segmentations/*/accuracy_by_split.csv", "segmentations/*/config.yaml", "segmentations/*/history.csv")


def keep_reference(results: Path, study: str, out: Path) -> list[Path]:
    """Copy tables, figures, claims, settings, metrics and provenance of `study` to `out`, without weights and volumes.

    Returns the files written. InputError if the study has no tables or figures yet.
    """
    layout = Layout(results)
    source = layout.study(study)
    files = [path for pattern in _OF_STUDY for path in sorted(source.glob(pattern))]
    if not files:
        raise InputError(f"{source}: has no tables or figures; expected a finished study")
    targets = {path: out / path.relative_to(source) for path in files}
    for run in sorted((source / "runs").iterdir()):
        targets |= {run / name: out / "runs" / run.name / name for name in _OF_RUNS if (run / name).is_file()}
    cohorts = {read_yaml(path)["cohort"] for path in (source / "runs").glob("*/config.yaml")}
    for cohort in sorted(cohorts):
        folder = layout.cohort(cohort)
        found = [path for pattern in _OF_COHORTS for path in sorted(folder.glob(pattern))]
        targets |= {path: out / cohort / path.relative_to(folder) for path in found}
    for path, target in targets.items():
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
    return list(targets.values())
