"""Which weights go: scores, exact counts, ties by logical index, a floor per layer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rtl_core.errors import BadInput
from rtl_core.tickets.layout import Layout

# (weights (N,), kept bool (N,), layout, gradients (N,) or None) -> scores (N,); the lowest among the kept go first
ScoreFunction = Callable[[np.ndarray, np.ndarray, Layout, np.ndarray | None], np.ndarray]


def global_magnitude(
    weights: np.ndarray, kept: np.ndarray, layout: Layout, gradients: np.ndarray | None = None
) -> np.ndarray:
    """|w|, all layers together: the paper's Algorithm 1."""
    return np.abs(weights).astype(np.float64)


def lamp(weights: np.ndarray, kept: np.ndarray, layout: Layout, gradients: np.ndarray | None = None) -> np.ndarray:
    """Layer-adaptive magnitude (Lee et al., 2021, eq. 5): w_i^2 over the sum of its layer's kept w_j^2 >= w_i^2."""
    scores = np.zeros(layout.n)
    for span in layout.slices().values():
        squares = np.where(kept[span], np.square(weights[span], dtype=np.float64), 0.0)
        ascending = np.sort(squares)
        sums = np.cumsum(ascending[::-1])[::-1]
        at_least = sums[np.searchsorted(ascending, squares)]  # from the first of its equals on
        scores[span] = np.divide(squares, at_least, out=np.zeros_like(squares), where=at_least > 0)
    return scores


def layer_magnitude(
    weights: np.ndarray, kept: np.ndarray, layout: Layout, gradients: np.ndarray | None = None
) -> np.ndarray:
    """|w| compared within its own layer: the share of the layer's kept weights that are smaller."""
    scores = np.zeros(layout.n)
    for span in layout.slices().values():
        magnitudes = np.where(kept[span], np.abs(weights[span]).astype(np.float64), -1.0)
        ranks = np.searchsorted(np.sort(magnitudes), magnitudes)  # how many are smaller
        removed = int((~kept[span]).sum())
        scores[span] = (ranks - removed + 0.5) / max(1, int(kept[span].sum()))
    return scores


def taylor(weights: np.ndarray, kept: np.ndarray, layout: Layout, gradients: np.ndarray | None = None) -> np.ndarray:
    """|w g|: how far the loss moves to first order when a weight goes (Molchanov et al., 2019)."""
    return np.abs(weights * gradients)


SCORES: dict[str, ScoreFunction] = {
    "global_magnitude": global_magnitude,
    "lamp": lamp,
    "layer_magnitude": layer_magnitude,
    "taylor": taylor,
}
SEES_GRADIENTS = ("taylor",)  # of the loss on training batches; the others read the weights alone


def scores_of(
    score: str, weights: np.ndarray, kept: np.ndarray, layout: Layout, gradients: np.ndarray | None = None
) -> np.ndarray:
    """float64 (N,): the scores of the kept weights, -inf for the others.

    weights    float (N,) in logical order
    kept       bool (N,): the mask so far
    gradients  float (N,), for the scores of `SEES_GRADIENTS`
    """
    seen = weights[kept] if gradients is None else np.r_[weights[kept], gradients[kept]]
    if not np.isfinite(seen).all():
        raise BadInput("the weights to prune hold NaN or infinity: the training diverged; lower the learning rate")
    scores = np.where(kept, SCORES[score](weights, kept, layout, gradients), -np.inf)
    if np.isnan(scores).any():
        raise BadInput(f"pruning score '{score}' gives NaN, by which nothing can be ranked; give every weight a number")
    return scores


def shared_scores(own: np.ndarray, kept: np.ndarray, sharing: float) -> np.ndarray:
    """float64 (K, N): every ticket's scores mixed with the mean over all, own^(1 - sharing) * mean^sharing.

    own      (K, N) scores of 0 or more, as `scores_of` gives them; a ticket gives none to a weight that it has cut
    kept     bool (K, N): the masks so far
    sharing  0: each ticket its own scores, to the bit; 1: the mean for all, so that equal masks are cut alike
    Raises BadInput for scores below 0, whose powers are not defined.
    """
    if sharing == 0:
        return own
    scores = np.where(kept, own, 0.0)
    if (scores < 0).any():
        raise BadInput("scores below 0 cannot be shared; take extract.sharing=0, or a pruning score of 0 or more")
    mixed = scores ** (1 - sharing) * scores.mean(axis=0) ** sharing
    return np.where(kept, mixed, -np.inf)


def kept_count(density: float, n: int) -> int:
    """How many of n weights a density keeps: always the same exact number, at least one."""
    return max(1, round(density * n))


def prune(scores: np.ndarray, kept: np.ndarray, keep: int, layout: Layout, layer_floor: int = 0) -> np.ndarray:
    """The mask of exactly `keep` weights, a subset of `kept`: those with the highest scores stay.

    scores       float (N,) in logical order, as `scores_of` gives them
    kept         bool (N,): the mask so far
    layer_floor  each layer's best so many weights stay whatever the others score
    Equal scores break by logical index (the later one goes first), so equal scores give the same mask
    on every machine. Raises BadInput where the floors alone need more than `keep`.
    """
    if keep > int(kept.sum()):
        raise BadInput(f"cannot keep {keep:,} weights where only {int(kept.sum()):,} are left")
    if layer_floor:
        scores = scores.copy()
        scores[_protected(scores, kept, layer_floor, layout)] = np.inf
        if int(np.isposinf(scores).sum()) > keep:
            raise BadInput(
                f"a floor of {layer_floor} weights in each of {len(layout.names)} layers needs more than the "
                f"{keep:,} weights that this density keeps; lower extract.layer_floor or raise the density"
            )
    best_first = np.argsort(-scores, kind="stable")
    mask = np.zeros(layout.n, dtype=bool)
    mask[best_first[:keep]] = True
    return mask


def _protected(scores: np.ndarray, kept: np.ndarray, layer_floor: int, layout: Layout) -> np.ndarray:
    """Logical indices of every layer's `layer_floor` best kept weights."""
    chosen = []
    for span in layout.slices().values():
        best_first = np.argsort(-scores[span], kind="stable")[: min(layer_floor, int(kept[span].sum()))]
        chosen.append(best_first + span.start)
    return np.concatenate(chosen)


def random_like(mask: np.ndarray, layout: Layout, generator: np.random.Generator) -> np.ndarray:
    """A random mask with exactly as many weights in every layer as `mask`: the control that learned nothing."""
    drawn = np.zeros_like(mask)
    for span in layout.slices().values():
        keep = int(mask[span].sum())
        drawn[span.start + generator.permutation(span.stop - span.start)[:keep]] = True
    return drawn


def random_covering(masks: np.ndarray, layout: Layout, generator: np.random.Generator) -> np.ndarray:
    """bool (K, N): random masks that store exactly as many weights as `masks` do, the control at equal storage.

    Each keeps its own count in every layer, all of them within one random union of the size that the union of `masks`
    has there, and together they keep every weight of it. First each weight of the union gets one owner, drawn among the
    tickets' places; then each ticket draws the rest of its own among the weights that it does not keep yet.
    """
    drawn = np.zeros_like(masks)
    for span in layout.slices().values():
        counts = masks[:, span].sum(axis=1)
        size = int(masks[:, span].any(axis=0).sum())
        union = span.start + generator.permutation(span.stop - span.start)[:size]
        owners = generator.permutation(np.repeat(np.arange(len(masks)), counts))[:size]
        drawn[owners, union] = True
        for mask, count in zip(drawn, counts, strict=True):
            others = union[~mask[union]]
            mask[generator.permutation(others)[: count - int(mask[union].sum())]] = True
    return drawn


def dead_layers(mask: np.ndarray, layout: Layout) -> tuple[str, ...]:
    """Layers of which nothing is kept: the ticket passes no signal through them."""
    return tuple(name for name, span in layout.slices().items() if not mask[span].any())
