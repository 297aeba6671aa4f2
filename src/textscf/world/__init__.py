"""Grids of voxels in world space, in NumPy; nothing here imports torch."""
