"""Small settings of every backbone, for tests of what does not depend on its size."""

from typing import Any

SMALL: dict[str, dict[str, Any]] = {
    "lku_net": {"start_channels": 4},
    "voxelmorph": {"encoder": [8, 8, 8, 8], "decoder": [8, 8, 8, 8, 8, 8]},
    "lapirn": {"start_channels": 2},
    "transmorph": {"embed_channels": 8, "depths": [2, 1, 1, 1], "attention_heads": [1, 1, 2, 2], "drop_path": 0.0},
    "tm_tvf": {
        "embed_channels": 8,
        "depths": [2, 1, 1, 1],
        "attention_heads": [1, 1, 2, 2],
        "drop_path": 0.0,
        "head_channels": 8,
        "time_steps": 2,
    },
    "fourier_net": {"start_channels": 4},
    "im2grid": {"start_channels": 2, "matching_channels": 6},
}
