"""One training step: the loss, its gradient and Adam."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from textscf.errors import InputError
from textscf.job.devices import autocast
from textscf.job.memory import keep_freed_memory
from textscf.models import RegistrationNetwork
from textscf.registration.volumes import Scan

Loss = Callable[[RegistrationNetwork, Scan, Scan], Tensor]

_LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last_3d}


class TrainingStep:
    """Updates a network by one step of Adam.

    On a GPU `float32` is the reference: every operation uses IEEE single precision, without TF32. With `bfloat16`,
    convolutions and matrix products multiply in bfloat16, and the rest is in single precision. The memory layout of
    features and the compilation of the loss change the result only by rounding.

    Args:
        network: network on its device.
        loss: computes values, of which the first is minimised, see `textscf.training.objective.Objective`.
        precision: ``float32`` or ``bfloat16``.
        amsgrad: use AMSGrad, which divides by the largest second moment so far instead of the present one.
        clip_gradient: largest Euclidean norm of the gradient of all parameters together; a larger gradient is scaled
            down to it. None means no clipping.
        layout: memory layout of kernels, from which cuDNN derives that of features: ``contiguous`` or
            ``channels_last``. None means channels_last for `bfloat16` on a GPU and contiguous otherwise.
        compiled: compile the loss with `torch.compile`.

    Attributes:
        optimizer: Adam with its moments.
    """

    def __init__(
        self,
        network: RegistrationNetwork,
        loss: Loss,
        precision: str,
        amsgrad: bool = False,
        clip_gradient: float | None = None,
        layout: str | None = None,
        compiled: bool = False,
    ) -> None:
        self._network, self._amsgrad, self._clip_gradient = network, amsgrad, clip_gradient
        self._loss = torch.compile(loss) if compiled else loss
        device = next(network.parameters()).device
        if device.type == "cpu":
            keep_freed_memory()
        self._autocast = autocast(device, precision)
        network.to(memory_format=_LAYOUTS[layout or _usual_layout(device, precision)])
        self.restart()

    def restart(self) -> None:
        """Reset Adam's moments."""
        self.optimizer = torch.optim.Adam(self._network.parameters(), fused=True, amsgrad=self._amsgrad)

    def load(self, moments: Mapping[str, Any]) -> None:
        """Load a `state_dict` of the optimizer, which may have the memory layout of another device."""
        self.optimizer.load_state_dict(dict(moments))
        for parameter, values in self.optimizer.state.items():
            for name, value in values.items():
                if value.shape == parameter.shape:
                    values[name] = torch.empty_like(parameter).copy_(value)

    def __call__(self, fixed: Scan, moving: Scan, learning_rate: float) -> Tensor:
        """Do one step and return the loss values before it, without waiting for the device."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        values = self._gradient(fixed, moving)
        if self._clip_gradient is not None:
            clip_grad_norm_(self._network.parameters(), self._clip_gradient)
        self.optimizer.step()
        return values

    def _gradient(self, fixed: Scan, moving: Scan) -> Tensor:
        """Compute the loss values and set the gradients of the parameters."""
        self.optimizer.zero_grad(set_to_none=True)
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            try:
                with self._autocast:
                    values = self._loss(self._network, fixed, moving)
            except torch._dynamo.exc.TorchDynamoException as error:
                reason = str(error).strip().partition("\n")[0]
                raise InputError(
                    f"training.compiled: the loss cannot be compiled here ({reason}); set it to false"
                ) from error
            values[0].backward()
        return values.detach()


def _usual_layout(device: torch.device, precision: str) -> str:
    return "channels_last" if device.type == "cuda" and precision == "bfloat16" else "contiguous"
