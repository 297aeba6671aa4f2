"""Peak memory of ``segment`` and ``evaluate`` for few and for many scans: ``python -m benchmarks.memory``.

The cohort's scans are smooth noise; each is registered to the next one. Networks are not trained. Each number of scans
is measured in its own process, with the largest of its worker processes. The script prints the table of
benchmarks/RESULTS.md.
"""

import argparse
import multiprocessing
import resource
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.cases import TEXT_WIDTH
from benchmarks.volumes import CONFIG, noise_scan
from textscf.data.cohort import Cohort, expand_pairs, expand_subjects
from textscf.files.io import write_json, write_nifti, write_yaml
from textscf.files.state import save_state
from textscf.models import build_network
from textscf.registration.evaluation import evaluate_run
from textscf.registration.inference import Registrar
from textscf.registration.trained_run import export_checkpoint
from textscf.segmentation.segment_cohort import segment_cohort
from textscf.segmentation.swin_unetr import build_segmentor
from textscf.study.catalogue import Catalogue

COHORT = "simulated_abdomen"
CPU = torch.device("cpu")
NETWORK: dict[str, Any] = {
    "backbone": {"name": "lku_net", "start_channels": 8},
    "head": {"kind": "scf", "hidden_channels": 64, "blend": "convex"},
    "integration_steps": 0,
}
SEGMENTOR: dict[str, Any] = {
    "source": "train",
    "feature_size": 12,
    "depths": [1, 1, 1, 1],
    "attention_window": 2,
    "window": [64, 32, 32],
    "overlap": 0.0,
}


def write_cohort(folder: Path, scans: int, shape: Sequence[int]) -> Cohort:
    """Write a prepared cohort of `scans` scans, all but two for the test."""
    config = Catalogue(CONFIG).cohort(COHORT)
    config["preprocess"]["shape"] = list(shape)
    config |= {"splits": {"train": [1], "validation": [2], "test": [f"3-{scans}"]}, "pairs": {"test": {"next": 1}}}
    subjects = expand_subjects(config)
    regions = len(config["anatomy"]["structures"]) + 1
    names = [name for split in subjects.values() for name in split]
    for number, name in enumerate(names):
        scan = noise_scan(shape, regions, "cpu", number)
        for kind, volume in (("images", scan.image), ("labels", scan.labels)):
            write_nifti(folder / kind / f"{name}.nii.gz", volume[0, 0].clamp(0).numpy(), torch.eye(4).double().numpy())
    kept = ("name", "title", "notice", "licence", "citation", "modality", "anatomy")
    described = {key: config[key] for key in kept} | {"shape": list(shape), "spacing": config["preprocess"]["spacing"]}
    files = dict.fromkeys((f"{kind}/{name}.nii.gz" for kind in ("images", "labels") for name in names), "0" * 64)
    places = {"affine": torch.eye(4).tolist(), "splits": subjects, "pairs": expand_pairs(config), "files": files}
    write_json(folder / "cohort.json", described | places)
    write_yaml(folder / "config.yaml", config)
    return Cohort.load(folder)


def segment(folder: Path) -> None:
    """Segment all scans with a network that was not trained."""
    torch.manual_seed(0)
    cohort = Cohort.load(folder)
    save_state(folder / "network.pt", {"network": build_segmentor(SEGMENTOR, cohort.n_regions).state_dict()})
    segment_cohort(cohort, SEGMENTOR, folder / "network.pt", folder / "segmentations/tiny", CPU)


def evaluate(folder: Path) -> None:
    """Register and evaluate all test pairs with a network that was not trained, after `segment`."""
    torch.manual_seed(0)
    cohort = Cohort.load(folder)
    run = {"run": "memory", "method": "learned", "network": NETWORK, "segmentor": "tiny"}
    network = build_network(NETWORK, torch.randn(cohort.n_regions, TEXT_WIDTH))
    export_checkpoint(folder / "checkpoint.pt", network, run, cohort)
    evaluate_run("memory", cohort, Registrar(folder / "checkpoint.pt", cohort, CPU), folder / "run")


def peak(stage: Callable[[Path], None], folder: Path) -> tuple[float, float]:
    """Peak memory in GiB of a stage in this process, which it has for itself, and of its largest worker."""
    stage(folder)
    own, worker = (
        resource.getrusage(who).ru_maxrss / 2**20 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return own, worker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, nargs="+", default=[6, 18], help="numbers of scans (default: 6 18)")
    parser.add_argument("--shape", type=int, nargs=3, default=[96, 80, 128], help="default: 96 80 128")
    args = parser.parse_args()
    rows = []
    for scans in args.scans:
        with tempfile.TemporaryDirectory() as name:
            write_cohort(Path(name), scans, args.shape)
            for stage, count in ((segment, f"{scans} scans"), (evaluate, f"{scans - 2} pairs")):
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                    own, worker = pool.submit(peak, stage, Path(name)).result()
                of_worker = f"{worker:.2f}" if stage is evaluate else "-"
                rows.append({"stage": f"{stage.__name__}, {count}", "GiB": f"{own:.2f}", "worker GiB": of_worker})
                print(rows[-1], flush=True)
    print(pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
