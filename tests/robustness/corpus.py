"""Collection of all cases."""

import itertools

from tests.robustness import archives, artefacts, scans, settings
from tests.robustness.case import Case


def corpus() -> list[Case]:
    """All cases in the order of the page, grouped by kind."""
    cases = [*itertools.chain(scans.cases(), settings.cases(), artefacts.cases(), archives.cases())]
    kinds = list(dict.fromkeys(case.kind for case in cases))
    return sorted(cases, key=lambda case: kinds.index(case.kind))


def sample(cases: list[Case]) -> list[Case]:
    """The first case for every combination of kind and entry point."""
    return list({(case.kind, case.entry): case for case in reversed(cases)}.values())[::-1]
