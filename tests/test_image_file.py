"""Scans in the formats that people have lie in the same place whichever format stores them."""

import gzip
import locale
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK

from tests.scan_files import save, smooth, turned
from textscf.errors import InputError
from textscf.files.image_file import kept_locale, read_image_file, read_label_file

SHAPE = (9, 11, 7)
AFFINE = turned((10, -20, 30), (1.0, 2.0, 3.0), (5, 6, 7), SHAPE)


@pytest.fixture
def nifti(tmp_path: Path) -> Path:
    return save(tmp_path / "scan.nii.gz", smooth(SHAPE, 0), AFFINE)


@pytest.mark.parametrize("name", ["scan.nrrd", "scan.mha", "scan.nii", "scan.mgz"])
def test_formats_agree(nifti: Path, tmp_path: Path, name: str) -> None:
    if name.endswith("mgz"):
        nib.save(nib.MGHImage(smooth(SHAPE, 0), AFFINE), tmp_path / name)
    else:
        SimpleITK.WriteImage(SimpleITK.ReadImage(str(nifti)), str(tmp_path / name))
    found = read_image_file(tmp_path / name)
    np.testing.assert_array_equal(found.data, smooth(SHAPE, 0))
    np.testing.assert_allclose(found.affine, AFFINE, atol=1e-4)
    assert found.remarks == []


@pytest.mark.parametrize(
    ("space", "remark"),
    [
        ("space: right-anterior-superior", None),
        ("space: scanner-xyz", "space: scanner-xyz"),
        ("space dimension: 3", "none"),
    ],
)
def test_a_nrrd_file_without_a_known_space_is_read_as_lps_with_a_remark(
    nifti: Path, tmp_path: Path, space: str, remark: str | None
) -> None:
    path = tmp_path / "scan.nrrd"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(nifti)), str(path))
    path.write_bytes(path.read_bytes().replace(b"space: left-posterior-superior", space.encode()))
    found = read_image_file(path)
    sign = [-1, -1, 1, 1] if remark is None else [1, 1, 1, 1]
    np.testing.assert_allclose(found.affine, np.diag(sign) @ AFFINE, atol=1e-4)
    assert ["does not name the axes" in told and str(remark) in told for told in found.remarks] == [True] * bool(remark)


@pytest.mark.parametrize("kind", ["Nifti1Pair", "AnalyzeImage"])
def test_a_header_beside_its_voxels_is_that_scan(tmp_path: Path, kind: str) -> None:
    data = np.random.default_rng(0).random((60, 64, 48)).astype(np.float32)
    nib.save(getattr(nib, kind)(data, np.diag([-1.0, 1, 1, 1])), tmp_path / "scan.img")
    for name in ("scan.hdr", "scan.img"):
        np.testing.assert_array_equal(read_image_file(tmp_path / name).data, data)
    (tmp_path / "scan.img").unlink()
    with pytest.raises(InputError, match=r"scan\.hdr: cannot be read as NIfTI"):
        read_image_file(tmp_path / "scan.hdr")


def write_dicom(folder: Path, slices: list[int], tilt: float = 0, step: int = 3) -> None:
    """Write slices of 7 as a DICOM series: `step` mm apart along z, turned about x by `tilt` degrees."""
    folder.mkdir()
    writer = SimpleITK.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    image = SimpleITK.GetImageFromArray((1000 * smooth(SHAPE, 0)).astype(np.int16).T)
    image.SetSpacing((1.0, 2.0, 3.0))
    cosine, sine = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    for index in slices:
        cut = image[:, :, index]
        tags = {"0008|0060": "CT", "0020|000e": "1.2.3.4", "0020|000d": "1.2.3",
                "0020|0037": f"1\\0\\0\\0\\{cosine:.9f}\\{sine:.9f}", "0020|0032": f"-5\\7\\{step * index}",
                "0020|0013": str(index), "0018|0050": "3"}  # fmt: skip
        for tag, value in tags.items():
            cut.SetMetaData(tag, value)
        writer.SetFileName(str(folder / f"{index:02d}.dcm"))
        with kept_locale():
            writer.Execute(cut)


def test_a_folder_of_dicom_slices_is_a_scan(tmp_path: Path) -> None:
    write_dicom(tmp_path / "series", list(range(7)))
    before = locale.setlocale(locale.LC_ALL)
    found = read_image_file(tmp_path / "series")
    assert locale.setlocale(locale.LC_ALL) == before
    np.testing.assert_array_equal(found.data, (1000 * smooth(SHAPE, 0)).astype(np.int16))
    np.testing.assert_allclose(found.affine, [[-1, 0, 0, 5], [0, -2, 0, -7], [0, 0, 3, 0], [0, 0, 0, 1]], atol=1e-6)


def test_the_slices_of_a_tilted_gantry_stay_tilted(tmp_path: Path) -> None:
    write_dicom(tmp_path / "series", list(range(7)), tilt=15)
    found = read_image_file(tmp_path / "series")
    cosine, sine = np.cos(np.radians(15)), np.sin(np.radians(15))
    expected = [[-1, 0, 0, 5], [0, -2 * cosine, 0, -7], [0, 2 * sine, 3, 0], [0, 0, 0, 1]]
    np.testing.assert_allclose(found.affine, expected, atol=1e-6)
    assert found.skew == pytest.approx(15, abs=1e-3)


def test_slices_at_one_place_are_refused(tmp_path: Path) -> None:
    write_dicom(tmp_path / "series", list(range(7)), step=0)
    with pytest.raises(InputError, match="series: two of its slices lie at one place; expected slices that follow"):
        read_image_file(tmp_path / "series")


def test_a_series_with_a_missing_slice_is_refused(tmp_path: Path) -> None:
    write_dicom(tmp_path / "series", [0, 1, 2, 4, 5, 6])
    with pytest.raises(InputError, match=r"series: its slices lie 3\.00 to 6\.00 mm apart"):
        read_image_file(tmp_path / "series")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: has 0 DICOM series; expected one"):
        read_image_file(tmp_path / "empty")


def test_the_content_says_whether_a_file_is_compressed(nifti: Path, tmp_path: Path) -> None:
    plain = gzip.decompress(nifti.read_bytes())
    (tmp_path / "plain.nii.gz").write_bytes(plain)
    (tmp_path / "packed.nii").write_bytes(gzip.compress(plain))
    for name in ("plain.nii.gz", "packed.nii"):
        np.testing.assert_array_equal(read_image_file(tmp_path / name).data, smooth(SHAPE, 0))


def test_one_volume_of_four_dimensions_is_that_volume(tmp_path: Path) -> None:
    save(tmp_path / "one.nii.gz", smooth(SHAPE, 0)[..., None], AFFINE)
    np.testing.assert_array_equal(read_image_file(tmp_path / "one.nii.gz").data, smooth(SHAPE, 0))
    save(tmp_path / "two.nii.gz", np.stack([smooth(SHAPE, 0)] * 2, -1), AFFINE)
    with pytest.raises(InputError, match="has 4 dimensions"):
        read_image_file(tmp_path / "two.nii.gz")


def test_voxels_without_a_number_are_filled_on_request(tmp_path: Path) -> None:
    data = smooth(SHAPE, 0)
    data[0, 0, :2] = np.nan, np.inf
    path = save(tmp_path / "nan.nii.gz", data, AFFINE)
    with pytest.raises(InputError, match=r"2 voxels are NaN or infinite; expected finite intensities \(--fill VALUE"):
        read_image_file(path)
    found = read_image_file(path, fill=0.5)
    assert found.data[0, 0, :2].tolist() == [0.5, 0.5]
    assert found.remarks == ["2 voxels that are NaN or infinite were filled with 0.5"]


def test_headers_that_contradict_themselves_are_said(tmp_path: Path) -> None:
    image = nib.Nifti1Image(smooth(SHAPE, 0), AFFINE)
    image.set_qform(AFFINE + np.array([[0, 0, 0, 4.0], [0] * 4, [0] * 4, [0] * 4]), 1)
    nib.save(image, tmp_path / "two.nii.gz")
    assert read_image_file(tmp_path / "two.nii.gz").remarks == [
        "its sform and qform differ by up to 4.0 mm: the sform is used, but ITK, ANTs and 3D Slicer may place the file "
        "by its qform: warp it with src/apply.py, or set both forms alike first"
    ]
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    nib.save(image, tmp_path / "none.nii.gz")
    assert "left and right, and front and back, are a guess" in read_image_file(tmp_path / "none.nii.gz").remarks[0]


@pytest.mark.parametrize(("kind", "remarks"), [("AnalyzeImage", 1), ("Spm2AnalyzeImage", 0)])
def test_an_analyze_file_has_no_orientation_but_that_of_spm(tmp_path: Path, kind: str, remarks: int) -> None:
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    nib.save(getattr(nib, kind)(smooth(SHAPE, 0), affine), tmp_path / "scan.img")
    found = read_image_file(tmp_path / "scan.img")
    assert [remark.split(":")[0] for remark in found.remarks] == ["its header has no orientation"] * remarks
    assert nib.aff2axcodes(found.affine) == ("L", "A", "S")


@pytest.mark.parametrize(("unit", "found"), [("micron", "micrometres"), ("meter", "metres"), ("mm", None)])
@pytest.mark.parametrize("kind", ["Nifti1Image", "Nifti1Pair"])
def test_other_units_than_millimetres_are_refused(tmp_path: Path, kind: str, unit: str, found: str | None) -> None:
    path = tmp_path / ("scan.nii" if kind == "Nifti1Image" else "scan.img")
    image = getattr(nib, kind)(smooth(SHAPE, 0), AFFINE)
    image.header.set_xyzt_units(unit, "sec")
    nib.save(image, path)
    if found is None:
        np.testing.assert_allclose(read_image_file(path).affine, AFFINE, atol=1e-5)
        return
    with pytest.raises(InputError, match=rf"its header is in {found}; expected millimetres"):
        read_image_file(path)


def test_a_skew_affine_is_measured(tmp_path: Path) -> None:
    affine = np.diag([1.0, 1, 1, 1])
    affine[0, 1] = np.tan(np.radians(5))
    nib.save(nib.Nifti1Image(smooth(SHAPE, 0), affine), tmp_path / "skew.nii.gz")
    assert read_image_file(tmp_path / "skew.nii.gz").skew == pytest.approx(5, abs=0.01)


def test_label_maps_hold_integers(tmp_path: Path) -> None:
    values = np.zeros(SHAPE, np.float32)
    values[2, 3, 4] = 70000
    assert read_label_file(save(tmp_path / "a.nii.gz", values, AFFINE)).data.max() == 70000
    values[2, 3, 4] = 1.5
    with pytest.raises(InputError, match="not integers; expected a label map"):
        read_label_file(save(tmp_path / "b.nii.gz", values, AFFINE))


@pytest.mark.parametrize(
    ("name", "message"),
    [("missing.nii.gz", "no such file; expected NIfTI"), ("scan.png", "unknown format; expected NIfTI"),
     ("scan.nrrd", "cannot be read")],
)  # fmt: skip
def test_other_files_are_refused(tmp_path: Path, name: str, message: str) -> None:
    if not name.startswith("missing"):
        (tmp_path / name).write_bytes(b"something else")
    with pytest.raises(InputError, match=message):
        read_image_file(tmp_path / name)
