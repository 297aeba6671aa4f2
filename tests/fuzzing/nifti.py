"""NIfTI files, plain and compressed, as scans and as label maps."""

import gzip

import nibabel as nib
import numpy as np

from tests.fuzzing.target import Target, each_of
from textscf.files.image_file import read_image_file, read_label_file
from textscf.files.io import read_image, read_labels


def _scan(kind: type[np.generic], image: type = nib.Nifti1Image) -> bytes:
    voxels = np.arange(24).reshape(2, 3, 4).astype(kind)
    content: bytes = image(voxels, np.diag([2.0, 2.0, 3.0, 1.0])).to_bytes()
    return content


TARGET = Target(
    "scan.nii.gz",
    each_of(read_image, read_labels, read_image_file, read_label_file),
    (
        b"\0" + _scan(np.int16),
        b"\1" + _scan(np.float32),
        b"\1" + _scan(np.uint8, nib.Nifti2Image),
        b"\0" + gzip.compress(_scan(np.uint8), mtime=0),
    ),
    (bytes, lambda content: gzip.compress(content, 1, mtime=0)),
)
