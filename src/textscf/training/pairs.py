"""Schedule of training pairs. It depends only on seed and step, so that a resumed run gets the same pairs."""

import random
from collections.abc import Sequence
from functools import lru_cache

Pair = tuple[str, str]


class PairSchedule:
    """Ordered (fixed, moving) pairs of distinct subjects of a cohort, reshuffled after each pass and at each epoch.

    Args:
        subjects: training subjects.
        seed: seed of the run.
        steps_per_epoch: pairs per epoch; None means every ordered pair once (380 for the paper's 20 scans).
        auxiliary: training subjects of an auxiliary cohort; its pairs are drawn like the others, and no pair mixes the
            cohorts.
    """

    def __init__(
        self, subjects: Sequence[str], seed: int, steps_per_epoch: int | None = None, auxiliary: Sequence[str] = ()
    ) -> None:
        self._cohorts = [list(subjects), *([list(auxiliary)] if auxiliary else [])]
        for members in self._cohorts:
            if len(members) < 2:
                raise ValueError(f"{len(members)} training subjects; a pair needs 2")
        self._seed = seed
        self._all = sum(_count(members) for members in self._cohorts)
        self.steps_per_epoch = steps_per_epoch or self._all
        self._shuffled = lru_cache(maxsize=2)(self._shuffle)

    def __getitem__(self, step: int) -> Pair:
        """Pair of a step; steps count from 0 over all epochs."""
        epoch, index = divmod(step, self.steps_per_epoch)
        repeat, index = divmod(index, self._all)
        return self._pair(self._shuffled(epoch, repeat)[index])

    def _pair(self, code: int) -> Pair:
        """Pair with number `code` below `_all`; the numbers count first the cohort's pairs, then the auxiliary ones."""
        subjects = self._cohorts[0]
        if code >= _count(subjects):
            code, subjects = code - _count(subjects), self._cohorts[1]
        fixed, other = divmod(code, len(subjects) - 1)
        return subjects[fixed], subjects[other + (other >= fixed)]

    def _shuffle(self, epoch: int, repeat: int) -> list[int]:
        generator = random.Random(f"{self._seed}/{epoch}/{repeat}")
        return generator.sample(range(self._all), min(self.steps_per_epoch, self._all))


def _count(subjects: Sequence[str]) -> int:
    return len(subjects) * (len(subjects) - 1)
