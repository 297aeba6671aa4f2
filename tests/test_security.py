"""No code from data, no shell, no way around checksums; keys stay where they are. The sources are read, not trusted."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from textscf.errors import InputError
from textscf.files.io import read_yaml
from textscf.files.names import safe_name

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "src").rglob("*.py"), *(ROOT / "benchmarks").glob("*.py")])
FORBIDDEN_CALLS = {
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"),
    *("pickle.load", "pickle.loads", "marshal.loads", "yaml.unsafe_load", "yaml.full_load", "shelve.open"),
    *("tempfile.mktemp", "ssl._create_unverified_context"),
}
FORBIDDEN_IMPORTS = {"dill", "joblib", "cloudpickle", "marshal", "shelve", "requests", "telnetlib", "ftplib"}
KEY = "sk-test-0123456789abcdef0123456789abcdef"


def name_of(node: ast.expr) -> str:
    """Dotted name of what is called."""
    return ast.unparse(node)


def offences(source: str) -> Iterator[str]:
    """What must not be in a source."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f"import {name.name}" for name in node.names if name.name.split(".")[0] in FORBIDDEN_IMPORTS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in {*FORBIDDEN_IMPORTS, "pickle"}:
            yield f"from {node.module}"
        elif isinstance(node, ast.Call):
            yield from _of_call(node)


def _of_call(node: ast.Call) -> Iterator[str]:
    name = name_of(node.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if name in FORBIDDEN_CALLS:
        yield f"{name}()"
    if options.get("shell", "False") != "False":
        yield "shell=True"
    if options.get("allow_pickle", "False") != "False":
        yield "allow_pickle=True"
    if options.get("verify", "True") == "False":
        yield "verify=False"
    if name == "torch.load" and options.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if name in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
        yield "np.load without allow_pickle=False"
    if name == "yaml.load" and options.get("Loader") != "_StrictLoader":
        yield "yaml.load with another loader than the strict one"
    if name.endswith(".extractall"):
        yield "extractall"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_runs_what_it_reads(path: Path) -> None:
    assert list(offences(path.read_text())) == []


@pytest.mark.parametrize(
    "source",
    [
        "eval('1')", "import os\nos.system('ls')", "pickle.loads(b'')", "torch.load('x')", "np.load('x')",
        "torch.load('x', weights_only=False)", "np.load('x', allow_pickle=True)", "yaml.load('x', Loader=yaml.Loader)",
        "subprocess.run('ls', shell=True)", "archive.extractall()", "import dill", "from pickle import loads",
        "requests.get(url, verify=False)",
    ],
)  # fmt: skip
def test_the_reading_of_sources_sees_what_it_must(source: str) -> None:
    assert list(offences(source))


def test_the_loader_of_yaml_is_a_safe_one(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    for tag in ("!!python/object/apply:os.system ['touch owned']", "!!python/name:os.system", "!!python/module:os"):
        path.write_text(f"a: {tag}\n")
        with pytest.raises(InputError, match="could not determine a constructor"):
            read_yaml(path)
    assert [file.name for file in tmp_path.iterdir()] == ["x.yaml"]


@pytest.mark.parametrize(
    "name",
    ["; rm -rf ~", "$(id)", "`id`", "../x", "..", "/etc", "a b", "a/b", "a\nb", "-rf", "", ".hidden", "a'b", "é"],
)
def test_names_that_are_not_safe_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a valid name"):
        safe_name(name, "config")


def test_rules_quote_or_constrain_what_they_put_into_a_shell() -> None:
    rules = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    constrained = dict(re.findall(r'^    (\w+)=r"([^"]+)"', rules, re.MULTILINE))
    used = set(re.findall(r"\{(?:wildcards\.)?(\w+)\}", " ".join(re.findall(r'^[A-Z]+ = .*"', rules, re.MULTILINE))))
    used &= {"cohort", "segmentor", "prompts", "run", "table", "figure", "form"}
    assert used
    for name in used:
        assert not re.fullmatch(constrained[name], "a;b")
        assert not re.fullmatch(constrained[name], "$(a)")
        assert not re.fullmatch(constrained[name], "a b")
        assert not re.fullmatch(constrained[name], "a/b")
    assert "params.content:q" in rules
    assert '"$TEXTSCF_DATA_ROOT"' in rules


def test_every_address_is_https_and_has_a_checksum_where_one_is_published() -> None:
    """Where none is, the key stands there with null, and the SHA-256 of what arrived is recorded."""
    files = [*(ROOT / "config/data_sets").glob("*.yaml"), *(ROOT / "config/cohorts").glob("*.yaml")]
    found = [part for path in files for part in _with_address(yaml.safe_load(path.read_text()))]
    assert len(found) == 7
    for part in found:
        assert part["url"].startswith("https://"), part
        assert part["checksum"] is None or re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", part["checksum"]), part
    assert [part["checksum"] for part in found].count(None) < len(found)


def _with_address(content: object) -> list[dict[str, str]]:
    """Every mapping within `content` that has an address."""
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    own = [content] if isinstance(content, dict) and content.get("url") else []
    return own + [found for part in parts for found in _with_address(part)]


def test_a_key_in_the_environment_is_in_no_file(tmp_path: Path) -> None:
    from tests.robustness.workspace import COHORT, build_workspace

    place = build_workspace(tmp_path / "workspace")
    environment = {**os.environ, "OPENAI_API_KEY": KEY, "HF_TOKEN": KEY, "AWS_SECRET_ACCESS_KEY": KEY}
    target = [f"{COHORT}/prompts/one_hot/similarity.png", "results/small/tables/table3.csv"]
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/small.yaml", "--verbose"]
    command += ["--printshellcmds", "--config", f"data_root={place}/data", "--forcerun", "embed_prompts", "--", *target]
    run = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert KEY not in run.stdout + run.stderr
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_relative_to(place / "data")]
    assert len(files) > 50
    assert [str(path) for path in files if KEY.encode() in path.read_bytes()] == []
