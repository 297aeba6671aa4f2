"""Cases with bad scans, for every stage that reads scans."""

from collections.abc import Iterable
from pathlib import Path

from tests.robustness import nifti
from tests.robustness.case import Case, at
from tests.robustness.nifti import Bad, field, put
from tests.robustness.workspace import COHORT, RUNS, SCANS, scan

_PREPROCESS = ("preprocess.py", "--config", f"{COHORT}/config.yaml", "--raw", SCANS, "--out", "new/cohort.json")
_REGISTER = (
    *("register.py", "--checkpoint", f"{RUNS}/textscf/checkpoint.pt", "--fixed", scan(14), "--moving", scan(15)),
    *("--fixed-labels", scan(14, "labels"), "--out", "new"),
)
_TRAIN = (
    *("train.py", "--config", f"{RUNS}/textscf/config.yaml", "--cohort", COHORT, "--out", "new"),
    *("--segmentation", f"{COHORT}/segmentations/ground_truth/segmentation.json"),
    *("--embedding", f"{COHORT}/prompts/one_hot/embedding.npz"),
)
_EVALUATE = ("evaluate.py", "--config", f"{RUNS}/initial/config.yaml", "--cohort", COHORT, "--out", "new")


def cases() -> Iterable[Case]:
    """Cases of stored scans, scans given to `register.py`, and prepared scans."""
    stream, header = nifti.stream_faults(), nifti.header_faults()
    rejected = ("new/rejected.csv",)
    kind = "Stored image"
    yield from _cases(kind, _PREPROCESS, scan(4), [*stream, *header, *nifti.image_faults()], rejected)
    yield from _cases("Stored label map", _PREPROCESS, scan(4, "labels"), [*stream[::4], *header[::5]], rejected)
    yield from _cases("Stored label map", _PREPROCESS, scan(4, "labels"), nifti.label_faults(), rejected)
    yield from _pair_cases(rejected)
    yield from _cases(
        "Image to register", _REGISTER, scan(15), [*stream[1::4], *header[1::5], *nifti.image_faults()[:1]]
    )
    yield from _cases("Labels of the image to register", _REGISTER, scan(14, "labels"), nifti.label_faults()[1::3])
    prepared = f"{COHORT}/images/hippocampus_004.nii.gz", f"{COHORT}/labels/hippocampus_014.nii.gz"
    read = [
        fault for fault in header if not fault.name.startswith("affine with voxels") and "oblique" not in fault.name
    ]
    yield from _cases("Prepared image", _TRAIN, prepared[0], [*stream[2::4], *read[2::6]])
    yield from _cases("Prepared label map", _EVALUATE, prepared[1], [*stream[3::4], *read[3::6]])


def _cases(
    kind: str, command: tuple[str, ...], file: str, faults: Iterable[Bad], allowed: tuple[str, ...] = ()
) -> Iterable[Case]:
    for fault in faults:
        yield Case(
            kind,
            fault.name,
            command,
            at(file, fault.damage),
            file,
            fault.reason,
            allowed,
        )


def _pair_cases(allowed: tuple[str, ...]) -> Iterable[Case]:
    def swap_labels(place: Path) -> None:
        put(place / scan(4, "labels"), (place / scan(75, "labels")).read_bytes())

    def move_labels(place: Path) -> None:
        path = place / scan(4, "labels")
        field(252, "<2h", 0, 2)(path)
        field(280, "<12f", 1, 0, 0, 50, 0, 1, 0, 0, 0, 0, 1, 0)(path)

    def crop_labels(place: Path) -> None:
        path = place / scan(4, "labels")
        nifti.voxels(lambda volume: volume[1:])(path)

    kind = "Image and label map"
    yield Case(kind, "label map of another scan", _PREPROCESS, swap_labels, scan(4, "labels"), "expected", allowed)
    yield Case(kind, "label map 50 mm away", _PREPROCESS, move_labels, scan(4, "labels"), "corner", allowed)
    yield Case(kind, "label map a slice smaller", _PREPROCESS, crop_labels, scan(4, "labels"), "shape", allowed)
