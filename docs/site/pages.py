"""Hook of MkDocs that adds the pages outside of docs/: README, models, results, and the reference of the package.

Pages stay plain Markdown with links that work in the repository. The hook finds each file that a page links to, adds it
to the site at its path in the repository, and turns the links accordingly. Files of docs/ lie at the top of the site.
"""

import ast
import os
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/textscf"
OUTSIDE = ("*.md", "benchmarks/RESULTS.md", "profiles/*/README.md", "results/reference/*/README.md")
"""Patterns of the pages outside of docs/ that the navigation has; pages that these link to are added, too."""
_LINK = re.compile(r"(?P<text>\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^)\s]+)\)")
_FETCHED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"' >]+)")
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add a page for each room of the package, and for each reference result, to the navigation."""
    parts = {title: pages for part in config.nav for title, pages in part.items()}
    parts["Reference"].append({"Package": [{room: f"package/{room}.md"} for room in _rooms()]})
    results = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("results/reference/*/README.md"))
    parts["Results"][:0] = results
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside of docs/ with all files that they and the pages of docs/ link to."""
    waiting = [str(path.relative_to(ROOT)) for pattern in OUTSIDE for path in ROOT.glob(pattern)]
    waiting += [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    known = set()
    while waiting:
        path = waiting.pop()
        if path in known:
            continue
        known.add(path)
        if not path.startswith("docs/"):
            files.append(File.generated(config, _place(path), abs_src_path=str(ROOT / path)))
        if path.endswith(".md"):
            waiting += [target for target in _targets(path) if (ROOT / target).is_file()]
    for room in _rooms():
        files.append(File.generated(config, f"package/{room}.md", content=_room_page(room)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the links of a page to where the site has their targets."""
    path = _path(page.file)
    if path is None:
        return markdown

    def turned(link: re.Match[str]) -> str:
        target, _, anchor = link["target"].partition("#")
        if not target or "://" in target:
            return link[0]
        place = posixpath.relpath(_place(_resolved(path, target)), posixpath.dirname(page.file.src_uri) or ".")
        return f"{link['text']}({place}{'#' * bool(anchor)}{anchor})"

    return _outside_of_code(markdown, lambda text: _LINK.sub(turned, text))


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that fetches anything from another server."""
    for path in sorted(Path(config.site_dir).rglob("*.html")):
        if found := _FETCHED.search(path.read_text(encoding="utf-8")):
            raise PluginError(f"{path}: fetches {found[1]}; expected a site that needs no network")


def _path(file: File) -> str | None:
    """Path in the repository of a page; None for a page that was made here."""
    if file.abs_src_path is None:
        return None
    return os.path.relpath(file.abs_src_path, ROOT)


def _place(path: str) -> str:
    """Path in the site of a file of the repository."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def _targets(path: str) -> Iterator[str]:
    """The files that a page links to."""
    found: list[str] = []

    def note(text: str) -> str:
        found.extend(link["target"].partition("#")[0] for link in _LINK.finditer(text))
        return text

    _outside_of_code((ROOT / path).read_text(encoding="utf-8"), note)
    for target in found:
        if target and "://" not in target:
            yield _resolved(path, target)


def _resolved(path: str, target: str) -> str:
    """The file of the repository that a relative link of a page means; for a folder its README.md."""
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    if found.startswith("..") or not (ROOT / found).exists():
        raise PluginError(f"{path}: link to '{target}'; expected a file or folder of the repository")
    return f"{found}/README.md" if (ROOT / found).is_dir() else found


def _outside_of_code(markdown: str, change: Callable[[str], str]) -> str:
    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def _rooms() -> list[str]:
    return sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))


def _room_page(room: str) -> str:
    """Page with every module of a room that has something public."""
    folder = PACKAGE / room
    heading = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    modules = [
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for path in sorted(folder.rglob("*.py"))
        if path.name != "__init__.py" and _has_public(path)
    ]
    return "\n\n".join([f"# textscf.{room}", heading, *(f"::: {module}" for module in modules)])


def _has_public(path: Path) -> bool:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    kinds = (ast.FunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and not node.name.startswith("_") for node in body)
