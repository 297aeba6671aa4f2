"""Keeps the small result files of a study in `results/reference/`, and makes its tables and figures from them again."""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from textscf.claims.claims_page import make as make_claims
from textscf.claims.evidence import load_page
from textscf.errors import InputError
from textscf.files.io import atomic_path, read_yaml, write_yaml
from textscf.files.layout import COST_FILE, Layout
from textscf.plotting.draw_figure import write_figure
from textscf.results.items import Results, make_item
from textscf.study import load_study
from textscf.study.study import Study
from textscf.tables.claim_table import check_claim, load_claim
from textscf.tables.table_kinds import make
from textscf.tables.written import write_page, write_table
from textscf.workflow.claims_settings import PAGE
from textscf.workflow.inputs import StudyFiles
from textscf.workflow.report_settings import CLAIM
from textscf.workflow.stage_settings import stage_settings

_OF_STUDY = (
    *(
        f"{folder}/*.{suffix}"
        for folder, suffixes in {"tables": ("csv", "md", "tex"), "figures": ("csv", "pdf", "png", "txt")}.items()
        for suffix in suffixes
    ),
    *("claims.csv", "claims.md"),
)
_OF_RUNS = (
    *("config.yaml", "history.csv", "metrics.csv", "pairs.csv", "timing.json", "environment.json"),
    "complexity.json",
)
_OF_COHORTS = tuple(
    f"segmentations/*/{name}"
    for name in ("accuracy.csv", "accuracy_by_split.csv", "config.yaml", "history.csv", COST_FILE)
)


def keep_reference(results: Path, study: str, out: Path) -> list[Path]:
    """Copy tables, figures, claims, settings, metrics and provenance of `study` to `out`, without weights and volumes.

    Runs without metrics are left out. What `out` has from other runs, such as those of another machine, stays there.

    Returns the files written. InputError if no run of the study is finished.
    """
    layout = Layout(results)
    source = layout.study(study)
    runs = [path.parent for path in sorted(source.glob("runs/*/metrics.csv"))]
    if not runs:
        raise InputError(
            f"{source}: no study with a finished run; expected metrics.csv in a folder of {source / 'runs'}"
        )
    files = [path for pattern in _OF_STUDY for path in sorted(source.glob(pattern))]
    targets = {path: out / path.relative_to(source) for path in files}
    for run in runs:
        targets |= {run / name: out / "runs" / run.name / name for name in _OF_RUNS if (run / name).is_file()}
    cohorts = {read_yaml(run / "config.yaml")["cohort"] for run in runs}
    for cohort in sorted(cohorts):
        folder = layout.cohort(cohort)
        found = [path for pattern in _OF_COHORTS for path in sorted(folder.glob(pattern))]
        targets |= {path: out / cohort / path.relative_to(folder) for path in found}
    return _copy(targets)


def redraw_reference(
    study_file: Path, config_folder: Path, folder: Path, names: Iterable[str] = ()
) -> tuple[list[Path], dict[str, str]]:
    """Make tables, figures and claims of a kept study again, from the runs in its folder; the scans are not needed.

    Runs of the study that the folder lacks are left out, as by `only_finished`.

    Args:
        study_file: file of the study, such as `config/brain_mr.yaml`.
        config_folder: the folder `config/`.
        folder: folder of the kept study, such as `results/reference/brain_mr`.
        names: tables and figures to make, and `claims` for the claims page; if empty, those that the folder has.

    Returns:
        The files written, and for each table or figure that needs what is not kept, such as scans, what that is.

    Raises:
        InputError: the folder has no runs, the study has no table or figure of a name, or a file cannot be used.
    """
    if not (folder / "runs").is_dir():
        raise InputError(f"{folder}: has no folder runs; expected a study that src/reference.py has kept")
    study = load_study(
        {**read_yaml(study_file), "only_finished": True},
        config_folder,
        [study_file],
        is_finished=lambda run: (folder / "runs" / run / "metrics.csv").is_file(),
    )
    files, kinds = StudyFiles(study), {"tables": study.tables, "figures": study.figures}
    if unknown := sorted(set(names) - {*study.tables, *study.figures, PAGE}):
        raise InputError(f"{study_file}: has no table or figure '{unknown[0]}'")
    suffixes = {"tables": "md", "figures": "txt"}  # each has one; a table's tests are another .csv
    kept = {kind: {path.stem for path in (folder / kind).glob(f"*.{suffixes[kind]}")} for kind in kinds}
    wanted = set(names) or set.union(*kept.values(), {PAGE} if (folder / f"{PAGE}.md").is_file() else set())
    reported = config_folder / "reported.yaml"
    gone = {} if names else {kind: kept[kind] - set(kinds[kind]) for kind in kinds}
    left_out = {f"{kind}/{name}": "metrics of its runs" for kind in gone for name in sorted(gone[kind])}
    with tempfile.TemporaryDirectory() as temporary:
        layout = Layout(Path(temporary) / "results")
        source = layout.study(study.name)
        _link(folder, study.name, layout)
        for kind, name in ((folder_of, item) for folder_of, items in kinds.items() for item in items if item in wanted):
            needed = files.of_table(name) if kind == "tables" else files.of_figure(name)
            if missing := [path for path in needed if not (Path(temporary) / path).is_file()]:
                left_out[f"{kind}/{name}"] = missing[0]
                continue
            item = make_item(stage_settings(study, f"{study.name}/{kind}/{name}"), f"{study_file}: {name}")
            results = Results(layout.root, study.name)
            if kind == "tables":
                write_table(make(item, results, reported), source / kind / f"{name}.csv")
            else:
                write_figure(item, results, reported, source / kind / f"{name}.pdf")
        if PAGE in wanted:
            claim = load_claim(config_folder / "complexity_claim.yaml")
            write_table(check_claim(claim, reported), layout.root / f"{CLAIM}.csv")
            if missing := [path for path in files.claims() if not (Path(temporary) / path).is_file()]:
                left_out[PAGE] = missing[0]
            else:
                _make_claims(study, layout.root)
        made = [path for pattern in _OF_STUDY for path in sorted(source.glob(pattern))]
        return _copy({path: folder / path.relative_to(source) for path in made}), left_out


def _link(folder: Path, study: str, layout: Layout) -> None:
    """Put the runs and segmentations of a kept study where a study's own lie."""
    source = layout.study(study)
    source.mkdir(parents=True)
    (source / "runs").symlink_to((folder / "runs").resolve())
    for segmentations in folder.glob("*/segmentations"):
        cohort = layout.cohort(segmentations.parent.name)
        cohort.mkdir(parents=True)
        (cohort / "segmentations").symlink_to(segmentations.resolve())


def _make_claims(study: Study, results: Path) -> None:
    """Make the claims page of a study in a folder of results that has all files of `StudyFiles.claims`."""
    settings = results / study.name / PAGE / "config.yaml"
    write_yaml(settings, stage_settings(study, f"{study.name}/{PAGE}"))
    page = load_page(settings)
    write_page(make_claims(page, Results(results, study.name)), results / study.name / f"{PAGE}.csv")


def _copy(targets: dict[Path, Path]) -> list[Path]:
    for path, target in targets.items():
        with atomic_path(target) as temporary:
            shutil.copyfile(path, temporary)
    return list(targets.values())
