"""textSCF: spatially covariant image registration with text prompts.

Conventions, everywhere in this package:

- Volumes are ``(H, W, D)``, the NIfTI axes ``(i, j, k)``; tensors are ``(B, C, H, W, D)``.
- A displacement field ``u`` is in voxels of the grid it lives on, its components in axis order, and pulls back:
  ``warped(x) = moving(x + u(x))``. As a tensor it is ``(B, 3, H, W, D)``, as a NumPy array ``(H, W, D, 3)``.
  Resizing a field to another grid rescales its values by the ratio of the grids.
- Label 0 is background; the structures of an anatomy are numbered 1 to N - 1.
- Distances are millimetres where a spacing is given, voxels otherwise. Dice runs from 0 to 1.
"""

__version__ = "0.1.0"
