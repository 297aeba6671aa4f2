"""Promises of the repository: pins that agree, no registry named, environments of all rules, a Makefile that works."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import yaml

from textscf.proposal.key_reference import key_reference

PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^ ;\\]+)", re.MULTILINE)


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(root: Path) -> dict[str, set[str]]:
    pins: dict[str, set[str]] = {}
    for name, version in PIN.findall((root / "requirements.txt").read_text()):
        pins.setdefault(normalised(name), set()).add(version)
    return pins


def needed_by_workflow(project: dict[str, Any]) -> list[str]:
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *extras["workflow"], *extras["encoders"], *extras["ants"]]


def test_the_lock_names_no_registry_and_pins_every_dependency(root: Path) -> None:
    text = (root / "requirements.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text.replace("--no-emit-index-url", "")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*needed_by_workflow(project), *project["optional-dependencies"]["dev"]]
    names = {normalised(re.split(r"[\[<>=; ]", requirement)[0]) for requirement in wanted}
    assert names <= locked(root).keys()


def test_the_lock_of_the_documentation_names_no_registry_and_pins_its_extra(root: Path) -> None:
    text = (root / "docs/requirements.txt").read_text()
    assert "://" not in text
    wanted = tomllib.loads((root / "pyproject.toml").read_text())["project"]["optional-dependencies"]["docs"]
    names = {normalised(re.split(r"[\[<>=; ]", requirement)[0]) for requirement in wanted}
    assert names <= {normalised(name) for name, _ in PIN.findall(text)}


def test_conda_environments_have_the_locks_versions(root: Path) -> None:
    lock = locked(root)
    for path in (root / "envs").glob("*.yaml"):
        packages = yaml.safe_load(path.read_text())["dependencies"][-1]["pip"]
        wanted = needed_by_workflow(tomllib.loads((root / "pyproject.toml").read_text())["project"])
        assert len(packages) == len({normalised(re.split(r"[\[<>=; ]", requirement)[0]) for requirement in wanted})
        for package in packages:
            name, version = package.split("==")
            assert version in lock[normalised(name)], package


def test_every_rule_with_a_command_has_environment_and_log(root: Path) -> None:
    for path in (root / "rules").glob("*.smk"):
        for rule in re.split(r"^rule ", path.read_text(), flags=re.MULTILINE)[1:]:
            if "    shell:" in rule:
                name = rule.split(":")[0]
                assert "    conda:\n        ENVIRONMENT" in rule, name
                assert "    log:" in rule, name


def test_versions_agree(root: Path) -> None:
    import textscf

    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert textscf.__version__ == project["version"] == citation["version"]
    assert f"## {textscf.__version__}" in (root / "CHANGELOG.md").read_text()


def test_no_large_or_generated_file_is_tracked(root: Path) -> None:
    files = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    tracked = [root / name for name in files.split("\0") if name]
    models = [path for path in tracked if path.is_relative_to(root / "models") and path.suffix == ".pt"]
    assert all(path.stat().st_size < 16 * 2**20 and path.with_suffix(".md").is_file() for path in models)
    vendored = [path for path in tracked if path.parent.name == "vendor"]
    assert {path.name for path in vendored} == {"niivue.umd.js", "niivue.LICENSES.txt"}
    tracked = [path for path in tracked if path not in models + vendored]
    assert not [str(path) for path in tracked if path.is_file() and path.stat().st_size > 1_000_000]
    assert not [path.name for path in tracked if path.suffix in {".pt", ".nii", ".gz", ".pyc", ".npz"}]


def test_the_reference_of_keys_is_that_of_the_schemas_and_explains_each(root: Path) -> None:
    text = (root / "docs/configuration.md").read_text(encoding="utf-8")
    assert text == key_reference(root / "config"), "python src/key_reference.py writes it anew"
    assert [line for line in text.splitlines() if "|  |" in line] == []
