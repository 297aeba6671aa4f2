"""Made-up runs with known means for the tests of claims: files as the workflow leaves them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.result_files import TIMING
from textscf.claims.evidence import Evidence, Page
from textscf.files.io import write_csv, write_json, write_yaml
from textscf.results.items import Item, Results, Row

STRUCTURES = ("liver", "spleen", "gall bladder")
PAIRS = [(f"s{fixed}", f"s{moving}") for fixed in range(6) for moving in range(6) if fixed != moving]


class Toy:
    """A study below `folder` to which runs are added one by one."""

    def __init__(self, folder: Path, paper_cohort: bool = False) -> None:
        self.folder = folder
        page = Page("toy", "Toy", ["Toys"], [], paper_cohort, "paper", [], {}, {}, {}, {})
        self.page: Page = page
        self._count = 0

    def run(
        self,
        name: str,
        dice: float | Mapping[str, float],
        noise: float = 0.01,
        seeds: int = 1,
        segmentor: str | None = None,
        parameters: int | None = None,
        **of_field: float,
    ) -> Row:
        """A run whose mean Dice per structure is `dice`, exactly, with deviations of pairs of size `noise`."""
        by_structure = dice if isinstance(dice, Mapping) else dict.fromkeys(STRUCTURES, dice)
        ids = [f"{name}_seed{seed}" for seed in range(seeds)] if seeds > 1 else [name]
        for run in ids:
            self._count += 1
            self._write(run, by_structure, noise, {"sdlogj": 0.3, "nonpositive_jacobian_fraction": 0.01} | of_field)
            if parameters:
                counts = {"parameters": parameters, "multi_adds": parameters, "attention_multi_adds": 0}
                content = {"training": counts, "inference": counts, "shape": [8, 8, 8], "segmentor_parameters": 0}
                write_json(self.folder / f"toy/runs/{run}/complexity.json", content)
        row = Row(name, name.upper(), ids, segmentor)
        self.page.rows[name] = row
        return row

    def left_out(self, name: str) -> None:
        """A run that the study defines and does not run."""
        self.page.rows[name] = Row(name, name.upper(), [], not_run="too long")

    def sweep(self, name: str, setting: str, dice: Mapping[Any, float], **more: Any) -> Row:
        """A sweep over one setting with the mean Dice of each value."""
        points = []
        for value, each in dice.items():
            point = self.run(f"{name}-{value}", each, **{k: v[value] for k, v in more.items()})
            points.append(Row(point.run, name.upper(), point.runs, swept={setting: value}))
        row = Row(name, name.upper(), [run for point in points for run in point.runs], points=points)
        self.page.rows[name] = row
        return row

    def figure(self, name: str, rows: list[Row]) -> None:
        self.page.figures[name] = Item(name, "toy", "Toy", ["Toys"], [], self.page.paper_cohort, "Caption.", rows)

    def evidence(self) -> Evidence:
        return Evidence(self.page, Results(self.folder, "toy"))

    def _write(self, run: str, dice: Mapping[str, float], noise: float, of_field: Mapping[str, float]) -> None:
        generator = np.random.default_rng(self._count)
        target = self.folder / "toy/runs" / run
        write_yaml(target / "config.yaml", {"run": run, "method": "learned", "cohort": "toys"})
        frame = pd.DataFrame(PAIRS, columns=["fixed", "moving"]).assign(run=run)
        lines = []
        for label, (structure, mean) in enumerate(dice.items(), start=1):
            deviations = generator.normal(0, noise, len(PAIRS))
            values = mean + deviations - deviations.mean()
            lines.append(frame.assign(label=label, structure=structure, dice=values, hd95=40 * (1 - values)))
        write_json(target / "timing.json", {**TIMING, "best_validation_dice": 0.5})
        write_csv(target / "metrics.csv", pd.concat(lines).assign(hd95_initial=np.nan))
        spread = generator.normal(1, 0.02, (len(PAIRS), len(of_field)))
        spread += 1 - spread.mean(0)
        own = {name: value * spread[:, n] for n, (name, value) in enumerate(of_field.items())}
        write_csv(target / "pairs.csv", frame.assign(dice=0.5, hd95=1.0, seconds=1.0, **own))
