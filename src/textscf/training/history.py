"""History of a training: one row per epoch, as CSV and for TensorBoard."""

from pathlib import Path

import pandas as pd

from textscf.files.io import write_csv


class History:
    """Rows with the means of each epoch; adding a row updates both outputs."""

    def __init__(self, folder: Path) -> None:
        self.rows: list[dict[str, float]] = []
        self._folder = folder

    def add(self, row: dict[str, float]) -> None:
        """Append `row` (with `epoch` and `step`), rewrite `history.csv`, and log to `tensorboard/`."""
        from torch.utils.tensorboard import SummaryWriter

        self.rows.append(row)
        self.write_csv()
        with SummaryWriter(self._folder / "tensorboard", purge_step=int(row["step"])) as writer:
            for key, value in row.items():
                writer.add_scalar(key, value, int(row["step"]))

    def write_csv(self) -> None:
        """Write all rows to `history.csv`."""
        write_csv(self._folder / "history.csv", pd.DataFrame(self.rows))
