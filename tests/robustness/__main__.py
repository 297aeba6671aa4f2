"""Try every bad input, run the fault tests, and write docs/robustness.md: ``python -m tests.robustness``."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from tests.robustness.case import Case, Outcome
from tests.robustness.corpus import corpus, sample
from tests.robustness.page import make_page
from tests.robustness.runner import run_cases
from tests.robustness.workspace import build_workspace
from textscf.files.io import atomic_path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/robustness.md"
COUNTED = "counted: "


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="cases whose kind, script or name has it; no page")
    only = parser.parse_args().only
    cases = [case for case in corpus() if only in f"{case.kind}/{case.entry}/{case.name}"]
    with tempfile.TemporaryDirectory() as folder:
        base = build_workspace(Path(folder) / "workspace")
        outcomes = _report(cases, base, fresh=False)
        fresh = [] if only else _report(sample(cases), base, fresh=True)
    if not only:
        with atomic_path(PAGE) as temporary:
            temporary.write_text(make_page(outcomes, fresh, _faults()), encoding="utf-8")
        print(f"written to {PAGE}")
    sys.exit(any(outcome.problems for outcome in outcomes))


def _report(cases: list[Case], base: Path, fresh: bool) -> list[Outcome]:
    outcomes = []
    for outcome in tqdm(run_cases(cases, base, fresh), total=len(cases), desc="new interpreters" if fresh else "cases"):
        outcomes.append(outcome)
        for problem in outcome.problems:
            tqdm.write(f"{outcome.case.kind}: {outcome.case.name} ({outcome.case.entry}): {problem}")
    print(f"{sum(not outcome.problems for outcome in outcomes)} of {len(outcomes)} bad inputs refused")
    return outcomes


def _faults() -> str:
    """Run the fault tests and return their counts and summary as Markdown; exit with their output if one fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-rP", "tests/test_faults.py", "-p", "no:cacheprovider"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if finished.returncode:
        sys.exit(f"{finished.stdout}\na fault test failed; {PAGE} is left as it was")
    lines = finished.stdout.splitlines()
    counted = [f"- {line.partition(COUNTED)[2]}" for line in lines if COUNTED in line]
    summary = finished.stdout.strip().splitlines()[-1].strip("= ")
    return "\n".join([*counted, f"- {summary}"])


if __name__ == "__main__":
    main()
