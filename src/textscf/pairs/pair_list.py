"""Registration of many pairs from a CSV file, with a table and a page of all of them."""

import logging
from dataclasses import fields
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from textscf.data.alignment import INITIALS
from textscf.errors import InputError
from textscf.files.csv_file import read_rows
from textscf.files.io import atomic_path, is_current, read_json, write_csv
from textscf.job.progress import progress_bar
from textscf.pairs.registration_files import RECORD, Options, PairFiles, register_files
from textscf.registration.scan_pair import ScanRegistrar

_LOG = logging.getLogger(__name__)
_NEEDED = ("fixed", "moving")
_COLUMNS = [field.name for field in fields(PairFiles)]


def register_list(registrar: ScanRegistrar, listed: Path, out: Path, options: Options) -> pd.DataFrame:
    """Register every pair of a CSV into `out`/NAME; write `pairs.csv` and `index.html` with all of them.

    The CSV has the columns `fixed` and `moving`, and may have `name` and the other columns of `PairFiles`; paths are
    relative to the CSV. A pair is kept if it was registered with the same files, model, segmentor and options, and none
    of these files is newer, so that a stopped call goes on where it was.

    Returns:
        One row for each pair: name, Dice and target registration error where labels or landmarks are given, folding.

    Raises:
        InputError: the list or a file cannot be used. All files are looked for before the first pair is registered.
    """
    pairs = _read_list(listed)
    records = {}
    with progress_bar(len(pairs), "registering") as bar:
        for name, files in pairs.items():
            records[name] = _known(out / name / RECORD, registrar, files, options) or register_files(
                registrar, files, out / name, options
            )
            bar.update(1)
    table = pd.DataFrame([_row(name, record) for name, record in records.items()])
    write_csv(out / "pairs.csv", table)
    _write_page(out, registrar, table, records)
    return table


def _read_list(listed: Path) -> dict[str, PairFiles]:
    pairs: dict[str, PairFiles] = {}
    missing = []
    for number, given in enumerate(read_rows(listed, ("name", *_COLUMNS), _NEEDED, "pairs with fixed and moving"), 1):
        empty = [column for column in _NEEDED if column not in given]
        if empty:
            raise InputError(f"{listed}: row {number}: '{empty[0]}' is empty; expected the path of a scan")
        name = given.pop("name", f"pair_{number:03d}")
        if name in pairs or "/" in name or name.startswith("."):
            raise InputError(f"{listed}: name '{name}' in row {number}; expected names that differ, without slashes")
        paths = {key: listed.parent / value for key, value in given.items()}
        missing += [str(path) for path in paths.values() if not path.exists()]
        pairs[name] = PairFiles(**paths)
    if missing:
        raise InputError(f"{listed}: {len(missing)} files are missing, the first is {missing[0]}")
    return pairs


def _known(path: Path, registrar: ScanRegistrar, files: PairFiles, options: Options) -> dict[str, Any] | None:
    """The record of a pair that is registered already and whose files did not change since; else None."""
    sources = [registrar.checkpoint, registrar.given_segmentor, *vars(files).values()]
    if options.initial not in INITIALS:
        sources.append(Path(options.initial))
    if not is_current(path, filter(None, sources)):
        return None
    record: dict[str, Any] = read_json(path)
    used = {"model": registrar.checkpoint, "segmentor": registrar.given_segmentor, **vars(files)}
    same = all(record.get(key) == (None if value is None else str(value)) for key, value in used.items())
    return record if same and record.get("options") == vars(options) else None


def _row(name: str, record: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name, "alignment": record["alignment"], "overlap": record["overlap"]["aligned"]}
    for metric, column in (("dice", "dice"), ("tre", "tre_mm")):
        if metric in record:
            row[f"{column}_before"] = record[f"{metric}_before"]["mean"]
            row[column] = record[metric]["mean"]
    row["folded"] = record["folded"]
    row["seconds"] = sum(record["seconds"].values())
    return row


def _write_page(out: Path, registrar: ScanRegistrar, table: pd.DataFrame, records: dict[str, Any]) -> None:
    linked = table.round(3).assign(name=[f'<a href="#{name}">{name}</a>' for name in table["name"]])
    pairs = [{"name": name, "remarks": record["remarks"]} for name, record in records.items()]
    environment = jinja2.Environment(loader=jinja2.PackageLoader("textscf.pairs", "template"), autoescape=True)
    page = environment.get_template("pairs.html").render(
        title=f"{len(records)} registered pairs",
        model=registrar.checkpoint.name,
        notice=registrar.trained.cohort["notice"],
        table=Markup(linked.to_html(index=False, escape=False, border=0)),
        pairs=pairs,
    )
    with atomic_path(out / "index.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
