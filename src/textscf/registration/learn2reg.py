"""Writing, checking and reading of displacement fields in the file forms of the Learn2Reg challenge.

A form is named by the year in which the challenge's evaluator (https://github.com/MDL-UzL/L2R) introduced it:

- 2025: ``disp_FFFF_0000_MMMM_0000.nii.gz``, float32 ``(H, W, D, 3)``. Since 2025 scans of one modality need these long
  names, too.
- 2022: ``disp_FFFF_MMMM.nii.gz``, the same content.
- 2021: ``task_NN/disp_FFFF_MMMM.npz``, one array, float16 ``(3, H/2, W/2, D/2)``. The evaluator of that year upsamples
  the array by splines.

FFFF and MMMM are the numbers of the fixed and the moving scan. Displacements are in voxels of the challenge's scans.
"""

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from textscf.data import geometry
from textscf.data.cohort import Cohort
from textscf.data.placement import Placement
from textscf.data.recipe import Recipe
from textscf.data.releases import stored_files, stored_recipe
from textscf.errors import InputError
from textscf.files.io import atomic_path
from textscf.job.progress import progress_bar
from textscf.registration.evaluation import PairRegistrar

_NUMBER = re.compile(r"(\d{1,4})(?:_(\d{4}))?\D*$")
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NAMED_IN_MESSAGE = 3


@dataclass(frozen=True)
class Form:
    """A file form of the challenge.

    Attributes:
        name: template of a pair's file name, with the numbers and modalities of the fixed and moving scan.
        step: spacing in voxels at which the field is sampled; 1 keeps every voxel.
        encode: turns a field ``(H, W, D, 3)`` and the affine of its grid into the file content.
        decode: turns the file content into the array.
        shape: gives the shape of the array for a grid ``(H, W, D)``.
        dtype: data type of the array.
    """

    name: str
    step: int
    encode: Callable[[NDArray[np.float32], NDArray[np.float64]], bytes]
    decode: Callable[[bytes], NDArray[np.floating]]
    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    dtype: type[np.floating]


def _encode_nifti(field: NDArray[np.float32], affine: NDArray[np.float64]) -> bytes:
    return gzip.compress(nib.Nifti1Image(field, affine).to_bytes(), 1, mtime=0)


def _decode_nifti(content: bytes) -> NDArray[np.floating]:
    return np.asanyarray(nib.Nifti1Image.from_bytes(gzip.decompress(content)).dataobj)


def _encode_npz(field: NDArray[np.float32], affine: NDArray[np.float64]) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, np.moveaxis(field, -1, 0).astype(np.float16))
    return stream.getvalue()


def _decode_npz(content: bytes) -> NDArray[np.floating]:
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            raise ValueError(f"{len(arrays.files)} arrays; expected one")
        return arrays[arrays.files[0]]


def _full(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 3)


def _halved(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (3, *(round(edge / 2) for edge in shape))


FORMS = {
    "2025": Form(
        "disp_{fixed}_{fixed_modality}_{moving}_{moving_modality}.nii.gz",
        *(1, _encode_nifti, _decode_nifti, _full, np.float32),
    ),
    "2022": Form("disp_{fixed}_{moving}.nii.gz", 1, _encode_nifti, _decode_nifti, _full, np.float32),
    "2021": Form("{folder}/disp_{fixed}_{moving}.npz", 2, _encode_npz, _decode_npz, _halved, np.float16),
}


def export_fields(
    cohort: Cohort, config: Mapping[str, Any], raw: Path, registrar: PairRegistrar, form: str, archive: Path
) -> None:
    """Register all test pairs, write their displacement fields to the zip file `archive`, and check the file.

    Args:
        cohort: prepared cohort.
        config: resolved settings of the cohort; key `learn2reg` gives the grid of the challenge's scans.
        raw: folder of the stored scans; the grid is read from them.
        registrar: registers each pair.
        form: key of `FORMS`.
        archive: file to write.

    Raises:
        InputError: the cohort is not part of the challenge, a stored scan cannot be read, or stored grids differ.
    """
    names = file_names(cohort, config, form)
    grid = challenge_grid(cohort, config, raw)
    with (
        atomic_path(archive) as temporary,
        zipfile.ZipFile(temporary, "w") as opened,
        progress_bar(len(names), "exporting") as bar,
    ):
        for (fixed, moving), name in names.items():
            field = registrar.displacement(fixed, moving)[0]
            content = FORMS[form].encode(grid.displacement(field, FORMS[form].step), grid.affine)
            opened.writestr(zipfile.ZipInfo(name, _EPOCH), content)
            bar.update(1)
    check_archive(archive, names.values(), grid.shape, form)


def file_names(cohort: Cohort, config: Mapping[str, Any], form: str) -> dict[tuple[str, str], str]:
    """File name in the archive of each test pair (fixed id, moving id)."""
    if form not in FORMS:
        raise InputError(f"form '{form}': unknown; expected one of {', '.join(FORMS)}")
    settings = config.get("learn2reg")
    if settings is None:
        raise InputError(f"cohort {cohort.name}: has no settings learn2reg; expected a cohort of the challenge")
    names = {}
    for fixed, moving in cohort.pairs["test"]:
        (fixed_number, fixed_modality), (moving_number, moving_modality) = _number(fixed), _number(moving)
        names[fixed, moving] = FORMS[form].name.format(
            fixed=fixed_number,
            fixed_modality=fixed_modality,
            moving=moving_number,
            moving_modality=moving_modality,
            folder=settings["folder"],
        )
    return names


def challenge_grid(cohort: Cohort, config: Mapping[str, Any], raw: Path) -> Placement:
    """Grid of the challenge's scans: the common grid of all stored scans, or the prepared grid, cropped or padded."""
    recipe, shape = stored_recipe(dict(config), raw), config["learn2reg"]["grid"]
    stored = stored_files(dict(config), raw)
    files = [stored[subject][1] or stored[subject][0] for subject in cohort.subjects("test")]
    grids = [Placement.of_stored(file, recipe) for file in files]
    if shape != "stored":
        return _centred_grid(tuple(shape), recipe, files, grids)
    for file, grid in zip(files, grids, strict=True):
        if (grid.shape, grid.order, grid.scale) != (grids[0].shape, grids[0].order, grids[0].scale):
            raise InputError(f"{file}: shape {grid.shape}; expected {grids[0].shape} and the axes as in {files[0]}")
    return grids[0]


def _centred_grid(
    shape: tuple[int, ...], recipe: Recipe, files: Sequence[Path], prepared: Sequence[Placement]
) -> Placement:
    """A grid of `shape` around the centre of the prepared one.

    InputError for a scan that the two grids hold a voxel apart: cutting and padding around a centre round differently
    where a scan is larger than one grid and smaller than the other.
    """
    affine = geometry.centred_affine(recipe.orientation, recipe.spacing, shape)
    grid = Placement.of_grid(shape, affine, recipe.orientation, recipe.spacing, recipe)
    for file, here in zip(files, prepared, strict=True):
        there = Placement.of_stored(file, replace(recipe, shape=shape))
        if not np.allclose(np.subtract(here.offset, there.offset), grid.offset):
            sizes = " and ".join("x".join(map(str, edges)) for edges in (recipe.shape, shape))
            raise InputError(f"{file}: lies a voxel apart on the grids of {sizes}; expected a scan that both can hold")
    return grid


def check_archive(archive: Path, names: Iterable[str], shape: tuple[int, ...], form: str) -> None:
    """Raise InputError unless a zip file has exactly the expected files, with arrays that the evaluator accepts.

    Args:
        archive: zip file.
        names: expected file names.
        shape: ``(H, W, D)`` of the challenge's scans.
        form: key of `FORMS`.
    """
    expected, problems = set(names), []
    wanted = FORMS[form].shape(shape)
    with zipfile.ZipFile(archive) as opened:
        present = set(opened.namelist())
        problems += [f"{name}: missing" for name in sorted(expected - present)]
        problems += [f"{name}: not a pair of the cohort" for name in sorted(present - expected)]
        for name in sorted(expected & present):
            try:
                array = FORMS[form].decode(opened.read(name))
            except (ValueError, OSError, EOFError, nib.filebasedimages.ImageFileError) as error:
                problems.append(f"{name}: cannot be read ({' '.join(str(error).split())})")
                continue
            if array.shape != wanted or array.dtype != FORMS[form].dtype:
                found = f"{array.dtype} {array.shape}"
                problems.append(f"{name}: {found}; expected {np.dtype(FORMS[form].dtype)} {wanted}")
            elif not np.isfinite(array).all():
                problems.append(f"{name}: has values that are not finite")
    if problems:
        more = f"; {len(problems) - _NAMED_IN_MESSAGE} more" if len(problems) > _NAMED_IN_MESSAGE else ""
        raise InputError(f"{archive}: not in the form of {form}: {'; '.join(problems[:_NAMED_IN_MESSAGE])}{more}")


def read_field(archive: Path, name: str, form: str) -> NDArray[np.float32]:
    """Read a field ``(H, W, D, 3)`` from an archive like the challenge's evaluator for that form."""
    with zipfile.ZipFile(archive) as opened:
        array = FORMS[form].decode(opened.read(name)).astype(np.float32)
    if FORMS[form].step == 1:
        return array
    return np.stack([ndimage.zoom(component, FORMS[form].step, order=2) for component in array], axis=-1)


def _number(subject: str) -> tuple[str, str]:
    """Number and modality, four digits each, of a subject such as ``AbdomenCTCT_0024_0000`` or ``hippocampus_007``."""
    found = _NUMBER.search(subject)
    if not found:
        raise InputError(f"subject '{subject}': has no number of up to four digits; expected one for the file's name")
    return found[1].zfill(4), found[2] or "0000"
