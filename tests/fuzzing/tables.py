"""CSV files: points, landmarks, and the metrics of a run."""

from pathlib import Path

from tests.fuzzing.target import Target, each_of
from textscf.data.landmark_file import LandmarkFile
from textscf.files.point_file import read_points
from textscf.metrics.aggregation import METRIC_COLUMNS
from textscf.results.items import read_csv


def _read_metrics(path: Path) -> None:
    read_csv(path, METRIC_COLUMNS, "metrics of a run")


TARGET = Target(
    "table.csv",
    each_of(read_points, lambda path: LandmarkFile(path, "LPS").read(), _read_metrics),
    (
        b"\0name,x,y,z\na,1,2.5,-3\nb,4,5e1,6\n",
        b'\0x,y,z\n1,2,3\n"4",5,6\n',
        b"\0run,fixed,moving,label,structure,dice,hd95,hd95_initial\n"
        b'r,1,2,1,spleen,0.5,3.25,4\nr,1,2,2,"left, kidney",,inf,\n',
    ),
)
