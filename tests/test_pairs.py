"""Registration of a user's two scans: the result lies where the scans lie, and other tools read it alike."""

import itertools
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import torch

from tests.scan_files import make_checkpoint, padded, save, smooth, stored_as, turned
from textscf.data import alignment
from textscf.data.alignment import align
from textscf.errors import InputError
from textscf.files.image_file import read_image_file
from textscf.files.itk import read_transform
from textscf.pairs.registration_files import Options, PairFiles, register_files
from textscf.registration.scan_pair import ScanRegistrar
from textscf.world.grid import Grid, sample

CPU = torch.device("cpu")
SHAPE = (30, 34, 26)
MOVED = np.array([40.0, 0.0, -7.0])
MIDDLE = np.array([10.0, -20.0, 30.0])
NONE = Options(initial="none")
ORIENTATIONS = [
    "".join(side[choice] for side, choice in zip(axes, choices, strict=True))
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for choices in itertools.product((0, 1), repeat=3)
]


@pytest.fixture(scope="module")
def registrar(tmp_path_factory: pytest.TempPathFactory) -> ScanRegistrar:
    return ScanRegistrar(make_checkpoint(tmp_path_factory.mktemp("results")), CPU)


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A fixed and a moving scan of 2 mm whose centres lie at (10, -20, 30) and (12, -19, 28) mm."""
    folder = tmp_path_factory.mktemp("scans")
    places = ((10.0, -20.0, 30.0), (12.0, -18.0, 28.0))
    names = ("fixed", "moving")
    first, second = (
        save(folder / f"{name}.nii.gz", smooth(SHAPE, seed), turned((0, 0, 0), (2, 2, 2), place, SHAPE))
        for seed, (name, place) in enumerate(zip(names, places, strict=True))
    )
    return first, second


def found_points(registrar: ScanRegistrar, fixed: Path, moving: Path, **options: Any) -> np.ndarray:
    """Points of the fixed scan's world after the registration."""
    pair = registrar.register(read_image_file(fixed), read_image_file(moving), **{"initial": "none", **options})
    points = np.random.default_rng(5).uniform(-20, 20, (500, 3)) + MIDDLE
    return pair.transform(points)


@pytest.fixture(scope="module")
def expected(registrar: ScanRegistrar, scans: tuple[Path, Path]) -> np.ndarray:
    return found_points(registrar, *scans)


def test_the_network_moves_points_by_some_voxels(expected: np.ndarray) -> None:
    points = np.random.default_rng(5).uniform(-20, 20, (500, 3)) + MIDDLE
    assert 1 < np.linalg.norm(expected - points, axis=1).mean() < 20


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_the_order_of_a_files_axes_does_not_matter(
    registrar: ScanRegistrar, scans: tuple[Path, Path], expected: np.ndarray, tmp_path: Path, codes: str
) -> None:
    fixed = stored_as(scans[0], codes, tmp_path / "fixed.nii.gz")
    moving = stored_as(scans[1], ORIENTATIONS[-1 - ORIENTATIONS.index(codes)], tmp_path / "moving.nii.gz")
    np.testing.assert_allclose(found_points(registrar, fixed, moving), expected, atol=1e-3)


@pytest.mark.parametrize(("before", "after"), [((10, 0, 0), (0, 0, 0)), ((0, 3, 60), (1, 0, 7))])
def test_padding_does_not_matter(
    registrar: ScanRegistrar, scans: tuple[Path, Path], expected: np.ndarray, tmp_path: Path, before: Any, after: Any
) -> None:
    fixed = padded(scans[0], before, after, tmp_path / "fixed.nii.gz")
    moving = padded(scans[1], after, before, tmp_path / "moving.nii.gz", value=0.05)
    np.testing.assert_allclose(found_points(registrar, fixed, moving), expected, atol=1e-3)


def test_a_place_that_both_headers_give_does_not_matter(
    registrar: ScanRegistrar, scans: tuple[Path, Path], expected: np.ndarray, tmp_path: Path
) -> None:
    paths = []
    for name, scan in zip(("fixed", "moving"), scans, strict=True):
        image: Any = nib.load(scan)
        affine = image.affine.copy()
        affine[:3, 3] += MOVED
        paths.append(save(tmp_path / f"{name}.nii.gz", image.get_fdata().astype(np.float32), affine))
    pair = registrar.register(*map(read_image_file, paths), initial="none")
    points = np.random.default_rng(5).uniform(-20, 20, (500, 3)) + MIDDLE
    np.testing.assert_allclose(pair.transform(points + MOVED) - MOVED, expected, atol=1e-3)


def test_an_oblique_scan_is_resampled_through_its_affine(
    registrar: ScanRegistrar, scans: tuple[Path, Path], expected: np.ndarray, tmp_path: Path
) -> None:
    shape = (44, 48, 40)
    affine = turned((10, -5, 8), (1.5, 1.5, 1.5), (10, -20, 30), shape)
    fixed = read_image_file(scans[0])
    oblique = sample(fixed.data, fixed.affine, Grid(shape, affine), order=3)
    path = save(tmp_path / "oblique.nii.gz", oblique, affine)
    found = found_points(registrar, path, scans[1])
    assert np.median(np.linalg.norm(found - expected, axis=1)) < 1.0


GEOMETRIES: dict[str, tuple[Any, Any]] = {
    "equal grids": (((0, 0, 0), (2, 2, 2), (0, 0, 0), SHAPE), ((0, 0, 0), (2, 2, 2), (0, 0, 0), SHAPE)),
    "anisotropic": (((0, 0, 0), (1, 1.5, 4), (5, 5, 5), (60, 40, 12)), ((0, 0, 0), (3, 1, 2), (4, 5, 7), (20, 60, 30))),
    "oblique": (((10, 4, -8), (2, 2, 2), (9, 9, 9), SHAPE), ((-5, 12, 3), (1.7, 2, 2.2), (9, 9, 12), SHAPE)),
    "sizes": (((0, 0, 0), (2, 2, 2), (0, 0, 0), (48, 20, 32)), ((0, 0, 0), (2, 2, 2), (0, 0, 0), (20, 40, 26))),
    "origin": (((0, 0, 0), (2, 2, 2), (300, -200, 90), SHAPE), ((0, 0, 0), (2, 2, 2), (310, -207, 95), SHAPE)),
}


@pytest.mark.parametrize("initial", ["none", "centre", "rigid"])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_ants_and_itk_reproduce_the_warped_scan(
    registrar: ScanRegistrar, tmp_path: Path, geometry: str, initial: str
) -> None:
    import ants

    paths = [
        save(tmp_path / f"{name}.nii.gz", smooth(place[3], seed), turned(*place))
        for seed, (name, place) in enumerate(zip(("fixed", "moving"), GEOMETRIES[geometry], strict=True))
    ]
    record = register_files(registrar, PairFiles(*paths), tmp_path / "out", Options(initial=initial))
    warped: Any = nib.load(tmp_path / "out/warped.nii.gz")
    assert warped.shape == GEOMETRIES[geometry][0][3]
    np.testing.assert_allclose(warped.affine, nib.load(paths[0]).affine, atol=1e-4)
    values = warped.get_fdata()
    inside = values != np.float32(record["outside"])
    assert inside.mean() > 0.1
    by_ants = ants.apply_transforms(*map(ants.image_read, map(str, paths)), [str(tmp_path / "out/warp.nii.gz")]).numpy()
    np.testing.assert_allclose(by_ants[inside], values[inside], atol=1e-4)
    for name in ("warp.nii.gz", "transform.h5"):
        images = [SimpleITK.ReadImage(str(path)) for path in paths]
        transform = read_transform(tmp_path / "out" / name)
        resampled = SimpleITK.Resample(images[1], images[0], transform, SimpleITK.sitkLinear, record["outside"])
        difference = np.abs(SimpleITK.GetArrayFromImage(resampled).T - values)
        assert (difference > 1e-4).mean() < 1e-3, name


def test_the_inverse_undoes_the_transformation(
    registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path
) -> None:
    record = register_files(registrar, PairFiles(*scans), tmp_path, NONE)
    forward, backward = (read_transform(tmp_path / name) for name in ("transform.h5", "inverse_warp.nii.gz"))
    jacobian = nib.load(tmp_path / "jacobian.nii.gz").get_fdata()
    assert record["folded"] == (jacobian <= 0).mean()
    points = np.random.default_rng(1).uniform(-15, 15, (300, 3)) * [1, 1, 1] + [-12, 18, 28]
    missed = [
        np.linalg.norm(np.array(forward.TransformPoint(backward.TransformPoint(point))) - point)
        for point in points.tolist()
    ]
    assert np.median(missed) < 0.1
    assert record["inverse_missing"] < 0.5


def test_the_jacobian_is_that_of_the_points(registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path) -> None:
    register_files(registrar, PairFiles(*scans), tmp_path, NONE)
    fixed = read_image_file(scans[0])
    transform = registrar.register(fixed, read_image_file(scans[1]), "none").transform
    index = np.array([12, 15, 11])
    around = [[index + step * unit for step in (-1, 1)] for unit in np.eye(3)]
    rows = [
        (
            transform(fixed.affine[:3, :3] @ high + fixed.affine[:3, 3])
            - transform(fixed.affine[:3, :3] @ low + fixed.affine[:3, 3])
        )
        / 4
        for low, high in around
    ]
    found = nib.load(tmp_path / "jacobian.nii.gz").get_fdata()[tuple(index)]
    assert found == pytest.approx(np.linalg.det(np.array(rows)), rel=1e-4)


def test_labels_are_warped_and_scored(registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path) -> None:
    labels = []
    for scan in scans:
        image = read_image_file(scan)
        labels.append(save(tmp_path / scan.name, (image.data > 0.6).astype(np.uint8) * 7, image.affine))
    record = register_files(registrar, PairFiles(*scans, *labels), tmp_path / "out", NONE)
    warped = nib.load(tmp_path / "out/warped_labels.nii.gz").get_fdata()
    truth = nib.load(labels[0]).get_fdata()
    assert set(np.unique(warped)) == {0, 7}
    both = ((warped == 7) & (truth == 7)).sum()
    assert record["dice"]["7"] == pytest.approx(2 * both / ((warped == 7).sum() + (truth == 7).sum()))
    assert record["dice"]["mean"] == record["dice"]["7"]
    assert json.loads((tmp_path / "out/registration.json").read_text())["dice"] == record["dice"]
    assert (tmp_path / "out/registration.png").stat().st_size > 10_000
    register_files(registrar, PairFiles(*scans), tmp_path / "out", NONE)
    assert not (tmp_path / "out/warped_labels.nii.gz").exists()


@pytest.mark.parametrize("name", ["fixed", "moving"])
def test_label_maps_of_another_place_are_refused(
    registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path, name: str
) -> None:
    image = read_image_file(scans[0])
    away = save(tmp_path / "away.nii.gz", (image.data > 0.6).astype(np.uint8), image.affine + 300 * np.eye(4, k=3))
    files = PairFiles(*scans, **{f"{name}_labels": away})
    with pytest.raises(InputError, match=rf"away\.nii\.gz: by its header it covers 0 % of .*{name}\.nii\.gz"):
        register_files(registrar, files, tmp_path / "out", Options("none", score_only=True))
    assert not (tmp_path / "out").exists()


def test_remarks_on_label_maps_are_kept(registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path) -> None:
    moving = read_image_file(scans[1])
    labels = nib.Nifti1Image((moving.data > 0.6).astype(np.uint8), moving.affine)
    labels.set_qform(moving.affine + 4 * np.eye(4, k=3), 1)
    nib.save(labels, tmp_path / "labels.nii.gz")
    files = PairFiles(*scans, moving_labels=tmp_path / "labels.nii.gz")
    record = register_files(registrar, files, tmp_path / "out", NONE)
    assert [remark for remark in record["remarks"] if remark.startswith(f"{tmp_path}/labels.nii.gz: its sform and q")]


@pytest.mark.parametrize("initial", ["auto", "rigid", "affine"])
def test_scans_far_apart_are_brought_together(
    registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path, initial: str
) -> None:
    image: Any = nib.load(scans[0])
    affine = turned((0, 0, 12), (1, 1, 1), (0, 0, 0), (1, 1, 1))
    affine[:3, 3] = [40, 25, -30]
    away = save(tmp_path / "away.nii.gz", image.get_fdata().astype(np.float32), affine @ image.affine)
    images = [registrar._on_own_grid(registrar._content(read_image_file(path))) for path in (scans[0], away)]
    matrix, kind = align(images[0], images[1], initial)
    assert kind == ("affine" if initial == "auto" else initial)
    points = np.random.default_rng(0).uniform(-25, 25, (50, 3)) + MIDDLE
    missed = points @ (matrix - affine)[:3, :3].T + (matrix - affine)[:3, 3]
    assert np.linalg.norm(missed, axis=1).mean() < 2


def test_the_alignment_of_the_training_scans_is_the_default(
    registrar: ScanRegistrar, scans: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [registrar._on_own_grid(registrar._content(read_image_file(path))) for path in (scans[0], scans[0])]
    assert [align(*images, "auto", trained)[1] for trained in (None, "rigid", "affine")] == ["none", "rigid", "affine"]
    far = np.eye(4)
    far[0, 3] = 60
    monkeypatch.setattr(alignment, "by_ants", lambda *_: far)
    matrix, kind = align(*images, "auto", "affine")
    assert (kind, np.abs(matrix - np.eye(4)).max() < 1e-6) == ("centre", True)


def test_a_written_alignment_is_taken_as_ants_wrote_it(
    registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path
) -> None:
    import ants

    written = ants.create_ants_transform(
        transform_type="AffineTransform", matrix=np.diag([1.1, 1, 0.9]), translation=(3, -2, 5), center=(1, 2, 3)
    )
    ants.write_transform(written, str(tmp_path / "initial.mat"))
    matrix, _ = align(
        *[registrar._on_own_grid(registrar._content(read_image_file(scan))) for scan in scans],
        str(tmp_path / "initial.mat"),
    )
    point = np.array([10.0, 20.0, 30.0])
    lps = point * [-1, -1, 1]
    assert matrix[:3, :3] @ point + matrix[:3, 3] == pytest.approx(np.array(written.apply_to_point(lps)) * [-1, -1, 1])
    with pytest.raises(
        InputError, match="no such file; expected one of auto, none, centre, rigid, affine, or the file"
    ):
        align(*[registrar._on_own_grid(registrar._content(read_image_file(scan))) for scan in scans], "afine")


def test_a_flat_alignment_is_refused(registrar: ScanRegistrar, scans: tuple[Path, Path], tmp_path: Path) -> None:
    SimpleITK.WriteTransform(SimpleITK.AffineTransform(2), str(tmp_path / "flat.tfm"))
    with pytest.raises(InputError, match=r"flat\.tfm: has 2 dimensions instead of 3; expected one of auto, none"):
        found_points(registrar, *scans, initial=str(tmp_path / "flat.tfm"))


def test_what_the_model_does_not_see_is_said(registrar: ScanRegistrar, tmp_path: Path) -> None:
    shape = (90, 40, 40)
    data = np.random.default_rng(3).uniform(size=shape).astype(np.float32)
    large = save(tmp_path / "large.nii.gz", data, turned((0, 0, 0), (2, 2, 2), (0, 0, 0), shape))
    record = register_files(registrar, PairFiles(large, large), tmp_path / "out", NONE)
    assert record["inside_the_models_view"] == pytest.approx(32 * 36 * 28 / np.prod(shape), rel=1e-6)
    assert any("lies outside of the 64 x 72 x 56 mm that the model sees" in remark for remark in record["remarks"])


def test_refinement_lowers_the_loss(registrar: ScanRegistrar, scans: tuple[Path, Path]) -> None:
    fixed, moving = map(read_image_file, scans)
    grid = Grid(fixed.data.shape, fixed.affine)
    errors = []
    for steps in (0, 20):
        pair = registrar.register(fixed, moving, "none", steps=steps)
        errors.append(np.square(sample(moving.data, moving.affine, grid, pair.transform) - fixed.data).mean())
        assert ("refinement" in pair.seconds) == (steps > 0)
    assert errors[1] < 0.8 * errors[0]


def test_ct_without_its_offset_is_said(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "results", {"kind": "clip", "range": [-500.0, 800.0]})
    affine = turned((0, 0, 0), (2, 2, 2), (0, 0, 0), SHAPE)
    scans = [
        save(tmp_path / f"{offset}.nii.gz", 1000 * smooth(SHAPE, 0) + offset, affine).as_posix()
        for offset in (0, -1000)
    ]
    registrar = ScanRegistrar(checkpoint, CPU)
    remarks = registrar.register(*[read_image_file(Path(scan)) for scan in scans], initial="none").remarks
    assert [remark.split(": ", 1) for remark in remarks] == [[scans[0], remarks[0].split(": ", 1)[1]]]
    assert "is 1024 added to them?" in remarks[0]
