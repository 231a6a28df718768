"""How fast all pairs of 100 masks are compared: packed bits beside scikit-learn's Jaccard, in one run.

python -m benchmarks.iou [--out docs/results/iou.md]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.rng import numpy_generator
from rtl_core.tickets import bits

MASKS, WEIGHTS, DENSITY = 100, 1_000_000, 0.1
SKLEARN_ROWS = 16  # scikit-learn compares these only: 120 of the 4,950 pairs
REPEATS = 7


def run() -> dict[str, Any]:
    """Seconds (best of several), ratio and GB/s; the two results are compared before anything is timed."""
    from sklearn.metrics import pairwise_distances

    masks = numpy_generator(0, "benchmark", "iou").random((MASKS, WEIGHTS), dtype=np.float32) < DENSITY
    packed = bits.pack(masks)
    few = masks[:SKLEARN_ROWS]
    reference = 1 - pairwise_distances(few, metric="jaccard")
    np.testing.assert_allclose(_iou(packed)[:SKLEARN_ROWS, :SKLEARN_ROWS], reference, rtol=1e-12)

    source = np.ones(64 * 2**20, dtype=np.uint8)
    target = np.empty_like(source)
    packing = _best_seconds(lambda: bits.pack(masks), REPEATS)
    ours = _best_seconds(lambda: _iou(packed), REPEATS)
    copy = _best_seconds(lambda: np.copyto(target, source), REPEATS)
    sklearn_measured = _best_seconds(lambda: pairwise_distances(few, metric="jaccard"), 2)
    sklearn = sklearn_measured * _pairs(MASKS) / _pairs(SKLEARN_ROWS)
    return {
        "masks": MASKS,
        "weights": WEIGHTS,
        "pack_seconds": packing,
        "packed_seconds": ours,
        "packed_gb_per_second": 2 * _pairs(MASKS) * packed.shape[1] / ours / 1e9,
        "copy_gb_per_second": 2 * source.nbytes / copy / 1e9,
        "sklearn_rows": SKLEARN_ROWS,
        "sklearn_measured_seconds": sklearn_measured,
        "sklearn_projected_seconds": sklearn,
        "ratio": sklearn / ours,
        "ratio_with_packing": sklearn / (ours + packing),
    }


def table(found: dict[str, Any]) -> str:
    """The result as Markdown."""
    return f"""# IoU of {found["masks"]} masks of {found["weights"]:,} weights, all pairs

| method | seconds | GB/s |
|---|---|---|
| packed bits (`rtl_core.tickets.bits`) | {found["packed_seconds"]:.3g} | {found["packed_gb_per_second"]:.3g} |
| packing them before | {found["pack_seconds"]:.3g} | |
| scikit-learn `pairwise_distances(metric="jaccard")` | {found["sklearn_projected_seconds"]:.3g} (projected) | |
| copying memory, for comparison | | {found["copy_gb_per_second"]:.3g} |

Packed bits are **{found["ratio"]:.0f} times** as fast ({found["ratio_with_packing"]:.0f} times with the packing counted).
scikit-learn was measured on {found["sklearn_rows"]} masks ({found["sklearn_measured_seconds"]:.3g} s) and projected by
the number of pairs; the results were equal there. GB/s count the packed bytes of both masks of every pair, and
bytes read plus bytes written for the copy. Both in one process, best of several; remade by `python -m benchmarks.iou`.
"""


def _iou(packed: np.ndarray) -> np.ndarray:
    shared = bits.intersections(packed)
    size = np.diagonal(shared)
    return shared / (size[:, None] + size[None, :] - shared)


def _pairs(k: int) -> int:
    return k * (k - 1) // 2


def _best_seconds(work: Callable[[], object], repeats: int) -> float:
    def seconds() -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return min(seconds() for _ in range(repeats))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    out = parser.parse_args().out
    text = table(run())
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
