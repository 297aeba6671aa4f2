"""Register two NIfTI files with FireANTs and write the displacement field, for `method: external` (docs/external.md).

It runs in an environment of its own, which has the fireants package: `python fireants_pair.py FIXED MOVING OUT`.
"""

import sys

import torch
from fireants.io import BatchedImages, Image
from fireants.registration.greedy import GreedyRegistration


def main(fixed: str, moving: str, out: str) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images = [BatchedImages([Image.load_file(path, device=device)]) for path in (fixed, moving)]
    greedy = GreedyRegistration([4, 2, 1], [200, 100, 50], *images, loss_type="cc", cc_kernel_size=5)
    greedy.optimize()
    greedy.save_as_ants_transforms(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
