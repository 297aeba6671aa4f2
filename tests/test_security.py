"""Data cannot run code or a shell or avoid checksums, and keys are not written; these tests read the sources."""

import ast
import re
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


def name_of(node: ast.expr) -> str:
    """Dotted name of what is called."""
    return ast.unparse(node)


def offences(source: str) -> Iterator[str]:
    """Names and texts that no source may contain."""
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


def test_no_source_runs_what_it_reads() -> None:
    found = {str(path.relative_to(ROOT)): list(offences(path.read_text())) for path in SOURCES}
    assert len(found) > 100
    unpacking = {"src/textscf/data/archive.py": ["extractall"]}  # after its own checks, see tests/test_archive.py
    assert {path: offences for path, offences in found.items() if offences} == unpacking


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
    assert "shlex.quote(str(DATA_ROOT))" in rules
    assert re.search(r"--accept \{shlex\.quote\(", rules)


def test_every_address_is_https_and_has_a_checksum_where_one_is_published() -> None:
    """Where no checksum is published, the key is null, and the SHA-256 of the downloaded file is recorded."""
    files = [*(ROOT / "config/data_sets").glob("*.yaml"), *(ROOT / "config/cohorts").glob("*.yaml")]
    found = [part for path in files for part in _with_address(yaml.safe_load(path.read_text()))]
    assert len(found) == 8
    for part in found:
        assert part["url"].startswith("https://"), part
        assert part["checksum"] is None or re.fullmatch(r"md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}", part["checksum"]), part
    assert [part["checksum"] for part in found].count(None) < len(found)


def _with_address(content: object) -> list[dict[str, str]]:
    """Every mapping within `content` that has an address."""
    parts = content.values() if isinstance(content, dict) else content if isinstance(content, list) else []
    own = [content] if isinstance(content, dict) and content.get("url") else []
    return own + [found for part in parts for found in _with_address(part)]
