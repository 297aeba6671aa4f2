"""Networks and scans on a pretended GPU: tensors with a device, a type and a shape, and no values."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from textscf.registration.volumes import Scan


@contextmanager
def on_fake_cuda(network: nn.Module, shape: tuple[int, int, int]) -> Iterator[Scan]:
    """Moves `network` to a pretended GPU and yields a scan on it."""
    with FakeTensorMode():
        for module in network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                setattr(module, name, nn.Parameter(torch.empty(parameter.shape, device="cuda")))
            for name, buffer in module.named_buffers(recurse=False):
                setattr(module, name, torch.empty(buffer.shape, device="cuda", dtype=buffer.dtype))
        image = torch.empty(1, 1, *shape, device="cuda")
        labels = torch.empty(1, 1, *shape, device="cuda", dtype=torch.uint8)
        yield Scan(image, labels, labels, image)
