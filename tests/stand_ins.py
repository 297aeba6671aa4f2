"""Archives in the form of the real data sets' releases, small enough for tests, with blobs in place of organs.

Each builder writes one archive with the release's file name into `folder` and returns its path: `oasis_tar`,
`oasis_zip` (the Learn2Reg re-release), `abdomen_zip`, `abdomen_btcv_folder` (an unpacked folder), `lung_zip`,
`hippocampus_tar`. All take `subjects` (how many, from the release's first number on), `shape` (of the stored scans,
(H, W, D), in the order of the release's axes) and `seed`. The `*_files` functions give the members without packing
them, {path in the archive: bytes}; `pack_tar` and `pack_zip` pack them after a test has spoilt what it wants to.

Every subject's blobs are jittered by up to a tenth of the grid and an image shows each organ in its own grey value, so
that small networks can learn from them. Organs of the abdomen lie where they do in a body: the cohort's expectations of
places hold. To serve the archives with faults see `tests.faulty_server.FaultyServer`.

A study of them with few scans needs, in its cohort files, other `splits`, `pairs` and `preprocess.shape` and no
`expect.initial`; in its data set files the server's `url`, `checksum` null, and the number of scans as `count` (OASIS).
"""

import gzip
import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations

Shape = tuple[int, int, int]
Files = dict[str, bytes]

ABDOMEN = {
    1: (0.75, 0.35, 0.75), 2: (0.25, 0.30, 0.40), 3: (0.72, 0.30, 0.42), 4: (0.33, 0.72, 0.45),
    5: (0.52, 0.40, 0.95), 6: (0.27, 0.60, 0.72), 7: (0.65, 0.70, 0.72), 8: (0.53, 0.35, 0.20),
    9: (0.43, 0.40, 0.20), 10: (0.48, 0.60, 0.55), 11: (0.55, 0.65, 0.40), 12: (0.38, 0.30, 0.58),
    13: (0.62, 0.30, 0.58),
}  # fmt: skip
"""Centre of each organ in parts of the view: from right to left, posterior to anterior, inferior to superior."""

_BTCV_NUMBERS = [*range(1, 11), *range(21, 41)]
_LATTICE = [((i + 0.5) / 3, (j + 0.5) / 4, (k + 0.5) / 3) for i in range(3) for j in range(4) for k in range(3)]
_BRAIN = dict(enumerate(_LATTICE[:35], start=1))
_LUNG = {1: (0.30, 0.5, 0.5)}  # the right one; the left is its mirror image, smaller
_HIPPOCAMPUS = {1: (0.5, 0.65, 0.5), 2: (0.5, 0.38, 0.5)}


def oasis_tar(folder: Path, subjects: int = 6, shape: Shape = (40, 48, 56), seed: int = 0) -> Path:
    """neurite-oasis.v1.0.tar: axes left, inferior, anterior, identity affine; numbers with gaps, no top folder."""
    return pack_tar(folder / "neurite-oasis.v1.0.tar", oasis_files(subjects, shape, seed))


def oasis_files(subjects: int = 6, shape: Shape = (40, 48, 56), seed: int = 0) -> Files:
    """Members of `oasis_tar`."""
    files: Files = {"subjects.txt": b"", "seg35_labels.txt": b""}
    for n in range(1, subjects + 1):
        image, labels = _subject(_BRAIN, shape, "LIA", seed + n, radius=0.13)
        top = f"OASIS_OAS1_{n + n // 3:04d}_MR1"  # as if every third number were missing
        files[f"{top}/aligned_norm.nii.gz"] = _nifti(image, np.eye(4), np.float32)
        files[f"{top}/aligned_seg35.nii.gz"] = _nifti(labels, np.eye(4), np.float32)
        files[f"{top}/norm.nii.gz"] = b"unaligned"
    return files


def oasis_zip(folder: Path, subjects: int = 6, shape: Shape = (40, 56, 48), seed: int = 0) -> Path:
    """OASIS.zip, the Learn2Reg re-release: axes as the identity affine says (right, anterior, superior)."""
    return pack_zip(folder / "OASIS.zip", oasis_learn2reg_files(subjects, shape, seed))


def oasis_learn2reg_files(subjects: int = 6, shape: Shape = (40, 56, 48), seed: int = 0) -> Files:
    """Members of `oasis_zip`; the same brains as `oasis_files` where shape and seed agree."""
    files: Files = {"OASIS/OASIS_dataset.json": b"{}", "OASIS/pairs_val.csv": pairs_csv(subjects)}
    for n in range(1, subjects + 1):
        image, labels = _subject(_BRAIN, shape, "RAS", seed + n, radius=0.13)
        files[f"OASIS/imagesTr/OASIS_{n:04d}_0000.nii.gz"] = _nifti(image, np.eye(4), np.float32)
        files[f"OASIS/labelsTr/OASIS_{n:04d}_0000.nii.gz"] = _nifti(labels, np.eye(4), np.uint8)
    return files


def pairs_csv(subjects: int) -> bytes:
    """The challenge's list of pairs, whose header has a space after the comma."""
    lines = ["fixed, moving", *(f"{n}, {n + 1}" for n in range(1, subjects))]
    return ("\n".join(lines) + "\n").encode()


def abdomen_zip(folder: Path, subjects: int = 30, shape: Shape = (48, 40, 64), seed: int = 0) -> Path:
    """AbdomenCTCT.zip: axes left, anterior, superior although the diagonal affine says right."""
    files = abdomen_files(subjects, shape, seed)
    renamed = {f"AbdomenCTCT/{path}": content for path, content in files.items()}
    return pack_zip(folder / "AbdomenCTCT.zip", {**renamed, "AbdomenCTCT/AbdomenCTCT_dataset.json": b"{}"})


def abdomen_files(
    subjects: int = 30, shape: Shape = (48, 40, 64), seed: int = 0, btcv: bool = False, affine: float = 2.0
) -> Files:
    """Members of the Abdomen CT below its top folder, in Learn2Reg's naming or the older one by BTCV's numbers."""
    files: Files = {}
    for n in range(1, subjects + 1):
        image, labels = _subject(ABDOMEN, shape, "LAS", seed + n, radius=0.12)
        pattern = "AbdomenCTCT_{:04d}_0000.nii.gz"
        names = (
            ("img/img{:04d}.nii.gz", "label/label{:04d}.nii.gz")
            if btcv
            else (f"imagesTr/{pattern}", f"labelsTr/{pattern}")
        )
        number = _BTCV_NUMBERS[n - 1] if btcv else n
        grid = np.diag([affine, affine, affine, 1])
        files[names[0].format(number)] = _nifti(np.round(image * 1500 - 700), grid, np.float32)
        files[names[1].format(number)] = _nifti(labels, grid, np.int8)
    return files


def abdomen_btcv_folder(folder: Path, subjects: int = 30, shape: Shape = (48, 40, 64), seed: int = 0) -> Path:
    """The older release of the Abdomen CT, unpacked as `folder`/L2R_Task3, identity affines."""
    return write_files(folder / "L2R_Task3", abdomen_files(subjects, shape, seed, btcv=True, affine=1.0))


def lung_zip(folder: Path, subjects: int = 20, shape: Shape = (48, 48, 52), seed: int = 0) -> Path:
    """training.zip of the lung CT: scans and masks in both states of breath, spacing 1.75 x 1.25 x 1.75 mm times 4."""
    return pack_zip(folder / "training.zip", lung_files(subjects, shape, seed))


def lung_files(subjects: int = 20, shape: Shape = (48, 48, 52), seed: int = 0) -> Files:
    """Members of `lung_zip`."""
    affine = np.diag([7.0, 5.0, 7.0, 1.0])
    files: Files = {"training/keypoints/case_001.csv": b"1,2,3\n"}
    for n in range(1, subjects + 1):
        for state, radius in (("insp", 0.22), ("exp", 0.18)):
            image, labels = _subject(_LUNG, shape, "RAS", seed + n, radius)
            left, left_labels = _subject({1: (0.72, 0.5, 0.5)}, shape, "RAS", seed + n, 0.9 * radius)
            both = np.maximum(labels, left_labels)
            scan = np.where(both > 0, -800, np.round(np.maximum(image, left) * 100))
            files[f"training/scans/case_{n:03d}_{state}.nii.gz"] = _nifti(scan, affine, np.int16)
            files[f"training/lungMasks/case_{n:03d}_{state}.nii.gz"] = _nifti(both, affine, np.uint8)
    return files


def hippocampus_tar(folder: Path, subjects: int = 8, shape: Shape = (35, 50, 35), seed: int = 0) -> Path:
    """Task04_Hippocampus.tar: scans of slightly different sizes and of uint8 or float32 in different scales."""
    return pack_tar(folder / "Task04_Hippocampus.tar", hippocampus_files(subjects, shape, seed))


def hippocampus_files(subjects: int = 8, shape: Shape = (35, 50, 35), seed: int = 0) -> Files:
    """Members of `hippocampus_tar`, with the hidden files that the real archive has beside its scans."""
    affine = np.eye(4)
    affine[:3, 3] = 1
    top = "Task04_Hippocampus"
    files: Files = {f"{top}/dataset.json": b"{}"}
    for n in range(1, subjects + 1):
        own: Shape = (shape[0] + n % 3, shape[1] - n % 2, shape[2] + n % 2)
        image, labels = _subject(_HIPPOCAMPUS, own, "RAS", seed + n, radius=0.16)
        scale, dtype = (200, np.uint8) if n % 2 else (400_000, np.float32)
        files[f"{top}/imagesTr/hippocampus_{n:03d}.nii.gz"] = _nifti(np.round(image * scale), affine, dtype)
        files[f"{top}/labelsTr/hippocampus_{n:03d}.nii.gz"] = _nifti(labels, affine, np.uint8)
        files[f"{top}/imagesTr/._hippocampus_{n:03d}.nii.gz"] = b"resource fork"
    return files


def pack_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a tar file of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def pack_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    """Write a zip file of these members."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write these files below `folder`, as if unpacked."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def _subject(
    centres: Mapping[int, tuple[float, float, float]], shape: Shape, axes: str, seed: int, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Image in [0, 1] and labels uint8 of `shape`, drawn right to left, posterior to anterior, inferior to superior."""
    generator = np.random.default_rng(seed)
    turn = orientations.ornt_transform(orientations.axcodes2ornt("LAS"), orientations.axcodes2ornt(axes))
    body = tuple(shape[int(axis)] for axis in turn[:, 0])
    grid = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / n for n in body), indexing="ij"), axis=-1)
    labels = np.zeros(body, np.uint8)
    for label, centre in centres.items():
        jitter = generator.uniform(-0.04, 0.04, 3)
        labels[(((grid - centre - jitter) / (radius * np.array([0.9, 1.0, 1.1]))) ** 2).sum(-1) < 1] = label
    grey = np.linspace(0.35, 0.95, max(centres) + 1)
    grey[0] = 0.15
    image = np.clip(grey[labels] + generator.normal(0, 0.02, body), 0, 1)
    return orientations.apply_orientation(image, turn), orientations.apply_orientation(labels, turn)


def _nifti(data: np.ndarray, affine: np.ndarray, dtype: type) -> bytes:
    """A NIfTI file, compressed."""
    return gzip.compress(nib.Nifti1Image(data.astype(dtype), affine).to_bytes(), compresslevel=1, mtime=0)
