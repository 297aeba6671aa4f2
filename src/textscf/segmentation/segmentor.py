"""Applies a segmentor: gives the regions of scans on the grid of a cohort."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from textscf.errors import InputError
from textscf.segmentation.classes import region_channels
from textscf.segmentation.stored import StoredImage, stored_probabilities
from textscf.segmentation.swin_unetr import check_window, probabilities, segmentor_with


class Segmentor:
    """A SwinUNETR that was trained on a cohort's prepared scans, or pretrained on scans of another resolution.

    Args:
        weights: state dictionary of the network.
        source: where the weights come from, for messages.
        settings: settings of the segmentor, see `config/schemas/segmentor.yaml`.
        anatomy: anatomy of the cohort.
        device: where to compute.

    Raises:
        InputError: the weights do not fit, or the network's classes are not the cohort's regions.
    """

    def __init__(
        self,
        weights: Mapping[str, Any],
        source: str,
        settings: Mapping[str, Any],
        anatomy: Mapping[str, Any],
        device: torch.device,
    ) -> None:
        self._settings, self._device = settings, device
        self._source = source
        check_window(settings["window"], self._source)
        self._channels: list[int] = []
        if settings["source"] == "pretrained":
            self._channels = region_channels(settings["classes"], anatomy, self._source)
        self._network = segmentor_with(weights, settings, len(anatomy["structures"]) + 1, device, source)

    @property
    def parameters(self) -> int:
        """Number of parameters of the network."""
        return sum(each.numel() for each in self._network.parameters())

    def regions(self, prepared: np.ndarray, stored: StoredImage | None) -> tuple[Tensor, Tensor]:
        """J(x), the most probable region, uint8, and p(x), its probability, float32; both ``(H, W, D)``.

        Args:
            prepared: the scan on the cohort's grid, the input of a network trained on the cohort.
            stored: the scan at its own resolution, the input of a pretrained network.
        """
        if self._settings["source"] == "train":
            distribution = probabilities(self._network, prepared, self._settings, self._device)
        elif stored is None:
            raise InputError(f"{self._source}: is pretrained, but the stored scans are not given (--raw)")
        else:
            distribution = stored_probabilities(self._network, self._channels, stored, self._settings, self._device)
        confidence, labels = distribution.max(0)
        return labels.to(torch.uint8), confidence
