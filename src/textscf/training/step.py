"""One training step: the loss, its gradient, Adam, and the form (layout, compilation) of the computation."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from textscf.job.devices import autocast
from textscf.job.memory import keep_freed_memory
from textscf.models import RegistrationNetwork
from textscf.registration.volumes import Scan

logger = logging.getLogger(__name__)

Loss = Callable[[RegistrationNetwork, Scan, Scan], Tensor]

_LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}
_COMPILED = "compiled"
_UNTIMED_STEPS, _TIMED_STEPS = 2, 5


class TrainingStep:
    """Updates a network by one step of Adam.

    On a GPU `float32` is the reference: every operation uses IEEE single precision, without TF32. With `bfloat16`,
    convolutions and matrix products multiply in bfloat16, and the rest is in single precision. The memory layout of
    features and the compilation of the loss change the result only by rounding; `choose_form` measures their speed.

    Args:
        network: network on its device.
        loss: computes values, of which the first is minimised, see `textscf.training.objective.Objective`.
        precision: ``float32`` or ``bfloat16``.
        amsgrad: use AMSGrad, which divides by the largest second moment so far instead of the present one.
        clip_gradient: largest Euclidean norm of the gradient of all parameters together; a larger gradient is scaled
            down to it. None means no clipping.

    Attributes:
        optimizer: Adam with its moments.
        form: text that describes the choice of `choose_form`; None before the choice.
    """

    def __init__(
        self,
        network: RegistrationNetwork,
        loss: Loss,
        precision: str,
        amsgrad: bool = False,
        clip_gradient: float | None = None,
    ) -> None:
        self._network, self._amsgrad, self._clip_gradient = network, amsgrad, clip_gradient
        self._plain_loss = self._loss = loss
        self._device = next(network.parameters()).device
        if self._device.type == "cpu":
            keep_freed_memory()
        self._autocast = autocast(self._device, precision)
        self.form: str | None = None
        self.restart()

    def restart(self) -> None:
        """Reset Adam's moments."""
        self.optimizer = torch.optim.Adam(self._network.parameters(), fused=True, amsgrad=self._amsgrad)

    def load(self, moments: Mapping[str, Any]) -> None:
        """Load a `state_dict` of the optimizer, which may have another memory layout."""
        self.optimizer.load_state_dict(dict(moments))
        self._align_moments()

    def __call__(self, fixed: Scan, moving: Scan, learning_rate: float) -> Tensor:
        """Do one step and return the loss values before it, without waiting for the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        values = self._gradient(fixed, moving)
        if self._clip_gradient is not None:
            clip_grad_norm_(self._network.parameters(), self._clip_gradient)
        self.optimizer.step()
        return values

    def choose_form(self, fixed: Scan, moving: Scan, compiled: bool) -> None:
        """Choose the memory layout that is fastest on this pair; if `compiled`, compile the loss where that is faster.

        Parameters and random numbers do not change. The log reports the measured times. If the environment has
        TORCH_COMPILE_DISABLE=1, nothing is compiled.
        """
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices, device_type=self._device.type):
            seconds = {name: self._timed(name, fixed, moving) for name in _LAYOUTS}
            layout = min(seconds, key=seconds.__getitem__)
            self._arrange(layout)
            if compiled and not torch._dynamo.config.disable:
                self._loss = torch.compile(self._plain_loss)
                taken = self._timed(layout, fixed, moving)
                if self._loss is not self._plain_loss:
                    seconds[_COMPILED] = taken
                if taken > seconds[layout]:
                    self._loss = self._plain_loss
        self.form = layout if self._loss is self._plain_loss else f"{layout}, {_COMPILED}"
        self.optimizer.zero_grad(set_to_none=True)
        measured = ", ".join(f"{name} {1e3 * value:.4g} ms" for name, value in seconds.items())
        logger.info("loss and gradient: %s; computed %s", measured, self.form)

    def _timed(self, layout: str, fixed: Scan, moving: Scan) -> float:
        """Mean seconds for loss and gradient in a layout, after some untimed repetitions."""
        self._arrange(layout)
        for _ in range(_UNTIMED_STEPS):
            self._gradient(fixed, moving)
        _synchronize(self._device)
        started = time.perf_counter()
        for _ in range(_TIMED_STEPS):
            self._gradient(fixed, moving)
        _synchronize(self._device)
        return (time.perf_counter() - started) / _TIMED_STEPS

    def _gradient(self, fixed: Scan, moving: Scan) -> Tensor:
        """Compute the loss values and set the gradients of the parameters."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            try:
                return self._backward(fixed, moving)
            except RuntimeError as error:
                if self._loss is self._plain_loss or not isinstance(error, torch._dynamo.exc.TorchDynamoException):
                    raise
                logger.warning("the loss is not compiled: %s", str(error).strip().partition("\n")[0])
                self._loss = self._plain_loss
                self.optimizer.zero_grad(set_to_none=True)
                return self._backward(fixed, moving)

    def _backward(self, fixed: Scan, moving: Scan) -> Tensor:
        with self._autocast:
            values = self._loss(self._network, fixed, moving)
        values[0].backward()
        return values.detach()

    def _arrange(self, layout: str) -> None:
        """Store kernels and their moments in a layout; cuDNN derives the layout of features from the kernels."""
        self._network.to(memory_format=_LAYOUTS[layout])
        self._align_moments()

    def _align_moments(self) -> None:
        for parameter, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == parameter.shape:
                    moments[name] = torch.empty_like(parameter).copy_(value)


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
