"""Cases with bad settings: YAML files of every kind, and values on the command line."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.robustness.case import Case, at
from tests.robustness.nifti import link, put
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

_FATAL_TO_SNAKEMAKE = (
    *("random bytes", "UTF-16", "Latin-1", "10,000 brackets", "a folder", "missing", "a link to itself"),
)
"""Contents of a study's file for which Snakemake itself ends with a traceback."""


def cases() -> Iterable[Case]:
    """Cases of invalid YAML, of wrong keys and values, and of names that would reach another path or the shell."""
    yield from _cases("YAML text, read by Snakemake first", STUDY, _study_texts(), "")
    for file in (_COHORT_FILE, _EXPERIMENT):
        yield from _cases("YAML text", file, _texts())
    for file in (_ANATOMY, _DATA_SET, "config/prompts/one_hot.yaml", "config/run_defaults.yaml"):
        yield from _cases("YAML text", file, list(_texts())[::4])
    yield from _key_cases()
    yield from _name_cases()
    yield from _command_line_cases()
    yield from _stage_cases()


def _texts() -> Iterable[tuple[str, Callable[[Path], object], str]]:
    """Contents that are invalid in every YAML file."""
    texts: list[tuple[str, bytes, str]] = [
        ("empty file", b"", "expected|empty|mapping"),
        ("a number", b"3\n", "expected|mapping"),
        ("a list", b"- study\n- title\n", "expected|mapping"),
        ("random bytes", bytes(range(128, 256)), "UTF-8|YAML|character|codec"),
        ("UTF-16", "study: small\n".encode("utf-16"), "UTF-8|YAML|key|expected"),
        ("Latin-1", "title: Größe\n".encode("latin-1"), "UTF-8|codec|YAML"),
        ("null bytes", b"study: small\0\n", "YAML|character|control"),
        ("a tab for indentation", b"study:\n\tname: x\n", r"line 2|character|\\t"),
        ("an open bracket", b"study: [small\n", "line|expected"),
        ("an open quote", b"study: 'small\n", "line|found|quoted"),
        ("an unknown alias", b"study: *nothing\n", "alias|undefined"),
        ("a key given twice", b"study: small\nstudy: large\n", "used twice|required|missing"),
        ("two documents", b"study: small\n---\nstudy: large\n", "document|expected"),
        ("a Python object", b"study: !!python/object/apply:os.system ['touch owned']\n", "tag"),
        ("a Python tuple", b"study: !!python/tuple [1]\n", "tag"),
        ("an unknown tag", b"study: !secret x\n", "tag"),
        ("10,000 brackets", b"[" * 10_000, "nested|deep|YAML"),
        ("a list as a key", b"? [a, b]\n: c\n", "key|hash|expected|YAML"),
    ]
    yield from ((name, partial(put, content=content), reason) for name, content, reason in texts)
    yield "a folder", _as_folder, "no such file|directory|defined|[Nn]ot found|exist"
    yield "missing", lambda path: path.unlink(), "no such file|does not exist|not defined|[Nn]ot found"
    yield "a link to itself", lambda path: link(path, path.name), "no such file|not defined|exist|[Nn]ot found|symbolic"


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
        ("typo in a pattern of runs", STUDY, {"runs": {"lapyrn*": {}}}, "not defined"),
        ("typo in an experiment", STUDY, {"experiments": ["tabel3"]}, "did you mean 'table3'"),
        ("typo in a cohort", STUDY, {"cohorts": {"primary": "hipocampus_mr"}}, "did you mean 'hippocampus_mr'"),
        ("typo in a role", STUDY, {"defaults": {"cohort": "primry"}}, "did you mean 'primary'"),
        ("typo in a backbone", STUDY, {"runs": {"textscf": {"backbone": "lku_nett"}}}, "did you mean 'lku_net'"),
        ("typo in a segmentor", STUDY, {"defaults": {"head": {"segmentor": "tinny"}}}, "did you mean 'tiny'"),
        ("typo in a prompt set", STUDY, {"defaults": {"head": {"prompts": "one_hott"}}}, "did you mean 'one_hot'"),
        ("typo in a loss", STUDY, {"defaults": {"loss": {"similarity": "msee"}}}, "did you mean 'mse'"),
        ("epochs: a word", STUDY, {"defaults": {"training": {"epochs": "many"}}}, "found 'many'; expected integer"),
        ("epochs: 0", STUDY, {"defaults": {"training": {"epochs": 0}}}, "epochs.*minimum"),
        ("epochs: a list", STUDY, {"defaults": {"training": {"epochs": [3]}}}, "expected integer"),
        ("learning rate: negative", STUDY, {"defaults": {"training": {"learning_rate": -1}}}, "learning_rate.*minimum"),
        ("learning rate: NaN", STUDY, {"defaults": {"training": {"learning_rate": float("nan")}}}, "learning_rate"),
        ("learning rate: infinite", STUDY, {"defaults": {"training": {"learning_rate": float("inf")}}}, "learning_rate"),
        ("weight of a loss: true", STUDY, {"defaults": {"loss": {"dice": True}}}, "expected number"),
        ("seeds: none", STUDY, {"defaults": {"seeds": []}}, "seeds"),
        ("seeds: twice the same", STUDY, {"defaults": {"seeds": [1, 1]}}, "seeds.*unique"),
        ("runs: a list", STUDY, {"runs": ["textscf"]}, "expected object"),
        ("cohorts: none", STUDY, {"cohorts": None}, "expected object"),
        ("experiments: none", STUDY, {"experiments": []}, "experiments"),
        ("unknown setting of a backbone", STUDY, {"defaults": {"backbones": {"lku_net": {"chanels": 2}}}}, "chanels"),
        ("start channels: a word", STUDY, {"defaults": {"backbones": {"lku_net": {"start_channels": "x"}}}}, "start_ch"),
        ("start channels: a million", STUDY, {"defaults": {"backbones": {"lku_net": {"start_channels": 10**6}}}}, "start_ch"),
        ("a run that is like itself", _EXPERIMENT, {"runs": {"textscf": {"like": "textscf"}}}, "like this one"),
        ("runs that are like each other", _EXPERIMENT, {"runs": {"textscf": {"like": "lku_net"}, "lku_net": {"like": "textscf"}}}, "like this one"),
        ("a run that is like none", _EXPERIMENT, {"runs": {"textscf": {"like": "textsfc"}}}, "not defined"),
        ("a sweep over no setting", _EXPERIMENT, {"runs": {"textscf": {"sweep": {"loss.smoothnes": [1]}}}}, "did you mean 'smoothness'"),
        ("a table of no run", _EXPERIMENT, {"tables": {"table3": {"rows": [{"run": "nobody", "label": "x"}]}}}, "not defined"),
        ("a figure of no kind", _EXPERIMENT, {"figures": {"figure3": {"kind": "dice_boxplott"}}}, "did you mean 'dice_boxplot'"),
        ("shape: two numbers", _COHORT_FILE, {"preprocess": {"shape": [32, 32]}}, "shape"),
        ("shape: absurd", _COHORT_FILE, {"preprocess": {"shape": [1024, 1024, 1024]}}, "shape"),
        ("spacing: zero", _COHORT_FILE, {"preprocess": {"spacing": [1, 1, 0]}}, "spacing"),
        ("spacing: NaN", _COHORT_FILE, {"preprocess": {"spacing": [1, 1, float("nan")]}}, "spacing"),
        ("orientation: no such letters", _COHORT_FILE, {"preprocess": {"orientation": "XYZ"}}, "orientation"),
        ("orientation: an axis twice", _COHORT_FILE, {"preprocess": {"orientation": "RLS"}}, "orientation"),
        ("a split with a range that descends", _COHORT_FILE, {"splits": {"train": ["9-3"]}}, "9-3"),
        ("a split of 10^12 subjects", _COHORT_FILE, {"splits": {"train": ["1-1000000000000"]}}, "too long"),
        ("a subject in two splits", _COHORT_FILE, {"splits": {"test": [1, 4]}}, "already in"),
        ("pairs of no subject", _COHORT_FILE, {"pairs": {"test": [[14, 99]]}}, "two different subjects"),
        ("more pairs than subjects", _COHORT_FILE, {"pairs": {"test": {"next": 5}}}, "next is 5"),
        ("typo in an anatomy", _COHORT_FILE, {"anatomy": "hipocampus"}, "did you mean 'hippocampus'"),
        ("typo in a data set", _COHORT_FILE, {"source": {"data_set": "hipocampus_mr"}}, "did you mean 'hippocampus_mr'"),
        ("typo in a key of a data set", _DATA_SET, {"agreemnt": "x"}, "did you mean 'agreement'"),
        ("a data set without a release", _DATA_SET, {"releases": []}, "releases"),
        ("a label 0", _ANATOMY, {"structures": [{"label": 0, "name": "a", "prompt": "a", "side": None, "colour": "#000000"}]}, "label"),
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
        for injection in _INJECTIONS[number % 3 :: 3]:
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
        "an injected study": (("study=x;touch owned",), "study"),
        "no YAML": (("runs={textscf: [",), "runs|Invalid|expected"),
        "a Python object": (("title=!!python/object/apply:os.system ['touch owned']",), "expected string"),
    }
    for name, (config, reason) in values.items():
        yield Case("Command line", f"--config: {name}", (*_SNAKEMAKE, "--config", *config), _nothing, "", reason)
    commands = {
        "complexity of no backbone": (("complexity.py", "--backbone", "lku_nett", "--shape", "32", "32", "32"), "lku_nett"),
        "complexity of half a voxel": (("complexity.py", "--backbone", "lku_net", "--shape", "0.5", "32", "32"), "0.5"),
        "complexity of a negative shape": (("complexity.py", "--backbone", "lku_net", "--start-channels", "2", "--shape", "-32", "32", "32"), "-32"),
        "complexity of a width that is code": (("complexity.py", "--backbone", "lku_net", "--shape", "32", "32", "32", "--set", "start_channels=__import__('os')"), "backbone lku_net"),
        "a device that is none": (("evaluate.py", "--config", f"{RUNS}/lku_net/config.yaml", "--cohort", COHORT, "--checkpoint", f"{RUNS}/lku_net/checkpoint.pt", "--out", "new", "--device", "gpu7"), "gpu7"),
        "a number of threads that is none": (("evaluate.py", "--config", f"{RUNS}/initial/config.yaml", "--cohort", COHORT, "--out", "new", "--threads", "0"), "threads"),
        "a number of workers that is none": (("evaluate.py", "--config", f"{RUNS}/initial/config.yaml", "--cohort", COHORT, "--out", "new", "--workers", "-1"), "workers"),
        "a mirror that is none": (("download.py", "--config", f"{COHORT}/config.yaml", "--data-root", "$(touch owned)", "--out", "new/source.json"), "no such folder"),
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
    for file, command in scripts.items():
        for name, content in contents.items():
            yield Case(
                "Settings of a stage",
                f"{name} ({command[0]})",
                (*command, "--config", file),
                at(file, partial(put, content=content)),
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
