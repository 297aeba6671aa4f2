"""Registration of two scans of any grid with a trained network; the result lies in the world of the fixed scan."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from textscf.data.alignment import PlacedImage, align, content_overlap, on_covering_grid
from textscf.data.geometry import obliqueness
from textscf.data.recipe import Recipe
from textscf.data.scans import normalised, renumbered
from textscf.errors import InputError
from textscf.files.image_file import ImageFile
from textscf.files.io import read_yaml
from textscf.files.layout import NETWORK_FILES, Layout
from textscf.job.progress import progress_bar
from textscf.registration.coverage import coverage_remarks, covered_share
from textscf.registration.inference import predict
from textscf.registration.refinement import refine
from textscf.registration.trained_run import TrainedRun, load_checkpoint
from textscf.registration.volumes import Scan
from textscf.registration.world_transform import WorldTransform
from textscf.world.grid import Grid, Points, apply_affine, oriented, sample, without_constant_border

if TYPE_CHECKING:
    from textscf.segmentation.segmentor import Segmentor

_SKEW = 0.1  # degrees
_OBLIQUE = 0.01  # degrees
_WELL_INSIDE = 0.98  # part of the fixed scan inside the network's field of view
_POOR_OVERLAP = 0.5
_SAME_PLACE = 0.5  # part of the fixed scan that a label map must cover
_OTHER_NUMBERS = 0.1  # part of the labelled voxels that numbers of no structure may have
_SPLINES: Literal[2] = 2  # as in the preparation of cohorts


@dataclass(frozen=True)
class PairRegistration:
    """Result of the registration of two scans.

    Attributes:
        transform: maps points of the fixed scan to points of the moving scan.
        alignment: kind of alignment before the network.
        overlap: overlap of the scans' contents by their headers, and after the alignment.
        inside: part of the fixed scan that lies in the network's field of view.
        seconds: time of the alignment, the segmentation, the network and the refinement.
        remarks: what the reader of the result should know.
    """

    transform: WorldTransform
    alignment: str
    overlap: tuple[float, float]
    inside: float
    seconds: dict[str, float]
    remarks: list[str]


@dataclass(frozen=True)
class _Content:
    """A scan without constant borders, its axes towards those of the network's grid."""

    data: NDArray[np.float32]
    image: NDArray[np.float32]
    grid: Grid


class ScanRegistrar:
    """Registers pairs of scans with a trained network, which is loaded once.

    Args:
        checkpoint: `checkpoint.pt` of a run, or the file of a released model.
        device: device of the computation.
        segmentor: weights, with `config.yaml` beside them, that segment the scans if no label map is given; the default
            is the run's own segmentor.

    Attributes:
        checkpoint: file of the network.
        given_segmentor: weights that segment the scans; None for the run's own segmentor.
        trained: the network and its settings.
        recipe: settings for preparing scans.

    Raises:
        InputError: the checkpoint cannot be used.
    """

    def __init__(self, checkpoint: Path, device: torch.device, segmentor: Path | None = None) -> None:
        self.trained = load_checkpoint(checkpoint, device)
        self.recipe = _recipe(checkpoint, self.trained.cohort)
        self.checkpoint, self.given_segmentor, self._device = checkpoint, segmentor, device
        self._segmentor: Segmentor | None = None

    def register(
        self,
        fixed: ImageFile,
        moving: ImageFile,
        initial: str = "auto",
        fixed_labels: ImageFile | None = None,
        steps: int = 0,
    ) -> PairRegistration:
        """Register a moving scan to a fixed scan.

        Args:
            fixed: fixed scan.
            moving: moving scan.
            initial: alignment before the network, see `textscf.data.alignment.align`.
            fixed_labels: label map of the fixed scan, on any grid in the same world; the default is the segmentor's.
            steps: steps of refinement after the network.

        Raises:
            InputError: a scan cannot be used, or there are no regions for a network with a text-driven head.
        """
        remarks = [f"{scan.path}: {remark}" for scan in (fixed, moving) for remark in self._remarks(scan)]
        contents = [self._content(scan) for scan in (fixed, moving)]
        seconds = {}
        started = time.perf_counter()
        images = [self._on_own_grid(content) for content in contents]
        matrix, kind = align(images[0], images[1], initial, self.recipe.align_kind)
        overlap = tuple(content_overlap(images[0], images[1], m) for m in (np.eye(4), matrix))
        seconds["alignment"] = time.perf_counter() - started
        remarks += _overlap_remarks(fixed, moving, overlap[1])
        grid, inside = self._field_of_view(contents[0])
        remarks += self._view_remarks(fixed, grid, inside)
        started = time.perf_counter()
        fixed_scan = self._scan(contents[0], grid, np.eye(4), fixed, fixed_labels)
        if self.trained.covered and fixed_scan.regions is not None:
            share = covered_share(fixed_scan.image[0, 0].cpu().numpy(), fixed_scan.regions[0, 0].cpu().numpy())
            remarks += [f"{fixed.path}: {remark}" for remark in coverage_remarks(share, self.trained.covered)]
        moving_scan = self._scan(contents[1], grid, matrix, moving, None, with_regions=steps > 0)
        seconds["segmentation"] = time.perf_counter() - started
        started = time.perf_counter()
        field = predict(self.trained.network, fixed_scan, moving_scan).clone()
        seconds["network"] = time.perf_counter() - started
        if steps:
            started = time.perf_counter()
            n_labels = len(self.trained.cohort["anatomy"]["structures"]) + 1
            with progress_bar(steps, "refining") as bar:
                loss = self.trained.run["loss"]
                field = refine(field, fixed_scan, moving_scan, loss, n_labels, steps, bar.update)
            seconds["refinement"] = time.perf_counter() - started
        displacement = field[0].movedim(0, -1).cpu().numpy()
        if not np.isfinite(displacement).all():
            raise InputError("the network predicts a field that is not finite; the checkpoint cannot be used")
        return PairRegistration(
            WorldTransform(displacement, grid, matrix), kind, (overlap[0], overlap[1]), inside, seconds, remarks
        )

    def _remarks(self, scan: ImageFile) -> list[str]:
        found = list(scan.remarks)
        expects_units = self.recipe.intensity == "clip" and self.recipe.intensity_range[0] < 0
        if expects_units and scan.data.min() >= 0:
            found.append("no intensity is below 0, but the model expects Hounsfield units, where air is -1000: is 1024 "
                         "added to them?")  # fmt: skip
        if scan.skew > _SKEW:
            found.append(f"its axes are skew by {scan.skew:.1f} degrees, which ITK and ANTs do not read")
        return found

    def _content(self, scan: ImageFile) -> _Content:
        turned = oriented(scan.data, scan.affine, self.recipe.orientation)
        data, affine = without_constant_border(*turned)
        try:
            image = normalised(np.ascontiguousarray(data), self.recipe)
        except InputError as error:
            raise InputError(f"{scan.path}: {error}") from error
        return _Content(data, image, Grid(data.shape, affine))

    def _on_own_grid(self, content: _Content) -> PlacedImage:
        """The image at the network's resolution, on a grid that covers the scan."""
        return on_covering_grid(content.image, content.grid.affine, self.recipe.spacing)

    def _field_of_view(self, fixed: _Content) -> tuple[Grid, float]:
        """The network's grid in the world of the fixed scan, and the part of the scan's content inside it.

        The grid has the patient's axes and lies centrally on the scan. Where the scan's axes are the patient's, the
        grid's corner lies on one of its voxels, so that equal spacings need no interpolation.
        """
        spacing = np.array(self.recipe.spacing)
        axes = oriented(np.empty((1, 1, 1)), np.eye(4), self.recipe.orientation)[1][:3, :3]
        if obliqueness(fixed.grid.affine) > _OBLIQUE:
            corner = fixed.grid.centre - (axes * spacing) @ ((np.array(self.recipe.shape) - 1) / 2)
        else:
            ratio = spacing / fixed.grid.spacing
            start = (np.array(fixed.grid.shape) - 1) / 2 - (np.array(self.recipe.shape) - 1) / 2 * ratio
            corner = apply_affine(fixed.grid.affine, np.trunc(np.round(start, 3)))
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = axes * spacing, corner
        grid = Grid(self.recipe.shape, affine)
        return grid, _part_inside(fixed.grid, grid)

    def _view_remarks(self, fixed: ImageFile, grid: Grid, inside: float) -> list[str]:
        if inside >= _WELL_INSIDE:
            return []
        view = " x ".join(f"{n * edge:.0f}" for n, edge in zip(grid.shape, grid.spacing, strict=True))
        return [
            f"{fixed.path}: {100 * (1 - inside):.0f} % of the scan lies outside of the {view} mm that the model sees; "
            "the field continues its border there: crop the scan to the anatomy that the model knows"
        ]

    def _scan(
        self,
        content: _Content,
        grid: Grid,
        alignment: NDArray[np.float64],
        file: ImageFile,
        labels: ImageFile | None,
        with_regions: bool = True,
    ) -> Scan:
        """Tensors of a scan on the network's grid, with regions if the network uses them and `with_regions`."""

        def place(points: Points) -> Points:
            return apply_affine(alignment, points)

        image = np.clip(sample(content.image, content.grid.affine, grid, place, order=_SPLINES), 0.0, 1.0)
        tensor = torch.from_numpy(image)[None, None].to(self._device)
        empty = torch.zeros(0, dtype=torch.uint8, device=self._device)
        if not (self.trained.network.uses_regions and with_regions):
            return Scan(tensor, empty, None, None)
        if labels is not None:
            values = _region_labels(labels, content.grid, file, self.recipe)
            regions = torch.from_numpy(sample(values, labels.affine, grid, order=0))[None, None]
            confidence = torch.ones_like(regions, dtype=torch.float32)
        else:
            regions, confidence = (part[None, None] for part in self._regions(image, content, grid, alignment))
        regions, confidence = regions.to(self._device), confidence.to(self._device)
        return Scan(tensor, regions, regions, confidence)

    def _regions(
        self, image: NDArray[np.float32], content: _Content, grid: Grid, alignment: NDArray[np.float64]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        from textscf.segmentation.stored import StoredImage  # imports MONAI, which takes seconds

        if self._segmentor is None:
            self._segmentor = find_segmentor(self.checkpoint, self.trained, self.given_segmentor, self._device)
        onto = Grid(grid.shape, alignment @ grid.affine)
        covered = sample(np.ones(content.grid.shape, np.uint8), content.grid.affine, onto, order=0) > 0
        stored = StoredImage(np.ascontiguousarray(content.data), content.grid.affine, onto, covered)
        return self._segmentor.regions(image, stored)


def _part_inside(grid: Grid, view: Grid) -> float:
    """Part of the voxels of a grid that lie in the field of view of another one."""
    inside = sum(int(view.contains(grid.points(rows)).sum()) for rows in grid.slabs())
    return inside / int(np.prod(grid.shape))


def _overlap_remarks(fixed: ImageFile, moving: ImageFile, overlap: float) -> list[str]:
    if overlap >= _POOR_OVERLAP:
        return []
    found = f"{100 * overlap:.0f} % of the smaller scan overlaps with {fixed.path} after the alignment"
    return [f"{moving.path}: only {found}: look at the result, or try another --initial"]


def _region_labels(labels: ImageFile, fixed: Grid, file: ImageFile, recipe: Recipe) -> NDArray[np.integer]:
    """Voxels of a label map of the fixed scan. Raises InputError for unknown labels, or a map of another place."""
    try:
        regions = renumbered(labels.data, recipe)
    except InputError as error:
        raise InputError(f"{labels.path}: {error}") from error
    other = float((regions == 0)[labels.data != 0].mean())
    if other > _OTHER_NUMBERS:
        known = sorted(number for numbers in recipe.values or [recipe.labels] for number in numbers)
        raise InputError(
            f"{labels.path}: {100 * other:.0f} % of its labelled voxels have numbers of no structure of the model; "
            f"expected those of its training data, {', '.join(map(str, known))}"
        )
    check_place(labels, fixed, file)
    return regions


def check_place(labels: ImageFile, content: Grid, file: ImageFile) -> None:
    """Raise InputError unless a label map covers at least half of the grid of a scan without constant borders."""
    covered = _part_inside(content, Grid(labels.data.shape, labels.affine))
    if covered < _SAME_PLACE:
        raise InputError(
            f"{labels.path}: by its header it covers {100 * covered:.0f} % of {file.path}; expected its label map"
        )


def _recipe(checkpoint: Path, cohort: dict[str, Any]) -> Recipe:
    """The preparation of scans that a checkpoint describes; InputError if the description is incomplete or wrong."""
    try:
        return Recipe.from_config(cohort)
    except (InputError, LookupError, AttributeError, TypeError, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{checkpoint}: the description of its cohort cannot be used ({reason})") from error


def find_segmentor(checkpoint: Path, trained: TrainedRun, given: Path | None, device: torch.device) -> "Segmentor":
    """Load the segmentor of the `given` weights, else that of a released model, else that in the workflow's results.

    Args:
        checkpoint: file that `trained` was read from.
        trained: run with a text-driven head.
        given: weights with `config.yaml` beside them.
        device: device of the computation.

    Raises:
        InputError: no segmentor is found, or its weights do not fit.
    """
    from textscf.segmentation.segmentor import Segmentor
    from textscf.segmentation.swin_unetr import read_weights  # importing MONAI takes seconds

    anatomy = trained.cohort["anatomy"]
    if given is None and trained.segmentor:
        own = trained.segmentor
        return Segmentor(own["weights"], str(checkpoint), own["settings"], anatomy, device)
    path = given or _of_the_workflow(checkpoint, trained)
    settings_file = path.with_name("config.yaml")
    if not path.is_file() or not settings_file.is_file():
        raise InputError(
            f"{path}: no segmentor with its config.yaml here; run {trained.run['run']} needs regions of the fixed "
            "image: give --fixed-labels or --segmentor"
        )
    settings = read_yaml(settings_file)
    return Segmentor(read_weights(path, settings), f"segmentor {path.parent.name}", settings, anatomy, device)


def _of_the_workflow(checkpoint: Path, trained: TrainedRun) -> Path:
    """Path in `results/cohorts/...` of the weights of the segmentor that the run was trained with."""
    if checkpoint.resolve().parent.parent.name != "runs":
        raise InputError(
            f"{checkpoint}: lies outside of the results that it was made with, which have its segmentor; run "
            f"{trained.run['run']} needs regions of the fixed image: give --fixed-labels or --segmentor, or a "
            "model that `snakemake models` made of the run"
        )
    folder = Layout.around(checkpoint.parent).segmentation(trained.cohort["name"], trained.run["segmentor"])
    known = [folder / name for name in NETWORK_FILES.values()]
    return next((path for path in known if path.is_file()), known[0])
