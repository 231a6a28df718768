"""From sanity scores to one of three words and the reason for it.

The thresholds were fixed on cases whose answer is known (tests/audit/attribution/test_verdict.py), before any
run was looked at: gradient x input of a linear net and integrated gradients of a small trained one have to pass,
an edge detector, a constant map, guided backpropagation on a random net and a broken DeepLIFT have to fail.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from rtl_core.audit.attribution.sanity import Sanity

Verdict = Literal["ok", "doubtful", "do not trust"]

SHUFFLED_BAD = 0.5  # mean rank correlation with the maps of shuffled weights: guided backpropagation has 0.6 to 0.7,
SHUFFLED_DOUBTFUL = 0.3  # maps of integrated gradients and of signed gradients stay below 0.2
MASK_DOUBTFUL = 0.9  # with the maps under other masks: masks that share half of a linear net's weights give up to 0.8
DELTA_BAD = 0.2  # of the difference that the map should sum to
DELTA_DOUBTFUL = 0.05
INFIDELITY_DOUBTFUL = 0.9  # a map of zeros has 1
SENSITIVITY_DOUBTFUL = 1.0  # the map changes by more than its own length


def verdicts(scores: Sanity) -> list[tuple[Verdict, str]]:
    """(verdict, reason) for each map; the reason of "ok" is that nothing speaks against it."""
    return [_verdict(scores, i) for i in range(len(scores.constant))]


def _verdict(scores: Sanity, i: int) -> tuple[Verdict, str]:
    """The first finding that applies, the worst ones first. NaN is above no threshold."""
    shuffled, delta = scores.weight_randomisation[i], scores.relative_delta[i]
    masks = np.fmin(scores.mask_swap[i], scores.random_mask[i])
    infidelity, sensitivity = scores.infidelity[i], scores.sensitivity[i]
    stays = f"it hardly depends on what was learned: {shuffled:.2f} rank correlation with maps of shuffled weights"
    misses = f"its sum misses the change of the output by {delta:.0%}"
    findings: tuple[tuple[bool, Verdict, str], ...] = (
        (bool(scores.constant[i]), "do not trust", "the map is the same everywhere"),
        (shuffled > SHUFFLED_BAD, "do not trust", stays),
        (delta > DELTA_BAD, "do not trust", misses),
        (shuffled > SHUFFLED_DOUBTFUL, "doubtful", stays),
        (delta > DELTA_DOUBTFUL, "doubtful", misses),
        (masks > MASK_DOUBTFUL, "doubtful", f"it hardly depends on the mask: {masks:.2f} rank correlation or more"),
        (
            infidelity > INFIDELITY_DOUBTFUL,
            "doubtful",
            f"it leaves {infidelity:.0%} of the output's changes unaccounted for when parts of the input are removed",
        ),
        (
            sensitivity > SENSITIVITY_DOUBTFUL,
            "doubtful",
            f"tiny changes of the input change it by {sensitivity:.0%} of itself",
        ),
    )
    for applies, verdict, reason in findings:
        if applies:
            return verdict, reason
    return "ok", "no check speaks against it"
