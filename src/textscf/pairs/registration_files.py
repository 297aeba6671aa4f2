"""Registration of one pair of files into a folder."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import textscf
from textscf.errors import InputError
from textscf.files.image_file import ImageFile, read_image_file, read_label_file
from textscf.files.io import write_json
from textscf.files.itk import write_like
from textscf.files.point_file import read_points
from textscf.metrics.overlap import confusion_counts, dice_scores
from textscf.pairs.outputs import warp_labels, write_pair
from textscf.plotting.pair_picture import Plane, draw_pair
from textscf.plotting.slices import AXIAL, CORONAL, DISPLAY_AXES, SAGITTAL, View
from textscf.plotting.style import journal_style, save_picture
from textscf.registration.scan_pair import PairRegistration, ScanRegistrar, check_place
from textscf.registration.world_transform import WorldTransform
from textscf.world.grid import Grid, Points, apply_affine, oriented, sample, without_constant_border

_LOG = logging.getLogger(__name__)

RECORD = "registration.json"
"""File that is written last; a folder that has it is complete."""

_WARPED_LABELS = "warped_labels.nii.gz"
_LARGEST_PICTURE = 192  # voxels along the longest edge


@dataclass(frozen=True)
class PairFiles:
    """Paths of the files of one pair.

    Attributes:
        fixed, moving: scans.
        fixed_labels, moving_labels: their label maps.
        fixed_points, moving_points: their landmarks, rows in the same order, RAS axes in mm; see `read_points`.
    """

    fixed: Path
    moving: Path
    fixed_labels: Path | None = None
    moving_labels: Path | None = None
    fixed_points: Path | None = None
    moving_points: Path | None = None


@dataclass(frozen=True)
class Options:
    """Options of a registration.

    Attributes:
        initial: alignment before the network, see `textscf.data.alignment.align`.
        refine: steps of refinement after the network.
        fill: value for voxels that are NaN or infinite; None refuses them.
        score_only: use the fixed scan's label map for Dice only, not as the regions of a text-driven head.
    """

    initial: str = "auto"
    refine: int = 0
    fill: float | None = None
    score_only: bool = False


def register_files(registrar: ScanRegistrar, files: PairFiles, out: Path, options: Options) -> dict[str, Any]:
    """Register a pair of files, and write everything into `out` (see `textscf.pairs.outputs.write_pair`).

    Beside the transformation there are `warped_labels.nii.gz` if the moving scan's labels are given,
    `registration.png`, and `registration.json`, which is the returned record.

    Raises:
        InputError: a file cannot be used.

    Examples:
        Two scans with an ellipsoid each, whose halves are the two structures of the model's anatomy:

        >>> import tempfile
        >>> import nibabel, torch
        >>> folder = Path(tempfile.mkdtemp())
        >>> places = np.moveaxis(np.indices((32, 48, 32)), 0, -1) - (16, 24, 16)
        >>> for name, radii in (("fixed", (9, 20, 8)), ("moving", (11, 17, 10))):
        ...     inside = ((places / radii) ** 2).sum(-1) < 1
        ...     labels = np.where(inside, 1 + (places[..., 1] < 0), 0).astype(np.uint8)
        ...     image = 100 + 50 * inside.astype(np.float32)
        ...     nibabel.save(nibabel.Nifti1Image(image, np.eye(4)), folder / f"{name}.nii.gz")
        ...     nibabel.save(nibabel.Nifti1Image(labels, np.eye(4)), folder / f"{name}_labels.nii.gz")
        >>> names = ("fixed", "moving", "fixed_labels", "moving_labels")
        >>> files = PairFiles(**{name: folder / f"{name}.nii.gz" for name in names})
        >>> registrar = ScanRegistrar(Path("models/hippocampus.pt"), torch.device("cpu"))
        >>> record = register_files(registrar, files, folder / "out", Options(initial="none"))
        >>> round(record["dice_before"]["mean"], 2)
        0.81
        >>> sorted(path.name for path in (folder / "out").iterdir())[:4]
        ['inverse_warp.nii.gz', 'jacobian.nii.gz', 'registration.json', 'registration.png']
    """
    fixed, moving = (read_image_file(path, options.fill) for path in (files.fixed, files.moving))
    labels = {name: _labels(getattr(files, f"{name}_labels")) for name in ("fixed", "moving")}
    points = [_points(files.fixed_points), _points(files.moving_points)]
    _check_points(files, points)
    _check_inside(files.fixed_points, points[0], fixed)
    _check_inside(files.moving_points, points[1], moving)
    remarks = [*_remarks(labels["fixed"], fixed), *_remarks(labels["moving"], moving)]
    regions = None if options.score_only else labels["fixed"]
    pair = registrar.register(fixed, moving, options.initial, regions, options.refine)
    remarks += pair.remarks
    for remark in remarks:
        _LOG.warning("%s", remark)
    for name in (RECORD, _WARPED_LABELS):
        (out / name).unlink(missing_ok=True)
    written = write_pair(pair, fixed, moving, out)
    scores = _scores(pair.transform, fixed, labels, points, out)
    _write_picture(pair, fixed, moving, out / "registration.png")
    record = {
        **_model(registrar),
        "regions": _regions(registrar, regions),
        "segmentor": None if registrar.given_segmentor is None else str(registrar.given_segmentor),
        **{key: str(value) for key, value in asdict(files).items() if value},
        "options": asdict(options),
        "alignment": pair.alignment,
        "overlap": dict(zip(("by_the_headers", "aligned"), pair.overlap, strict=True)),
        "inside_the_models_view": pair.inside,
        **asdict(written),
        **scores,
        "seconds": pair.seconds,
        "remarks": remarks,
        "version": textscf.__version__,
    }
    write_json(out / RECORD, record)
    return record


def _labels(path: Path | None) -> ImageFile | None:
    return None if path is None else read_label_file(path)


def _remarks(labels: ImageFile | None, scan: ImageFile) -> list[str]:
    """Remarks on the label map of a scan. Raises InputError if it is a map of another place."""
    if labels is None:
        return []
    data, affine = without_constant_border(scan.data, scan.affine)
    check_place(labels, Grid(data.shape, affine), scan)
    return [f"{labels.path}: {remark}" for remark in labels.remarks]


def _points(path: Path | None) -> NDArray[np.float64] | None:
    return None if path is None else read_points(path)[["x", "y", "z"]].to_numpy(float)


def _check_points(files: PairFiles, points: list[NDArray[np.float64] | None]) -> None:
    counts = [None if part is None else len(part) for part in points]
    if counts[0] != counts[1]:
        found = f"{counts[0] or 'no'} points, and {files.moving_points} {counts[1] or 'no'}"
        raise InputError(f"{files.fixed_points}: has {found}; expected the same landmarks in the same order")


def _check_inside(path: Path | None, points: NDArray[np.float64] | None, scan: ImageFile) -> None:
    if points is None:
        return
    outside = points[~Grid(scan.data.shape, scan.affine).contains(points)]
    if len(outside):
        first = ", ".join(f"{value:g}" for value in outside[0])
        found = f"{len(outside)} of {len(points)} points, the first at ({first}), lie outside of {scan.path}"
        raise InputError(f"{path}: {found}; expected landmarks of this scan, in mm of RAS axes")


def _model(registrar: ScanRegistrar) -> dict[str, Any]:
    trained = registrar.trained
    known = {key: trained.cohort.get(key) for key in ("title", "notice", "licence")}
    return {"model": str(registrar.checkpoint), "run": trained.run["run"], "cohort": trained.cohort["name"], **known}


def _regions(registrar: ScanRegistrar, labels: ImageFile | None) -> str:
    if not registrar.trained.network.uses_regions:
        return "not used by this network"
    return "the model's segmentor" if labels is None else "the label map that was given"


def _scores(
    transform: WorldTransform,
    fixed: ImageFile,
    labels: Mapping[str, ImageFile | None],
    points: list[NDArray[np.float64] | None],
    out: Path,
) -> dict[str, Any]:
    """Dice and target registration error before and after, where labels and landmarks are given."""
    found: dict[str, Any] = {}
    target, moving = labels["fixed"], labels["moving"]
    if moving is not None:
        warped = warp_labels(transform, moving, fixed)
        write_like(out / _WARPED_LABELS, warped, fixed)
        if target is not None:
            onto = Grid(fixed.data.shape, fixed.affine)
            truth = sample(target.data, target.affine, onto, order=0)
            before = sample(moving.data, moving.affine, onto, order=0)
            found |= {"dice_before": dice_of(truth, before), "dice": dice_of(truth, warped)}
    if points[0] is not None and points[1] is not None:
        found["tre_before"] = _distances(points[0], points[1])
        found["tre"] = _distances(transform(points[0]), points[1])
    return found


def dice_of(fixed: NDArray[np.integer], warped: NDArray[np.integer]) -> dict[str, float]:
    """Dice of every label that either map (H, W, D) has, by the label's number, and the `mean` over labels."""
    values = np.union1d(np.unique(fixed), np.unique(warped))
    first, second = (np.searchsorted(values, volume) for volume in (fixed, warped))
    scores = dice_scores(confusion_counts(first, second, len(values)))
    named = {str(value): float(score) for value, score in zip(values, scores, strict=True) if value}
    return {**named, "mean": float(np.mean(list(named.values()))) if named else float("nan")}


def _distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> dict[str, float]:
    distances = np.linalg.norm(first - second, axis=1)
    return {"mean": float(distances.mean()), "largest": float(distances.max())}


def _write_picture(pair: PairRegistration, fixed: ImageFile, moving: ImageFile, path: Path) -> None:
    """Draw the pair on cubic voxels along `DISPLAY_AXES` that cover the fixed scan's content."""
    data, affine = without_constant_border(*oriented(fixed.data, fixed.affine, DISPLAY_AXES))
    onto = _display_grid(Grid(data.shape, affine))
    planes = [_plane(view, onto, pair.transform, fixed, moving) for view in (AXIAL, CORONAL, SAGITTAL)]
    with journal_style():
        figure = draw_pair(planes, float(onto.spacing[0]), f"{moving.path.name} on {fixed.path.name}")
        save_picture(figure, path)


def _plane(view: View, onto: Grid, transform: WorldTransform, fixed: ImageFile, moving: ImageFile) -> Plane:
    """The middle slices of the grid `onto` in one view."""
    first, shape = np.zeros(3), list(onto.shape)
    first[view.axis], shape[view.axis] = shape[view.axis] // 2, 1
    affine = onto.affine.copy()
    affine[:3, 3] = apply_affine(onto.affine, first)
    thin, initial = Grid(tuple(shape), affine), transform.initial

    def cut(scan: ImageFile, move: Callable[[Points], Points] | None) -> NDArray[np.float32]:
        return view.cut(sample(scan.data, scan.affine, thin, move, 1, float(scan.data.min())), 0)

    position = apply_affine(np.linalg.inv(initial @ onto.affine), transform(thin.points()))
    return Plane(
        view,
        cut(fixed, None),
        cut(moving, lambda points: apply_affine(initial, points)),
        cut(moving, transform),
        np.stack([view.cut(position[..., axis], 0) for axis in view.in_plane]),
    )


def _display_grid(content: Grid) -> Grid:
    corners = apply_affine(content.affine, np.array([*np.ndindex(2, 2, 2)]) * (np.array(content.shape) - 1.0))
    extent = corners.max(axis=0) - corners.min(axis=0)
    spacing = max(float(content.spacing.min()), float(extent.max()) / _LARGEST_PICTURE)
    shape = np.maximum(2, np.ceil(extent / spacing).astype(int) + 1)
    affine = np.eye(4)
    affine[:3, :3] = -spacing * np.eye(3)
    affine[:3, 3] = content.centre - affine[:3, :3] @ ((shape - 1) / 2)
    return Grid(tuple(shape.tolist()), affine)
