"""Everything that the scripts import, for the process that cases are forked from."""

import torch

torch.set_num_threads(1)
