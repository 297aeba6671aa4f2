"""textSCF: spatially covariant image registration with text prompts.

Conventions of the whole package:

- Volumes are ``(H, W, D)``, the NIfTI axes ``(i, j, k)``; tensors are ``(B, C, H, W, D)``.
- A displacement field ``u`` is in voxels of its own grid, with components in axis order. It pulls the moving image
  back: ``warped(x) = moving(x + u(x))``. As a tensor it is ``(B, 3, H, W, D)``, as a NumPy array ``(H, W, D, 3)``.
  Resizing a field to another grid rescales its values by the ratio of the grids.
- Label 0 is background; the structures of an anatomy are numbered 1 to N - 1.
- Distances are in millimetres if a spacing is given, otherwise in voxels. Dice is between 0 and 1.
"""

__version__ = "0.2.0"
