"""Which pair a training step sees. A pure function of seed and step, so that a resumed run sees the same ones."""

import random
from collections.abc import Sequence
from functools import lru_cache

Pair = tuple[str, str]


class PairSchedule:
    """Ordered (fixed, moving) pairs of distinct subjects, reshuffled each time all have been seen.

    Args:
        subjects: training subjects.
        seed: of the run.
        steps_per_epoch: pairs per epoch; None means every ordered pair once (380 for the paper's 20 scans).
    """

    def __init__(self, subjects: Sequence[str], seed: int, steps_per_epoch: int | None = None) -> None:
        if len(subjects) < 2:
            raise ValueError(f"{len(subjects)} training subjects; a pair needs 2")
        self._subjects = list(subjects)
        self._seed = seed
        self._all = len(subjects) * (len(subjects) - 1)
        self.steps_per_epoch = steps_per_epoch or self._all
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def __getitem__(self, step: int) -> Pair:
        """The pair of a global step, counted from 0 over all epochs."""
        epoch, index = divmod(step, self.steps_per_epoch)
        repeat, index = divmod(index, self._all)
        code = self._shuffled(epoch, repeat)[index]
        fixed, other = divmod(code, len(self._subjects) - 1)
        return self._subjects[fixed], self._subjects[other + (other >= fixed)]

    def _shuffle(self, epoch: int, repeat: int) -> list[int]:
        generator = random.Random(f"{self._seed}/{epoch}/{repeat}")
        return generator.sample(range(self._all), min(self.steps_per_epoch, self._all))
