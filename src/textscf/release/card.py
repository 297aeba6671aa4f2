"""Model card: usage, uses to avoid, data and licence, accuracy, training, file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from textscf.data.cohort import Cohort
from textscf.files.io import read_json, read_yaml, sha256_of
from textscf.metrics.aggregation import METRIC_COLUMNS, structure_means
from textscf.metrics.measures import METRICS
from textscf.release.model import Release
from textscf.results.captions import convention_sentence
from textscf.results.items import read_csv
from textscf.segmentation.segmentor_accuracy import never_found
from textscf.tables.display import Cell, Column, Display
from textscf.tables.formats import to_markdown


def model_card(
    settings: Mapping[str, Any],
    run: Path,
    initial: Path,
    cohort: Cohort,
    segmentor: Path | None,
    model: Path,
    release: Release,
) -> str:
    """Text of the card in Markdown.

    Args:
        settings: settings of the model, see `textscf.workflow.model_settings`.
        run: folder of the model's run.
        initial: folder of the run without registration.
        cohort: cohort of the run.
        segmentor: folder of the model's segmentor; None for a model without one.
        model: file of the model.
        release: result of `write_model`.
    """
    parts = [
        f"# {settings['title']}",
        settings["purpose"].strip(),
        _usage(model),
        "## Not for",
        "\n".join(f"- {text}" for text in settings["unfit"]),
        "## Data",
        _data(settings, cohort),
        "## Accuracy",
        _accuracy(settings, cohort, initial, release),
        _field(cohort, release),
        *([_regions(segmentor)] if segmentor else []),
        "## How it was made",
        _making(settings, run, cohort),
        "## File",
        _file(model, release),
    ]
    return "\n\n".join(parts) + "\n"


def _usage(model: Path) -> str:
    command = f".venv/bin/python src/register.py --model {model.stem} --fixed FIXED --moving MOVING --out FOLDER"
    return f"```sh\n{command}\n```"


def _data(settings: Mapping[str, Any], cohort: Cohort) -> str:
    splits = ", ".join(f"{len(subjects)} {name}" for name, subjects in cohort.splits.items())
    grid = f"{'x'.join(map(str, cohort.shape))} voxels of {_millimetres(cohort)}"
    lines = [
        f"- {settings['data']}.",
        f"- Licence, of the weights too: {' '.join(settings['licence'].split()).removesuffix('.')}.",
        *([f"- **{settings['notice']}**"] if settings["notice"] else []),
        f"- Subjects: {splits}. Grid: {grid}.",
        f"- {' '.join(settings['citation'].split())}",
    ]
    return "\n".join(lines)


def _millimetres(cohort: Cohort) -> str:
    return " x ".join(f"{edge:g}" for edge in cohort.spacing) + " mm"


def _accuracy(settings: Mapping[str, Any], cohort: Cohort, initial: Path, release: Release) -> str:
    unregistered = read_csv(initial / "metrics.csv", METRIC_COLUMNS, "metrics of a run")
    before, after = (structure_means(frame, settings["convention"]) for frame in (unregistered, release.metrics))
    names = [Cell(name) for name in after["structure"]] + [Cell("mean")]
    columns = [Column("Structure", "", names)]
    for metric, digits in ((METRICS["dice"], 1), (METRICS["hd95"], 2)):
        for frame, when in ((before, "before"), (after, "after")):
            values = [*(metric.scale * frame[metric.name]), metric.scale * frame[metric.name].mean()]
            columns.append(Column(metric.heading, when, [Cell(f"{value:.{digits}f}") for value in values]))
    pairs = f"{len(release.pairs)} pairs of {len(cohort.splits['test'])} test subjects"
    caption = f"Means over {pairs}, before and after registration. {convention_sentence(settings['convention'])}"
    return to_markdown(Display("Accuracy", "accuracy", caption, columns, []))


def _field(cohort: Cohort, release: Release) -> str:
    roughness = release.pairs["sdlogj"].mean()
    folded = 100 * release.pairs["nonpositive_jacobian_fraction"].mean()
    median, most, largest = release.identity
    return (
        f"SDlogJ {roughness:.3f}; {folded:.2g} % of voxels with a Jacobian determinant of 0 or less. A test scan "
        f"that is registered to itself is displaced by {median:.2f} mm in the median, {most:.2f} mm in 99 % "
        f"of the voxels and {largest:.2f} mm at most; 0 would be right."
    )


def _regions(segmentor: Path) -> str:
    splits = pd.read_csv(segmentor / "accuracy_by_split.csv").set_index("split")["dice"]
    lost = never_found(pd.read_csv(segmentor / "accuracy.csv").query("split == 'test'"))
    without = f" It finds no voxel of {', '.join(lost)} in any of them." if lost else ""
    return f"The segmentor in it has {100 * splits['test']:.1f} % Dice on the test scans.{without}"


def _making(settings: Mapping[str, Any], run: Path, cohort: Cohort) -> str:
    resolved, timing = read_yaml(run / "config.yaml"), read_json(run / "timing.json")
    origin = read_json(run / "environment.json")
    network = resolved["network"]
    ends = "converged" if timing["converged"] else "has not converged"
    return "\n".join(
        [
            f"- `snakemake --cores all --configfile config/{settings['study']}.yaml -- models`",
            f"- Run `{settings['run']}` of the study `{settings['study']}`: {network['backbone']['name']}, "
            f"{timing['steps']} steps, learning rate {resolved['training']['learning_rate']:g}; {ends}.",
            f"- Revision {origin['git_revision']}, on {origin['device']}, PyTorch {origin['packages']['torch']}.",
        ]
    )


def _file(model: Path, release: Release) -> str:
    size = model.stat().st_size / 2**20
    return "\n".join(
        [
            f"- `{model.name}`: {size:.1f} MiB, SHA-256 `{sha256_of(model)}`.",
            f"- Weights in {release.precision} precision, computed in single precision: mean test Dice differs by "
            f"{release.difference:+.3f} points from the run's.",
            "- Tensors and plain values only; nothing in it is executed when it is loaded.",
        ]
    )
