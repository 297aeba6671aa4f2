"""Imports the scripts' slow dependencies in the process from which cases are forked."""

import torch

torch.set_num_threads(1)
