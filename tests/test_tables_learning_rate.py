"""Tables of learning rates: validation Dice of every method and rate, the best rate of each in bold."""

from pathlib import Path
from typing import Any

import pytest

from tests.result_files import TIMING, table_spec
from tests.test_config import study_with
from textscf.errors import InputError
from textscf.files.io import write_json, write_yaml
from textscf.results.items import Item, Results, load_item
from textscf.study import load_study
from textscf.tables.content import Content
from textscf.tables.formats import to_markdown
from textscf.tables.table_kinds import make
from textscf.workflow import StudyFiles

DICE = {"lku_net": {3e-4: 0.4, 1e-3: 0.45, 3e-3: 0.2}, "textscf": {3e-4: 0.6, 1e-3: 0.55, 3e-3: 0.6}}


def sweep(name: str, label: str, setting: str = "training.learning_rate") -> dict[str, Any]:
    points = [
        {"run": f"{name}-{rate}", "label": label, "runs": [f"{name}-{rate}"], "swept": {setting: rate}}
        for rate in DICE[name]
    ]
    return {"run": name, "label": label, "runs": [point["run"] for point in points], "points": points}


def load(folder: Path, **changes: Any) -> Item:
    rows = [sweep("lku_net", "LKU-Net"), sweep("textscf", "textSCF")]
    spec = table_spec(name="learning_rate", kind="learning_rate", rows=rows, reference=None) | changes
    write_yaml(folder / "item.yaml", {key: spec[key] for key in spec if key not in ("convention", "reported")})
    return load_item(folder / "item.yaml")


@pytest.fixture
def content(tmp_path: Path) -> Content:
    for name, by_rate in DICE.items():
        for rate, dice in by_rate.items():
            run = tmp_path / f"toy/runs/{name}-{rate}"
            restarts = [{"step": 9, "back_to": 3, "sign": "x"}] if dice == 0.2 else []
            write_json(run / "timing.json", {**TIMING, "best_validation_dice": dice, "restarts": restarts})
            write_yaml(run / "config.yaml", {"method": "learned", "training": {"epochs": 2, "steps_per_epoch": 50}})
    return make(load(tmp_path), Results(tmp_path, "toy"), Path("unused"))


def test_the_best_rate_is_chosen_and_of_equal_ones_the_lower(content: Content) -> None:
    chosen = content.frame[content.frame["chosen"]]
    assert dict(zip(chosen["run"], chosen["learning_rate"], strict=True)) == {
        "lku_net-0.001": 1e-3,
        "textscf-0.0003": 3e-4,
    }
    assert content.frame["best_validation_dice"].tolist() == pytest.approx([40, 45, 20, 60, 55, 60])
    assert content.tests is None


def test_readers_see_every_rate_the_best_in_bold_and_which_diverged(content: Content) -> None:
    text = to_markdown(content.readable)
    assert "| LKU-Net | 40.00 | **45.00** | 20.00" in text
    assert "| textSCF | **60.00** | 55.00 | 60.00 |" in text
    assert [column.subheading for column in content.readable.columns] == ["", "0.0003", "0.001", "0.003"]
    assert "Training: 2 epochs of 50 steps." in text
    assert any("diverged" in note for note in content.readable.notes)


def test_another_sweep_is_refused(tmp_path: Path) -> None:
    rows = [sweep("lku_net", "LKU-Net", "loss.smoothness")]
    with pytest.raises(InputError, match=r"'lku_net' is no sweep over training\.learning_rate alone"):
        make(load(tmp_path, rows=rows), Results(tmp_path, "toy"), Path("unused"))


def test_the_table_waits_for_trainings_alone(root: Path) -> None:
    short = {"*_rate": {"training": {"epochs": 4}}}
    experiments = ["table3", "learning_rate"]
    study = load_study(study_with(experiments=experiments, runs=short, not_run={}), root / "config")
    timings = StudyFiles(study).timings("learning_rate")
    assert len(timings) == len(set(timings)) == 9 * 3
    assert {Path(path).name for path in timings} == {"timing.json"}
    rates = {study.runs[Path(path).parent.name]["training"]["learning_rate"] for path in timings}
    assert rates == {3e-4, 1e-3, 3e-3}
    assert all(study.runs[Path(path).parent.name]["seed"] == 1 for path in timings)
