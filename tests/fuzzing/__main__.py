"""Fuzz one reader, guided by the code that it covers: `python -m tests.fuzzing NAME --seconds N`.

Needs atheris (`pip install atheris`). Each different finding is printed once, with the file that shows it.
"""

import argparse
import importlib
import logging
import sys
import tempfile
import traceback
from pathlib import Path

import atheris

from tests.fuzzing.target import Target, attempt

NAMES = ("archives", "checkpoints", "nifti", "settings", "tables")
INSTRUMENTED = ["textscf", "nibabel", "tarfile", "zipfile", "torch._weights_only_unpickler"]
_MEBIBYTES = 4096
_SECONDS = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=NAMES, help="reader to fuzz")
    parser.add_argument("--seconds", type=int, default=600, help="default: 600")
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()), help="folder for inputs with findings")
    args = parser.parse_args()
    logging.disable()
    with atheris.instrument_imports(include=INSTRUMENTED):
        target: Target = importlib.import_module(f"tests.fuzzing.{args.name}").TARGET
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzzing_{args.name}_"))
    for number, seed in enumerate(target.seeds):
        attempt(target, seed)
        (corpus / str(number)).write_bytes(seed)
    findings: dict[str, Path] = {}

    def one_input(data: bytes) -> None:
        try:
            attempt(target, data)
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {frame.filename}:{frame.lineno}"
            if place not in findings:
                findings[place] = args.out / f"fuzzing_{args.name}_finding_{len(findings)}"
                findings[place].write_bytes(data)
                print(f"FINDING {findings[place]}: {place}: {str(error)[:300]}", flush=True)

    limits = [f"-max_total_time={args.seconds}", f"-rss_limit_mb={_MEBIBYTES}", f"-timeout={_SECONDS}"]
    options = [*limits, f"-max_len={target.largest}", "-len_control=0", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
