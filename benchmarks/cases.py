"""The benchmark cases, at the paper's sizes: abdominal CT at 96x80x128, brains at 160x192x224."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks import plain
from benchmarks.measure import Case, Timed
from benchmarks.volumes import (
    CONFIG,
    REAL_BRAIN,
    brain_labels,
    deformed_brains,
    noise_scan,
    real_brain_labels,
    smooth_field,
)
from textscf.data.simulation.simulated_cohort import simulate_cohort
from textscf.files.io import read_json
from textscf.job.devices import has_bfloat16
from textscf.losses import SoftDice
from textscf.losses.similarities.multi_window_ncc import squared_correlation
from textscf.metrics import evaluate_pair
from textscf.models import RegistrationNetwork, build_network
from textscf.models.backbones.lku_net import LargeKernelBlock
from textscf.models.heads import SCFHead
from textscf.study.catalogue import Catalogue
from textscf.training.objective import Objective
from textscf.training.step import TrainingStep

ABDOMEN = (96, 80, 128)
BRAIN = (160, 192, 224)
HALF_ABDOMEN = (48, 40, 64)
TEXT_WIDTH = 768
LOSS: dict[str, Any] = {
    "similarity": "mse",
    "dice": 1.0,
    "smoothness": 0.1,
    "regularise": "displacement",
    "padding": "zeros",
}
LEARNING_RATE = 1e-4


def cases(device: str, data_root: Path | None = None) -> dict[str, Case]:
    """All cases by short names; like the paper study, fast training steps use bfloat16 if the device supports it.

    The evaluation is of a real brain if `data_root` has it, and of a simulated one otherwise.
    """
    real = data_root is not None and (data_root / REAL_BRAIN).is_file()
    precision = "bfloat16" if has_bfloat16(torch.device(device)) else "float32"
    tolerance = 3e-2 if precision == "bfloat16" else 1e-3
    return {
        "dice": _pair("Dice loss, forward + backward, 36 classes, 160x192x224", dice_loss, 1e-5),
        "correlation": _pair("Local correlation, forward + backward, window 7, 160x192x224", correlation, 1e-4),
        "block": _pair("Large-kernel block, forward + backward, 64 channels, 48x40x64", block, 1e-4),
        "head": _pair("SCF head, forward + backward, 14 regions, 64 channels, 48x40x64", head, 1e-4),
        "step": _pair(
            f"Training step, N_s = 32, 14 regions, 96x80x128, {precision}",
            partial(step, shape=ABDOMEN, start_channels=32, regions=14, precision=precision),
            tolerance,
        ),
        "brain_step": _pair(
            f"Training step, N_s = 8, 36 regions, 160x192x224, {precision}",
            partial(step, shape=BRAIN, start_channels=8, regions=36, precision=precision),
            tolerance,
        ),
        "small_step": _pair(
            f"Training step, N_s = 8, full resolution, 14 regions, 48x40x64, {precision}",
            partial(
                step,
                shape=HALF_ABDOMEN,
                start_channels=8,
                regions=14,
                precision=precision,
                full_resolution=True,
            ),
            tolerance,
        ),
        "inference": _pair("Inference of a pair, N_s = 32, 14 regions, 96x80x128", inference, 1e-4),
        "evaluation": _pair(
            f"Evaluation of a pair, 35 labels of a {'real' if real else 'simulated'} brain, 160x192x224 (CPU)",
            partial(evaluation, data_root=data_root if real else None),
            1e-6,
        ),
        "simulation": Case(
            f"Simulation of 4 brains, 160x192x224, {os.cpu_count()} processes against 1 (CPU)",
            partial(simulation, workers=os.cpu_count() or 1),
            partial(simulation, workers=1),
            0.0,
            repeats=1,
        ),
    }


def _pair(name: str, prepare: Callable[..., Timed], tolerance: float) -> Case:
    return Case(name, partial(prepare, fast=True), partial(prepare, fast=False), tolerance)


def dice_loss(device: str, fast: bool) -> Timed:
    """Time the Dice loss; returns its value and the norm of its gradient."""
    fixed, moving = (torch.from_numpy(brain_labels(BRAIN, n))[None, None].to(device) for n in (1, 2))
    field = torch.from_numpy(smooth_field(BRAIN, 2.0)).movedim(-1, 0)[None].contiguous().to(device).requires_grad_()
    loss = SoftDice(36) if fast else partial(plain.one_hot_dice, n_regions=36)

    def timed() -> list[float]:
        value = loss(fixed, moving, field)
        (gradient,) = torch.autograd.grad(value, field)
        return [value.item(), gradient.norm().item()]

    return timed


def correlation(device: str, fast: bool) -> Timed:
    """Time the local correlation of two images; returns its mean and the norm of its gradient."""
    generator = torch.Generator().manual_seed(0)
    images = [torch.rand(1, 1, *BRAIN, generator=generator).to(device) for _ in range(2)]
    images[1].requires_grad_()
    measure = squared_correlation if fast else plain.pooled_correlation

    def timed() -> list[float]:
        value = measure(images[0], images[1], 7).mean()
        (gradient,) = torch.autograd.grad(value, images[1])
        return [value.item(), gradient.norm().item()]

    return timed


def block(device: str, fast: bool) -> Timed:
    """Time the large-kernel block; returns the norms of its result and of the gradient of its input."""
    torch.manual_seed(0)
    module = LargeKernelBlock(64, 5).to(device)
    features = torch.randn(1, 64, *HALF_ABDOMEN, device=device, requires_grad=True)
    return partial(_forward_backward, module if fast else module.branches, features, list(module.parameters()))


def head(device: str, fast: bool) -> Timed:
    """Time the SCF head; returns the norms of the field and of the gradient of the features."""
    torch.manual_seed(0)
    module = SCFHead(64, torch.randn(14, TEXT_WIDTH), 2048).to(device)
    features = torch.randn(1, 64, *HALF_ABDOMEN, device=device, requires_grad=True)
    scan = noise_scan(HALF_ABDOMEN, 14, device, 0)
    apply = module if fast else partial(plain.per_voxel_filters, module)
    run = partial(apply, regions=scan.regions, confidence=scan.confidence)
    return partial(_forward_backward, run, features, list(module.parameters()))


def step(
    device: str,
    fast: bool,
    shape: tuple[int, ...],
    start_channels: int,
    regions: int,
    precision: str,
    full_resolution: bool = False,
) -> Timed:
    """Time a training step; returns the loss before the step.

    The plain version uses float32, one-hot Dice and PyTorch's plain Adam.
    """
    network = _textscf(start_channels, regions, full_resolution).to(device)
    fixed, moving = (noise_scan(shape, regions, device, seed) for seed in (0, 1))
    if fast:
        advance = TrainingStep(network, Objective(LOSS, regions), precision)
        return lambda: float(advance(fixed, moving, LEARNING_RATE)[0])
    network = plain.make_plain(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, foreach=False, fused=False)

    def timed() -> float:
        loss = plain.objective(network, fixed, moving, regions, LOSS["smoothness"])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return timed


def inference(device: str, fast: bool) -> Timed:
    """Time inference; returns the norm of the field. The fast version is the network of an exported checkpoint."""
    network = _textscf(32, 14).to(device).eval()
    network = network.frozen() if fast else plain.make_plain(network)
    fixed, moving = (noise_scan(ABDOMEN, 14, device, seed) for seed in (0, 1))

    def timed() -> float:
        with torch.inference_mode():
            return float(network(moving.image, fixed.image, fixed.regions, fixed.confidence).norm())

    return timed


def evaluation(device: str, fast: bool, data_root: Path | None = None) -> Timed:
    """Time the evaluation of a pair; returns Dice and HD95 of each structure, and SDlogJ.

    The fast version also computes the field's jumps at borders and its folded share.
    """
    if data_root:
        fixed, moving = deformed_brains(real_brain_labels(data_root), (1, 2))
    else:
        fixed, moving = (brain_labels(BRAIN, number) for number in (1, 2))
    field = smooth_field(BRAIN, 2.0)

    def timed() -> np.ndarray:
        if not fast:
            return plain.evaluate(fixed, moving, field, 35)
        metrics = evaluate_pair(fixed, moving, field, range(1, 36))
        return np.array([*metrics.dice, *metrics.hd95, metrics.sdlogj])

    return timed


def simulation(device: str, workers: int) -> Timed:
    """Time the simulation of a cohort; returns digests of its volumes."""
    cohort = Catalogue(CONFIG).cohort("simulated_brain")
    extent = np.multiply(cohort["preprocess"]["shape"], cohort["preprocess"]["spacing"])
    cohort["preprocess"] |= {"shape": list(BRAIN), "spacing": (extent / BRAIN).tolist()}
    cohort["splits"] = {"train": ["1-2"], "validation": [3], "test": [4]}

    def timed() -> list[int]:
        with tempfile.TemporaryDirectory() as folder:
            simulate_cohort(cohort, None, Path(folder), workers)
            files: dict[str, Any] = read_json(Path(folder) / "simulation.json")["files"]
        return [int(hashlib.sha256(digest.encode()).hexdigest()[:12], 16) for _, digest in sorted(files.items())]

    return timed


def _textscf(start_channels: int, regions: int, full_resolution: bool = False) -> RegistrationNetwork:
    torch.manual_seed(0)
    settings = {
        "backbone": {"name": "lku_net", "start_channels": start_channels, "full_resolution": full_resolution},
        "head": {"kind": "scf", "hidden_channels": 2048, "blend": "convex"},
        "integration_steps": 0,
    }
    return build_network(settings, torch.randn(regions, TEXT_WIDTH))


def _forward_backward(
    function: Callable[[Tensor], Tensor], features: Tensor, parameters: list[torch.nn.Parameter]
) -> list[float]:
    out = function(features)
    (gradient, *_) = torch.autograd.grad(out.square().mean(), [features, *parameters], allow_unused=True)
    return [float(out.detach().norm()), float(gradient.norm())]
