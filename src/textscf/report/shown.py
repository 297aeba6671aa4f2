"""Contents of a report: its resolved settings (`Shown`), and the files of its tables and figures (`Files`)."""

import base64
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from textscf.errors import InputError
from textscf.files.fill import fill
from textscf.files.io import read_text, read_yaml
from textscf.files.layout import Layout
from textscf.results.items import Item, Row, load_item
from textscf.tables.formats import to_fragment
from textscf.tables.written import read_readable

_TYPES = {
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".csv": "text/csv",
    ".md": "text/markdown",
    ".tex": "application/x-tex",
}
_PNG = b"\x89PNG\r\n\x1a\n"
_SCREEN_SCALE = 1.45 * 96 / 300
"""Screen pixels per pixel of a figure; two figures one column wide then fit side by side on the page."""
_TITLES = {"claim": "Complexity claim", "claims": "Verdicts"}
"""Headings, by name, of tables that no experiment of the study defines."""


@dataclass(frozen=True)
class Shown:
    """Settings of a report; tables and figures are given by their path below `results/`, without a suffix.

    Attributes:
        study, title: name and title of the study.
        part: `report` for the whole report, `quick` for its first part.
        plan: number of trainings of the study and their estimated time; None for the first part.
        cohorts: name, title, notice, licence and citation of each cohort.
        claims: the claims page; None for the first part.
        viewer: the page with the pairs of the main table; None for the first part, and for a study without one.
        headline: the main `table` and `figure`; None where the study has none.
        tables, figures: all tables and figures except examples, with those of the headline.
        examples: for each example its `figure` and the shown `pair`: best, median or worst.
        runs: ids of all runs in the report.
        segmentors, prompts: pairs of a cohort and a segmentor or prompt set of the study; empty for the first part.
        left_out: names of tables and figures that are omitted because they would be empty.
    """

    study: str
    title: str
    part: str
    plan: str | None
    cohorts: list[dict[str, Any]]
    headline: dict[str, str | None]
    tables: list[str]
    figures: list[str]
    examples: list[dict[str, str]]
    runs: list[str]
    left_out: list[str]
    segmentors: list[list[str]]
    prompts: list[list[str]]
    claims: str | None = None
    viewer: str | None = None

    @property
    def viewer_page(self) -> str | None:
        """File of the viewer, which lies beside the report."""
        return f"{Path(self.viewer).name}.html" if self.viewer else None

    @property
    def notices(self) -> list[str]:
        """Notices about the data, without repetitions."""
        return list(dict.fromkeys(cohort["notice"] for cohort in self.cohorts if cohort["notice"]))


def load_shown(path: Path) -> Shown:
    """Read the resolved `config.yaml` of a report; InputError if it is not one."""
    return fill(Shown, read_yaml(path), path)


@dataclass(frozen=True)
class Link:
    """A file to download: `source` is its content as a data URI, `name` the name to save it under."""

    text: str
    name: str
    source: str


@dataclass(frozen=True)
class Table:
    """A table with its caption and notes as HTML."""

    name: str
    title: str
    html: Markup
    links: list[Link]


@dataclass(frozen=True)
class ShownFigure:
    """A figure as a data URI, with alternative text, full caption, and width and height in screen pixels."""

    name: str
    title: str
    source: str
    alternative: str
    caption: str
    links: list[Link]
    size: tuple[int, int]


def _data_uri(path: Path) -> str:
    """Content of a file as an address, so that a page keeps the file wherever the page is moved."""
    return f"data:{_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _screen_size(png: bytes) -> tuple[int, int]:
    """Width and height in screen pixels; figures are shown somewhat larger than in print."""
    width, height = struct.unpack(">II", png[16:24])
    return round(width * _SCREEN_SCALE), round(height * _SCREEN_SCALE)


def _pairs(viewer: str, row: Row) -> str | None:
    """Address of a row's pairs in the page `viewer`; None for a row that was not run."""
    return f"{viewer}#{urlencode({'run': row.run})}" if row.runs else None


class Files:
    """Reads tables and figures of a study below `results`, with their files to download."""

    def __init__(self, results: Path, study: str) -> None:
        self._results, self._study = results, study
        self._items: dict[str, Item] = {}

    def item(self, place: str) -> Item | None:
        """Specification of a table or figure; None for a table that no experiment of the study defines."""
        if not place.startswith(f"{self._study}/") or Path(place).name in _TITLES:
            return None
        if place not in self._items:
            self._items[place] = load_item(self._results / place / "config.yaml")
        return self._items[place]

    def table(self, place: str, viewer: str | None = None) -> Table:
        """A table with its files; InputError if it was not made. Its rows link to their pairs in the page `viewer`."""
        item, name = self.item(place), Path(place).name
        targets = [_pairs(viewer, row) for row in item.rows] if item and viewer else []
        fragment = to_fragment(read_readable(self._results / f"{place}.json"), targets)
        links = {"CSV": ".csv", "Markdown": ".md", "LaTeX": ".tex", "t-tests": "_tests.csv"}
        return Table(name, item.number if item else _TITLES[name], Markup(fragment), self._links(place, links))

    def picture(self, place: str) -> ShownFigure:
        """A figure with its caption; InputError if its PNG file is missing or invalid."""
        item = self.item(place)
        if item is None:
            raise InputError(f"{place}: not a figure of study '{self._study}'")
        caption = read_text(self._results / f"{place}.txt").strip().removeprefix(f"{item.number}.")
        links = self._links(place, {"PDF": ".pdf", "plotted values as CSV": ".csv"})
        return self._picture(place, item.name, item.number, f"{item.number}: {item.caption}", caption, links)

    def similarity(self, cohort: str, prompts: str) -> ShownFigure:
        """Similarities between the text vectors of a cohort's regions in a prompt set."""
        folder = Layout(Path()).prompts(cohort, prompts)
        title = f"Prompt set {prompts}, {cohort}"
        caption = "Cosine similarity between the vectors of the regions, background included."
        place = str(folder / "similarity")
        links = self._links(place, {"PDF": ".pdf"})
        return self._picture(place, f"prompts-{prompts}-{cohort}", title, f"{title}: {caption}", caption, links)

    def _picture(
        self, place: str, name: str, title: str, alternative: str, caption: str, links: list[Link]
    ) -> ShownFigure:
        path = self._results / f"{place}.png"
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected a figure made by the workflow")
        content = path.read_bytes()
        if not content.startswith(_PNG) or len(content) < 24:
            raise InputError(f"{path}: not a PNG image")
        return ShownFigure(name, title, _data_uri(path), alternative, caption, links, _screen_size(content))

    def _links(self, place: str, suffixes: dict[str, str]) -> list[Link]:
        """The existing files of a table or figure."""
        found = [(text, self._results / f"{place}{suffix}") for text, suffix in suffixes.items()]
        return [Link(text, path.name, _data_uri(path)) for text, path in found if path.is_file()]
