"""Cases with bad settings: YAML files of every kind, and values on the command line."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.robustness.case import Case, at
from tests.robustness.nifti import put
from tests.robustness.workspace import COHORT, RUNS, SCANS
from textscf.files.io import read_yaml
from textscf.study.study import merge

STUDY = "config/small.yaml"
_SNAKEMAKE = ("snakemake", "--dry-run", "--quiet", "--cores", "1", "--configfile", STUDY)
_INJECTIONS = ("; rm -rf ~", "$(touch owned)", "`touch owned`", "../../etc", "/etc/passwd", "a b", "a'b\"c", "-rf", "")
_COHORT_FILE = "config/cohorts/hippocampus_mr.yaml"
_DATA_SET = "config/data_sets/hippocampus_mr.yaml"
_ANATOMY = "config/anatomies/hippocampus.yaml"
_EXPERIMENT = "config/experiments/table3.yaml"

_RELEASE = {
    **{"folder": "a", "archive": "a.tar", "url": None, "checksum": None, "instructions": None},
    **{"images": "{number}.nii.gz", "labels": "{number}.nii.gz"},
}

_FATAL_TO_SNAKEMAKE = (*("random bytes", "Latin-1", "10,000 brackets", "a folder", "missing"),)
"""Contents of a study's file for which Snakemake itself ends with a traceback."""


def cases() -> Iterable[Case]:
    """Cases of invalid YAML, of wrong keys and values, and of names that would reach another path or the shell."""
    yield from _cases("YAML text, read by Snakemake first", STUDY, _study_texts(), "")
    yield from _cases("YAML text", _COHORT_FILE, _texts())
    others = (_EXPERIMENT, _ANATOMY, _DATA_SET, "config/prompts/one_hot.yaml", "config/run_defaults.yaml")
    for number, file in enumerate(others):
        yield from _cases("YAML text", file, list(_texts())[number::6])
    yield from _key_cases()
    yield from _name_cases()
    yield from _command_line_cases()
    yield from _stage_cases()


def _texts() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    """Contents that are invalid in every YAML file."""
    texts: list[tuple[str, bytes, str]] = [
        ("empty file", b"", "expected|empty|mapping"),
        ("a list", b"- study\n- title\n", "expected|mapping"),
        ("random bytes", bytes(range(128, 256)), "UTF-8|YAML|character|codec"),
        ("Latin-1", "title: Größe\n".encode("latin-1"), "UTF-8|codec|YAML"),
        ("null bytes", b"study: small\0\n", "YAML|character|control"),
        ("an open bracket", b"study: [small\n", "line|expected"),
        ("an unknown alias", b"study: *nothing\n", "alias|undefined"),
        ("a key given twice", b"study: small\nstudy: large\n", "used twice|required|missing"),
        ("a Python object", b"study: !!python/object/apply:os.system ['touch owned']\n", "tag"),
        ("10,000 brackets", b"[" * 10_000, "nested|deep|YAML"),
    ]
    yield from ((name, partial(put, content=content), reason) for name, content, reason in texts)
    yield "a folder", _as_folder, "no such file|directory|defined|[Nn]ot found|exist"
    yield "missing", lambda path: path.unlink(), "no such file|does not exist|not defined|[Nn]ot found"


def _study_texts() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    """Invalid contents of a study's file that Snakemake refuses without a traceback.

    Snakemake opens this file before any code of the project runs.
    """
    own = "used twice|alias|could not determine a constructor|mapping|nested"
    for name, damage, _ in _texts():
        if name not in _FATAL_TO_SNAKEMAKE:
            yield name, damage, f"Config file (is not valid|must be given)|{own}"


def _cases(
    kind: str, file: str, faults: Iterable[tuple[str, Callable[[Path], object], str]], named: str | None = None
) -> Iterable[Case]:
    named = Path(file).stem if named is None else named
    for name, damage, reason in faults:
        yield Case(kind, f"{name} ({file})", _SNAKEMAKE, at(file, damage), named, reason)


def _key_cases() -> Iterable[Case]:
    changes: list[tuple[str, str, Mapping[str, Any], str]] = [
        ("typo in a key", STUDY, {"tittle": "x"}, "did you mean 'title'"),
        ("typo in a key of a key", STUDY, {"defaults": {"trainin": {}}}, "did you mean 'training'"),
        ("typo in a setting", STUDY, {"defaults": {"training": {"epoch": 3}}}, "did you mean 'epochs'"),
        ("typo in a run", STUDY, {"runs": {"textscff": {}}}, "did you mean 'textscf'"),
        ("typo in an experiment", STUDY, {"experiments": ["tabel3"]}, "did you mean 'table3'"),
        ("typo in a backbone", STUDY, {"runs": {"textscf": {"backbone": "lku_nett"}}}, "did you mean 'lku_net'"),
        ("epochs: a word", STUDY, {"defaults": {"training": {"epochs": "many"}}}, "found 'many'; expected integer"),
        ("epochs: 0", STUDY, {"defaults": {"training": {"epochs": 0}}}, "epochs.*minimum"),
        ("learning rate: NaN", STUDY, {"defaults": {"training": {"learning_rate": float("nan")}}}, "learning_rate"),
        ("weight of a loss: true", STUDY, {"defaults": {"loss": {"dice": True}}}, "expected number"),
        ("seeds: twice the same", STUDY, {"defaults": {"seeds": [1, 1]}}, "seeds.*unique"),
        ("unknown setting of a backbone", STUDY, {"defaults": {"backbones": {"lku_net": {"chanels": 2}}}}, "chanels"),
        ("start channels: a million", STUDY, {"defaults": {"backbones": {"lku_net": {"start_channels": 10**6}}}}, "start_ch"),
        ("runs that are like each other", _EXPERIMENT, {"runs": {"textscf": {"like": "lku_net"}, "lku_net": {"like": "textscf"}}}, "like this one"),
        ("a sweep over no setting", _EXPERIMENT, {"runs": {"textscf": {"sweep": {"loss.smoothnes": [1]}}}}, "did you mean 'smoothness'"),
        ("a table of no run", _EXPERIMENT, {"tables": {"table3": {"rows": [{"run": "nobody", "label": "x"}]}}}, "not defined"),
        ("a figure of no kind", _EXPERIMENT, {"figures": {"figure3": {"kind": "dice_boxplott"}}}, "did you mean 'dice_boxplot'"),
        ("shape: absurd", _COHORT_FILE, {"preprocess": {"shape": [1024, 1024, 1024]}}, "shape"),
        ("spacing: zero", _COHORT_FILE, {"preprocess": {"spacing": [1, 1, 0]}}, "spacing"),
        ("orientation: an axis twice", _COHORT_FILE, {"preprocess": {"orientation": "RLS"}}, "orientation"),
        ("a split of 10^12 subjects", _COHORT_FILE, {"splits": {"train": ["1-1000000000000"]}}, "too long"),
        ("a subject in two splits", _COHORT_FILE, {"splits": {"test": [1, 4]}}, "already in"),
        ("more pairs than subjects", _COHORT_FILE, {"pairs": {"test": {"next": 5}}}, "next is 5"),
        ("typo in a key of a data set", _DATA_SET, {"agreemnt": "x"}, "did you mean 'agreement'"),
        ("a data set without a release", _DATA_SET, {"releases": []}, "releases"),
        ("a colour of no kind", _ANATOMY, {"structures": [{"label": 1, "name": "a", "prompt": "a", "side": None, "colour": "red"}]}, "colour"),
    ]  # fmt: skip
    for name, file, change, reason in changes:
        yield Case("YAML keys and values", name, _SNAKEMAKE, partial(_edit, file=file, change=change), "", reason)


def _name_cases() -> Iterable[Case]:
    """Names that would inject a shell command or lead out of a folder."""
    places: dict[str, tuple[str, Callable[[str], Mapping[str, Any]]]] = {
        "name of a study": (STUDY, lambda name: {"study": name}),
        "name of a cohort": (STUDY, lambda name: {"cohorts": {"primary": name}}),
        "name of an experiment": (STUDY, lambda name: {"experiments": [name]}),
        "name of a run": (_EXPERIMENT, lambda name: {"runs": {name: {}}}),
        "name of a table": (_EXPERIMENT, lambda name: {"tables": {name: {"caption": "", "convention": "paper", "rows": []}}}),
        "name of a segmentor": (_COHORT_FILE, lambda name: {"segmentors": {name: {}}}),
        "name of subjects": (_COHORT_FILE, lambda name: {"subject": name + "{}"}),
        "name of a data set": (_COHORT_FILE, lambda name: {"source": {"data_set": name}}),
        "folder of a release": (_DATA_SET, lambda name: {"releases": [{**_RELEASE, "folder": name}]}),
        "file of an archive": (_DATA_SET, lambda name: {"releases": [{**_RELEASE, "archive": name}]}),
        "folder in an archive": (_DATA_SET, lambda name: {"releases": [{**_RELEASE, "top": name}]}),
        "path of images": (_DATA_SET, lambda name: {"releases": [{**_RELEASE, "images": f"{name}/{{number}}.nii.gz"}]}),
        "checksum": (_DATA_SET, lambda name: {"releases": [{**_RELEASE, "checksum": f"crc:{name}"}]}),
        "value in a sweep": (_EXPERIMENT, lambda name: {"runs": {"textscf": {"sweep": {"backbone": [name]}}}}),
        "prompts of a head": (STUDY, lambda name: {"defaults": {"head": {"prompts": name}}}),
    }  # fmt: skip
    for number, (place, (file, change)) in enumerate(places.items()):
        injection = _INJECTIONS[number % len(_INJECTIONS)]
        yield Case(
            "Names that reach a path or a shell",
            f"{place}: {injection!r}",
            _SNAKEMAKE,
            partial(_edit, file=file, change=change(injection)),
            "",
            "expected|not defined|not a valid name|does not match|not safe|leave",
        )


def _command_line_cases() -> Iterable[Case]:
    values = {
        "an unknown key": (("colour=red",), "unknown key 'colour'"),
        "a Python object": (("title=!!python/object/apply:os.system ['touch owned']",), "expected string"),
    }
    for name, (config, reason) in values.items():
        yield Case("Command line", f"--config: {name}", (*_SNAKEMAKE, "--config", *config), _nothing, "", reason)
    commands = {
        "complexity of no backbone": (("complexity.py", "--backbone", "lku_nett", "--shape", "32", "32", "32"), "lku_nett"),
        "complexity of a negative shape": (("complexity.py", "--backbone", "lku_net", "--start-channels", "2", "--shape", "-32", "32", "32"), "-32"),
        "complexity of a width that is code": (("complexity.py", "--backbone", "lku_net", "--shape", "32", "32", "32", "--set", "start_channels=__import__('os')"), "backbone lku_net"),
        "a device that is none": (("evaluate.py", "--config", f"{RUNS}/lku_net/config.yaml", "--cohort", COHORT, "--checkpoint", f"{RUNS}/lku_net/checkpoint.pt", "--out", "new", "--device", "gpu7"), "gpu7"),
        "a number of workers that is none": (("evaluate.py", "--config", f"{RUNS}/initial/config.yaml", "--cohort", COHORT, "--out", "new", "--workers", "-1"), "workers"),
        "a log in a file": (("download.py", "--config", f"{COHORT}/config.yaml", "--log", f"{STUDY}/x.log", "--out", "new/source.json"), "small.yaml"),
        "a reference of no study": (("reference.py", "--study", "../..", "--out", "new"), "study|tables"),
    }  # fmt: skip
    for name, (command, reason) in commands.items():
        yield Case("Command line", name, command, _nothing, "", reason)


def _stage_cases() -> Iterable[Case]:
    """Resolved settings that were edited by hand, for each script that reads them."""
    scripts: dict[str, tuple[str, ...]] = {
        f"{COHORT}/config.yaml": ("preprocess.py", "--raw", SCANS, "--out", "new/cohort.json"),
        f"{RUNS}/lku_net/config.yaml": ("train.py", "--cohort", COHORT, "--out", "new"),
        f"{RUNS}/initial/config.yaml": ("evaluate.py", "--cohort", COHORT, "--out", "new"),
        f"{COHORT}/prompts/one_hot/config.yaml": ("embed_prompts.py", "--out", "new/embedding.npz"),
        f"{COHORT}/segmentations/ground_truth/config.yaml": (
            *("segment.py", "--cohort", COHORT, "--out", f"{COHORT}/segmentations/new/segmentation.json"),
        ),
        "results/small/tables/table3/config.yaml": ("table.py", "--out", "new/table3.csv"),
        "results/small/figures/figure3/config.yaml": ("figure.py", "--out", "new/figure3.pdf"),
        "results/small/report/config.yaml": ("report.py", "--out", "new/report.html"),
        "results/small/claims/config.yaml": ("claims.py", "--out", "new/claims.csv"),
        "config/complexity_claim.yaml": ("complexity_claim.py", "--out", "new/claim.csv"),
    }
    contents: dict[str, bytes] = {
        "empty file": b"",
        "a list": b"[1, 2]\n",
        "other settings": b"name: x\nrun: 1\n",
        "an unknown tag": b"run: !secret x\n",
        "binary": b"\xff\xfe\x00\x01",
    }
    for (file, command), name in zip(scripts.items(), itertools.cycle(contents), strict=False):
        yield Case(
            "Settings of a stage",
            f"{name} ({command[0]})",
            (*command, "--config", file),
            at(file, partial(put, content=contents[name])),
            file,
            "expected|not valid|UTF-8|missing|unknown|tag|made by",
        )


def _edit(place: Path, file: str, change: Mapping[str, Any]) -> None:
    path = place / file
    put(path, yaml.safe_dump(merge(read_yaml(path), change)).encode())


def _as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _nothing(place: Path) -> None:
    """Damage nothing; used if the command itself is bad."""
