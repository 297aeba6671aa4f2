"""Dissimilarities of the fixed and the warped image, one module each; `loss.similarity` of a run names the module.

A module has `dissimilarity(fixed, warped, stride)`, a scalar that training makes smaller, of images
``(B, 1, H, W, D)``. They lie on a grid whose voxels are `stride` voxels of the scans apart.
"""
