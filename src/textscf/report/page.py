"""HTML page of a report, rendered from a template."""

from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from markupsafe import Markup

from textscf.job.provenance import git_revision
from textscf.report import origin as provenance
from textscf.report.curves import CurvePanel, dice_limits, draw_panel
from textscf.report.omissions import omissions
from textscf.report.rendering import render
from textscf.report.segmentor_table import segmentor_table
from textscf.report.shown import Files, Shown
from textscf.report.summary import Summary, in_words, summary
from textscf.report.trainings import Training, load_trainings, trainings_table
from textscf.results.items import Results
from textscf.tables.display import Display
from textscf.tables.formats import to_fragment


def report(shown: Shown, results: Path, made: date) -> tuple[str, str]:
    """The page as HTML, which refers to no other file, and its main result as plain text.

    Args:
        shown: contents of the report.
        results: folder of all results.
        made: date printed on the page.

    Raises:
        InputError: a file of a table, figure or run is missing or cannot be used.
    """
    files = Files(results, shown.study)
    examples = [example["figure"] for example in shown.examples]
    items = [item for place in (*shown.tables, *shown.figures, *examples) if (item := files.item(place))]
    groups = load_trainings(items, Results(results, shown.study))
    trainings = [training for group in groups.values() for training in group]
    main = _summary(shown, files, results)
    content = {
        "shown": shown,
        "summary": main,
        "made": made,
        "revision": git_revision() or "unknown",
        "warnings": provenance.warnings(trainings),
        **_shown_items(shown, files),
        "segmentors": _fragment(segmentor_table(shown.segmentors, results)),
        "prompts": [files.similarity(cohort, prompts) for cohort, prompts in shown.prompts],
        "omissions": _fragment(omissions(items)),
        **_training(groups, trainings),
        **_origin(shown, trainings, results),
    }
    return render("page.html", content), in_words(shown.title, main) if main else ""


def _summary(shown: Shown, files: Files, results: Path) -> Summary | None:
    table = shown.headline["table"]
    item = files.item(table) if table else None
    return summary(item, results / f"{table}_tests.csv", Results(results, shown.study)) if item else None


def _fragment(table: Display | None) -> Markup | None:
    return Markup(to_fragment(table)) if table else None


def _shown_items(shown: Shown, files: Files) -> dict[str, Any]:
    """Template values of the headline and of all other tables, figures and examples."""
    table, figure = shown.headline["table"], shown.headline["figure"]
    beside = [place for place in shown.figures if (drawn := files.item(place)) and drawn.kind == "forest"]

    def others(places: Iterable[str]) -> list[str]:
        return [place for place in places if place not in (table, figure, *beside)]

    pairs = {example["figure"]: example["pair"] for example in shown.examples}
    order = sorted(others(pairs), key=lambda place: ("best", "median", "worst").index(pairs[place]))
    return {
        "main_table": files.table(table, shown.viewer_page) if table else None,
        "claims": files.table(shown.claims) if shown.claims else None,
        "beside": [files.picture(place) for place in beside],
        "main_figure": files.picture(figure) if figure else None,
        "tables": [files.table(place) for place in others(shown.tables)],
        "figures": [files.picture(place) for place in others(shown.figures)],
        "examples": [(pairs[place], files.picture(place)) for place in order],
    }


def _training(groups: dict[str, list[Training]], trainings: list[Training]) -> dict[str, Any]:
    limits = dice_limits(trainings) if trainings else (0.0, 1.0)
    panels: dict[str, list[CurvePanel]] = {
        heading: [draw_panel(training, limits) for training in group] for heading, group in groups.items()
    }
    table = _fragment(trainings_table(trainings)) if trainings else None
    return {"panels": panels, "dice_limits": limits, "trainings": table}


def _origin(shown: Shown, trainings: list[Training], results: Path) -> dict[str, Any]:
    common, own = provenance.common_settings(trainings)
    return {
        "origin": _fragment(provenance.origin(trainings)) if trainings else None,
        "stages": _fragment(provenance.stage_times(shown, results)),
        "energy": provenance.energy_sentence(trainings),
        "common": common,
        "own": own,
        "cohort_settings": {
            cohort["name"]: provenance.cohort_settings(cohort["name"], results) for cohort in shown.cohorts
        },
    }
