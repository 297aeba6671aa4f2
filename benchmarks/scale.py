"""Time and memory of planning a large study and of reading a large cohort: ``python -m benchmarks.scale``.

Nothing is trained: the studies are dry runs over seeds of LKU-Net, and the cohorts are indices of empty files. The
preparation of OASIS reads scans of smooth noise in the layout of its release: all 414 at a quarter of their size along
each axis, which gives the cost of the number of files, and a few at full size. Seconds are CPU seconds, which depend
little on other work on the machine. The script prints the tables of docs/cluster.md.
"""

import argparse
import multiprocessing
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import ndimage

from textscf.data.cohort import Cohort, expand_pairs, expand_subjects
from textscf.data.preprocess import preprocess_cohort
from textscf.files.io import read_yaml, write_json, write_nifti, write_yaml
from textscf.study.catalogue import Catalogue
from textscf.training.pairs import PairSchedule

ROOT = Path(__file__).resolve().parents[1]
COHORT = "simulated_abdomen"
OASIS = 414
BRAIN = (160, 192, 224)
QUARTER = (40, 48, 56)
BYTES_PER_VOXEL = 5
"""Bytes per voxel of a scan for training in bfloat16: 16 bits for the image, 8 each for labels, regions, confidence."""


def study(runs: int) -> dict[str, Any]:
    """Study settings: the main comparison with `runs` trainings of LKU-Net."""
    return {
        "study": "scale",
        "title": f"{runs} trainings",
        "cohorts": {"primary": COHORT},
        "experiments": ["table3"],
        "defaults": {"head": {"segmentor": "tiny", "prompts": "one_hot"}},
        "runs": {"lku_net": {"seeds": list(range(1, runs + 1))}},
    }


def splits(subjects: int) -> dict[str, Any]:
    """Cohort settings: a twentieth of the subjects for validation and another for the test, one pair per subject."""
    first, second = subjects * 18 // 20, subjects * 19 // 20
    ranges = {"train": f"1-{first}", "validation": f"{first + 1}-{second}", "test": f"{second + 1}-{subjects}"}
    return {
        "subject": "simulated_{:06d}",
        "splits": {split: [numbers] for split, numbers in ranges.items()},
        "pairs": {"validation": {"next": 1}, "test": {"next": 1}},
    }


def copy_project(folder: Path, subjects: int, runs: int) -> None:
    """Copy the workflow to `folder`, with a cohort and a study of these sizes."""
    for name in ("Snakefile", "rules", "src", "captions", "envs"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "config", folder / "config")
    cohort = folder / f"config/cohorts/{COHORT}.yaml"
    write_yaml(cohort, {**read_yaml(cohort), **splits(subjects)})
    write_yaml(folder / "config/scale.yaml", study(runs))


def dry_run(folder: Path, target: str) -> int:
    """Plan the jobs of `target` in a dry run; returns their number."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "--configfile", "config/scale.yaml"]
    command += ["--", target]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    total = re.search(r"^total +(\d+)", run.stdout + run.stderr, re.MULTILINE)
    if run.returncode or total is None:
        raise SystemExit(f"{' '.join(command)} in {folder}: {run.stdout}{run.stderr}")
    return int(total[1])


def write_index(folder: Path) -> int:
    """Write a prepared cohort whose scans are empty files, from the config in `folder`; returns the number of files."""
    config = Catalogue(folder / "config").cohort(COHORT)
    subjects = expand_subjects(config)
    names = [f"{kind}/{name}.nii.gz" for kind in ("images", "labels") for split in subjects.values() for name in split]
    for kind in ("images", "labels"):
        (folder / kind).mkdir()
    for name in names:
        (folder / name).touch()
    kept = ("name", "title", "notice", "licence", "citation", "modality", "anatomy")
    placed = {key: config["preprocess"][key] for key in ("shape", "spacing")}
    write_json(
        folder / "cohort.json",
        {
            **{key: config[key] for key in kept},
            **placed,
            "affine": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
            "splits": subjects,
            "pairs": expand_pairs(config),
            "files": dict.fromkeys(names, "0" * 64),
        },
    )
    return len(names)


def read_index(folder: Path) -> int:
    """Use the index like a training before its first step; returns the number of training pairs."""
    cohort = Cohort.load(folder)
    cohort.fingerprint()
    pairs = PairSchedule(cohort.subjects("train"), seed=1, steps_per_epoch=1000)
    _ = [pairs[step] for step in range(2000)]
    return len(cohort.subjects("train")) * (len(cohort.subjects("train")) - 1)


def write_release(folder: Path, subjects: int, shape: Sequence[int]) -> dict[str, Any]:
    """Write scans in the layout of OASIS below `folder`, and return the cohort's config for them."""
    config = Catalogue(ROOT / "config").cohort("oasis")
    config["preprocess"]["shape"] = list(shape)
    config["source"]["releases"][0]["count"] = subjects
    config |= {"splits": {"train": [f"1-{subjects - 2}"], "validation": [], "test": [subjects - 1, subjects]}}
    config |= {"pairs": {"test": {"next": 1}}}
    noise = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(shape), 4)
    structures = len(config["anatomy"]["structures"])
    labels = np.digitize(noise, np.quantile(noise, np.linspace(0.5, 1, structures, endpoint=False)))
    first = folder / "OASIS_OAS1_0001_MR1"
    for name, volume in (("norm", noise.clip(0) / noise.max()), ("seg35", labels)):
        write_nifti(
            first / f"aligned_{name}.nii.gz", volume.astype(np.uint8 if name == "seg35" else np.float32), np.eye(4)
        )
    for number in range(2, subjects + 1):
        shutil.copytree(first, folder / f"OASIS_OAS1_{number:04d}_MR1")
    return config


def prepare(config: dict[str, Any], raw: Path, out: Path, workers: int) -> int:
    """Prepare the cohort; returns the number of files that it has."""
    preprocess_cohort(config, raw, out, workers)
    return len(Cohort.load(out).files)


def preparation_row(subjects: int, shape: Sequence[int], workers: int = 1) -> dict[str, str]:
    """Measure the preparation of OASIS with this number of subjects and size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = write_release(folder / "raw", subjects, shape)
        files, seconds, gib = measured(prepare, config, folder / "raw", folder / "out", workers)
    return {
        "subjects": f"{subjects:,}",
        "size": "x".join(map(str, shape)),
        "files": f"{files:,}",
        "CPU seconds": f"{seconds:.1f}",
        "CPU seconds a subject": f"{seconds / subjects:.2f}",
        "GiB": f"{gib:.2f}",
    }


def measured(function: Callable[..., int], *arguments: Any) -> tuple[int, float, float]:
    """Run a function in its own process; returns its result, CPU seconds, and the GiB of the largest process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measure, function, *arguments).result()


def _measure(function: Callable[..., int], *arguments: Any) -> tuple[int, float, float]:
    before = _usage()
    value = function(*arguments)
    after = _usage()
    seconds = sum(part.ru_utime + part.ru_stime for part in after) - sum(
        part.ru_utime + part.ru_stime for part in before
    )
    return value, seconds, max(part.ru_maxrss for part in after) / 2**20


def _usage() -> tuple[resource.struct_rusage, resource.struct_rusage]:
    """Resource usage of this process, and of its child processes."""
    return resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)


def study_row(runs: int) -> dict[str, str]:
    """Measure the plan of the whole study, and the plan of one job, which each job of a queue makes at its start."""
    with tempfile.TemporaryDirectory() as folder:
        copy_project(Path(folder), 30, runs)
        jobs, seconds, gib = measured(dry_run, Path(folder), "all")
        _, one, _ = measured(dry_run, Path(folder), "results/scale/runs/lku_net/config.yaml")
    return {
        "runs": f"{runs:,}",
        "jobs": f"{jobs:,}",
        "plan (s)": f"{seconds:.1f}",
        "GiB": f"{gib:.2f}",
        "plan of one job (s)": f"{one:.1f}",
    }


def cohort_row(subjects: int) -> dict[str, str]:
    """Measure the plan of a study on the cohort, the size of the cohort's index, and the cost of reading the index."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_project(folder, subjects, 2)
        _, seconds, gib = measured(dry_run, folder, "all")
        write_index(folder)
        pairs, read, read_gib = measured(read_index, folder)
        size = (folder / "cohort.json").stat().st_size
    voxels = 160 * 192 * 224
    return {
        "subjects": f"{subjects:,}",
        "training pairs": f"{pairs:,}",
        "plan (s)": f"{seconds:.1f}",
        "GiB": f"{gib:.2f}",
        "index (MB)": f"{size / 1e6:.1f}",
        "read (s)": f"{read:.2f}",
        "read GiB": f"{read_gib:.2f}",
        "scans of 160x192x224 (GiB)": f"{subjects * voxels * BYTES_PER_VOXEL / 2**30:,.0f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, nargs="+", default=[100, 1000, 4000], help="sizes of studies")
    parser.add_argument("--subjects", type=int, nargs="+", default=[100, 1000, 10000], help="sizes of cohorts")
    parser.add_argument("--few", type=int, nargs="+", default=[4, 12], help="numbers of full-size scans of OASIS")
    parser.add_argument("--only-preparation", action="store_true", help="make the last table alone")
    args = parser.parse_args()
    preparations = [preparation_row(OASIS, QUARTER)] + [preparation_row(subjects, BRAIN) for subjects in args.few]
    others: list[list[dict[str, str]]] = []
    if not args.only_preparation:
        others = [[study_row(runs) for runs in args.runs], [cohort_row(subjects) for subjects in args.subjects]]
    for rows in (*others, preparations):
        table = pd.DataFrame(rows)
        print(table.to_markdown(index=False, colalign=["right"] * len(table.columns), disable_numparse=True), "\n")


if __name__ == "__main__":
    main()
