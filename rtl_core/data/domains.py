"""The same pictures in five domains: a partition of the data whose right answer is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from scipy.ndimage import correlate1d

from rtl_core.data.dataset import Dataset
from rtl_core.data.pictures import Pictures, picture_dataset
from rtl_core.rng import numpy_generator

NOISE_DEVIATION = 0.35 * 255
# Binomial weights approximate a Gaussian of sigma = sqrt(12) / 2 = 1.73 pixels. As 12-bit fractions their
# sums over 8-bit pixels are exact in floating point, so every machine blurs to the same bits.
BLUR_WEIGHTS = np.array([1, 12, 66, 220, 495, 792, 924, 792, 495, 220, 66, 12, 1]) / 4096


def in_all_domains(pictures: Dataset) -> Dataset:
    """Every picture once per domain, domain after domain, with the attribute `domain`.

    The copies of a picture keep its split and share its unit. The noise is the same for every seed.
    """
    x = np.concatenate([change(pictures.x) for change in DOMAINS.values()])
    copies = len(DOMAINS)
    domain = pd.Categorical(np.repeat(list(DOMAINS), len(pictures)), categories=list(DOMAINS), ordered=True)
    changed = Pictures(
        x,
        np.tile(pictures.y, copies),
        pictures.classes,
        np.tile(pictures.split, copies),
        pictures.licence,
        pictures.notes,
    )
    return picture_dataset(pictures.spec, changed, pd.DataFrame({"domain": domain}), np.tile(pictures.unit, copies))


def rotated(x: np.ndarray) -> np.ndarray:
    """A quarter turn, counter-clockwise."""
    return np.rot90(x, axes=(2, 3))


def inverted(x: np.ndarray) -> np.ndarray:
    return 255 - x


def noisy(x: np.ndarray) -> np.ndarray:
    """Gaussian noise of standard deviation `NOISE_DEVIATION` grey levels, clipped to the range."""
    noise = numpy_generator(0, "data", "domains", "noisy").standard_normal(x.shape, dtype=np.float32)
    return np.rint(x + NOISE_DEVIATION * noise).clip(0, 255).astype(np.uint8)


def blurred(x: np.ndarray) -> np.ndarray:
    """Convolved with `BLUR_WEIGHTS` along both axes; outside a picture lies its nearest pixel."""
    columns = correlate1d(x, BLUR_WEIGHTS, axis=2, output=np.float32, mode="nearest")
    both = correlate1d(columns, BLUR_WEIGHTS, axis=3, output=np.float32, mode="nearest")
    return np.rint(both).astype(np.uint8)


DOMAINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "original": lambda x: x,
    "rotated": rotated,
    "inverted": inverted,
    "noisy": noisy,
    "blurred": blurred,
}
