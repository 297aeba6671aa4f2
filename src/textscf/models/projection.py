"""Projection of each voxel's features on the filters of its region."""

from typing import Any

import torch
from torch import Tensor

from textscf.models.eager import on_cpu


def project(filters: Tensor, features: Tensor, regions: Tensor) -> Tensor:
    """Multiply each voxel's features by the filters of its region: ``(B, K, h, w, d)``.

    On the CPU, the voxels are sorted by region and each region takes one matrix product. On other devices, one matrix
    product projects on the filters of all regions, and each voxel selects the values of its own region.

    Args:
        filters: ``(N, K, C)``, K filters per region.
        features: ``(B, C, h, w, d)``.
        regions: ``(B, 1, h, w, d)``, integers below N.
    """
    filters = filters.to(features.dtype)
    if on_cpu(features):
        result: Tensor = _BySortedVoxels.apply(filters, features, regions)
        return result
    projected = torch.einsum("rkc,bchwd->brkhwd", filters, features)
    index = regions.long().unsqueeze(2).expand(-1, -1, filters.shape[1], -1, -1, -1)
    return projected.gather(1, index).squeeze(1)


class _BySortedVoxels(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, filters: Tensor, features: Tensor, regions: Tensor) -> Tensor:
        order = regions.reshape(-1).sort(stable=True)[1]
        place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))
        counts = regions.reshape(-1).bincount(minlength=len(filters)).tolist()
        rows = _rows(features).index_select(0, order)
        ctx.save_for_backward(filters, rows, order, place)
        ctx.counts, ctx.shape = counts, features.shape
        products = rows.new_empty((len(rows), filters.shape[1]))
        for of_region, part, filter_ in zip(products.split(counts), rows.split(counts), filters, strict=True):
            torch.mm(part, filter_.t(), out=of_region)
        return _volume(products, place, features.shape)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        filters, rows, order, place = ctx.saved_tensors
        of_products = _rows(gradient).index_select(0, order).split(ctx.counts)
        of_filters = of_features = None
        if ctx.needs_input_grad[0]:
            parts = zip(of_products, rows.split(ctx.counts), strict=True)
            of_filters = torch.stack([of_product.t() @ part for of_product, part in parts])
        if ctx.needs_input_grad[1]:
            of_rows = torch.empty_like(rows)
            for target, of_product, filter_ in zip(of_rows.split(ctx.counts), of_products, filters, strict=True):
                torch.mm(of_product, filter_, out=target)
            of_features = _volume(of_rows, place, ctx.shape)
        return of_filters, of_features, None


def _rows(volume: Tensor) -> Tensor:
    """Reshape ``(B, C, h, w, d)`` to ``(voxels, C)``."""
    return volume.permute(0, 2, 3, 4, 1).reshape(-1, volume.shape[1])


def _volume(rows: Tensor, place: Tensor, shape: torch.Size) -> Tensor:
    """Put rows back at their places as ``(B, C, h, w, d)``, channels last in memory."""
    b, _, *size = shape
    return rows.index_select(0, place).reshape(b, *size, -1).permute(0, 4, 1, 2, 3)
