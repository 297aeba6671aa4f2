"""Products with the filters of regions equal those with each voxel's own filter, forward and backward."""

import pytest
import torch

from textscf.models.projection import project


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int64])
@pytest.mark.parametrize("samples", [1, 2])
def test_equal_to_a_filter_per_voxel(samples: int, kind: torch.dtype) -> None:
    torch.manual_seed(0)
    regions = torch.randint(0, 4, (samples, 1, 3, 4, 5)).to(kind)
    filters = torch.randn(6, 3, 7, dtype=torch.float64, requires_grad=True)
    features = torch.randn(samples, 7, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    found = project(filters, features, regions)
    expected = torch.einsum("bhwdkc,bchwd->bkhwd", filters[regions[:, 0].long()], features)
    torch.testing.assert_close(found, expected)
    sources = (filters, features)
    torch.testing.assert_close(*(torch.autograd.grad(out.sin().sum(), sources) for out in (found, expected)))


def test_a_region_without_a_filter_is_refused() -> None:
    with pytest.raises((RuntimeError, ValueError)):
        project(torch.zeros(2, 3, 1), torch.zeros(1, 1, 1, 1, 1), torch.full((1, 1, 1, 1, 1), 2))
