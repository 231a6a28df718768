"""How a fairness audit is made, whatever it is of."""

from __future__ import annotations

from dataclasses import dataclass

from rtl_core.errors import BadInput
from rtl_core.statistics.intervals import LEVEL


@dataclass(frozen=True)
class AuditSettings:
    """What is compared with what, by which metrics, and how sure the figures are to be.

    reference     names of groups, such as "race=White" and "race=White,sex=Male", that the others of their columns are
                  compared with; without one the largest group is, "missing" apart
    metrics       of `group_metrics.METRICS`; None: all, those of scores only where there are scores
    permutations  of each permutation test
    seed          of the permutation tests and of whatever else is drawn
    level         of all intervals; 1 - level is the alpha of `min_detectable`

    Raises BadInput for a level or a number of permutations that makes no sense.
    """

    reference: tuple[str, ...] = ()
    metrics: tuple[str, ...] | None = None
    permutations: int = 10_000
    seed: int = 0
    level: float = LEVEL

    def __post_init__(self) -> None:
        if not (0 < self.level < 1 and self.permutations > 0):
            raise BadInput("The level of the intervals lies between 0 and 1, and at least one permutation is needed.")


USUAL = AuditSettings()
