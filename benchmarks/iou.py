"""How fast all pairs of 100 masks are compared: packed bits beside scikit-learn's Jaccard, in one run.

python -m benchmarks.iou [--out docs/results/iou.md]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import pages
from rtl_core.rng import numpy_generator
from rtl_core.tickets import bits

MASKS, WEIGHTS, DENSITY = 100, 1_000_000, 0.1
REPEATS = 7


def run() -> dict[str, Any]:
    """Seconds (best of several; scikit-learn, which takes about ten seconds, once), ratios and GB/s.

    Both results are compared, so that no ratio is reported between different numbers.
    """
    from sklearn.metrics import pairwise_distances

    masks = numpy_generator(0, "benchmark", "iou").random((MASKS, WEIGHTS), dtype=np.float32) < DENSITY
    packed = bits.pack(masks)
    source = np.ones(64 * 2**20, dtype=np.uint8)
    target = np.empty_like(source)

    packing, _ = _best_seconds(lambda: bits.pack(masks), REPEATS)
    copying, _ = _best_seconds(lambda: np.copyto(target, source), REPEATS)
    ours, iou = _best_seconds(lambda: _iou(packed), REPEATS)
    sklearn, distance = _best_seconds(lambda: pairwise_distances(masks, metric="jaccard"), 1)
    np.testing.assert_allclose(iou, 1 - distance, rtol=1e-12)
    return {
        "masks": MASKS,
        "weights": WEIGHTS,
        "pack_seconds": packing,
        "packed_seconds": ours,
        "packed_gb_per_second": MASKS * (MASKS + 1) * packed.shape[1] / ours / 1e9,
        "copy_gb_per_second": 2 * source.nbytes / copying / 1e9,
        "sklearn_seconds": sklearn,
        "ratio": sklearn / ours,
        "ratio_with_packing": sklearn / (ours + packing),
    }


def table(speed: dict[str, Any]) -> str:
    """The result as Markdown."""
    return f"""# IoU of {speed["masks"]} masks of {speed["weights"]:,} weights, all pairs

| method | seconds | GB/s |
|---|---|---|
| packed bits (`rtl_core.tickets.bits`) | {speed["packed_seconds"]:.3g} | {speed["packed_gb_per_second"]:.3g} |
| packing the masks before | {speed["pack_seconds"]:.3g} | |
| scikit-learn `pairwise_distances(metric="jaccard")` | {speed["sklearn_seconds"]:.3g} | |
| copying memory, for comparison | | {speed["copy_gb_per_second"]:.3g} |

Packed bits are **{speed["ratio"]:.0f} times** as fast as scikit-learn, {speed["ratio_with_packing"]:.0f} times with the
packing counted, and give the same numbers. GB/s count the packed bytes of both masks of every pair; for the copy,
bytes read plus bytes written. All in one process: best of {REPEATS}, scikit-learn once.
Remade by `python -m benchmarks.iou`.
"""


def _iou(packed: np.ndarray) -> np.ndarray:
    shared = bits.intersections(packed)
    size = np.diagonal(shared)
    return shared / (size[:, None] + size[None, :] - shared)


def _best_seconds(work: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """The fewest seconds that `work` took, and what it returned."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        times.append(time.perf_counter() - start)
    return min(times), result


if __name__ == "__main__":
    pages.show(__doc__, lambda: table(run()))
