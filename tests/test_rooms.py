"""The plan of the package: rooms import downward, nothing imports in a circle, and no two things share a name."""

import ast
import subprocess
import sys
from collections import Counter
from pathlib import Path


def test_rooms_import_downward_and_nothing_in_a_circle(root: Path) -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=root, env={"PYTHONPATH": str(root / "src")}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_modules_have_names_of_their_own(root: Path) -> None:
    modules = [path.name for path in (root / "src/textscf").rglob("*.py") if not path.name.startswith("__")]
    assert [name for name, count in Counter(modules).items() if count > 1] == []


def test_classes_have_names_of_their_own(root: Path) -> None:
    trees = [ast.parse(path.read_text()) for path in (root / "src/textscf").rglob("*.py")]
    classes = [node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    assert [name for name, count in Counter(classes).items() if count > 1] == []


def test_nothing_lies_loose_at_the_root_of_the_package(root: Path) -> None:
    assert sorted(path.name for path in (root / "src/textscf").glob("*.py")) == [
        "__init__.py",
        "__main__.py",
        "errors.py",
    ]
