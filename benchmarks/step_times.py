"""Measures the median time of a training step for every network of a study, and writes config/step_times.yaml.

Run as ``PYTHONPATH=src python -m benchmarks.step_times --study config/paper.yaml``. It does not need the study's data:
volumes are smooth noise with compact regions. Networks that the file already has for this device are skipped, so that
an interrupted call can continue. Networks that need more memory than there is are left out.
"""

import argparse
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import torch

from benchmarks.cases import LEARNING_RATE, LOSS, TEXT_WIDTH
from benchmarks.volumes import noise_scan
from textscf.files.io import read_yaml, write_yaml
from textscf.job.progress import progress_bar
from textscf.job.provenance import environment
from textscf.models import build_network
from textscf.study import load_study
from textscf.study.plan import workload
from textscf.training.objective import Objective
from textscf.training.step import TrainingStep

FILE = Path("config/step_times.yaml")


def measure(work: dict[str, Any], device: str, repeats: int) -> float:
    """Median seconds of a step in this process, without the first step."""
    torch.manual_seed(0)
    head = work["network"]["head"]
    text = torch.randn(work["regions"], TEXT_WIDTH) if head and head["kind"] == "scf" else None
    network = build_network(work["network"], text).to(device)
    loss = Objective({**LOSS, "similarity": work["similarity"]}, work["regions"])
    fixed, moving = (noise_scan(work["shape"], work["regions"], device, seed) for seed in (0, 1))
    step = TrainingStep(network.train(), loss, work["precision"])
    seconds = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        step(fixed, moving, LEARNING_RATE)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", type=Path, default=Path("config/paper.yaml"), help="default: config/paper.yaml")
    parser.add_argument("--cohort", help="the networks of one cohort alone")
    parser.add_argument("--repeats", type=int, default=3, help="steps of which the median is taken (default: 3)")
    parser.add_argument("--out", type=Path, default=FILE, help=f"default: {FILE}")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    provenance = environment(device)
    name = provenance["device"] if device == "cuda" else f"{torch.get_num_threads()} cores of {provenance['processor']}"
    study = load_study(read_yaml(args.study), Path("config"), [args.study])
    runs = [run for run in study.runs.values() if run["method"] == "learned"]
    works = [workload(study, run) for run in runs if args.cohort in (None, run["cohort"])]
    known = read_yaml(args.out) if args.out.is_file() else {"device": name, "steps": []}
    steps = known["steps"] if known["device"] == name else []
    done = [{key: value for key, value in step.items() if key != "seconds"} for step in steps]
    todo = [work for n, work in enumerate(works) if work not in works[:n] and work not in done]
    context = multiprocessing.get_context("spawn")
    with progress_bar(len(todo), "measuring") as bar:
        for work in todo:
            try:
                with ProcessPoolExecutor(1, mp_context=context) as pool:
                    seconds = pool.submit(measure, work, device, args.repeats).result()
            except (BrokenProcessPool, torch.OutOfMemoryError):
                bar.write(f"{work['network']['backbone']} at {work['shape']}: not measured, not enough memory")
            else:
                steps.append({**work, "seconds": float(f"{seconds:.3g}")})
                write_yaml(args.out, {"device": name, "steps": steps})
            bar.update(1)


if __name__ == "__main__":
    main()
