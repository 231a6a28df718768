"""Two data sets as one: what a ticket that is added later is trained and judged on."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import reduce

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data import sources
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import fingerprint
from rtl_core.errors import BadInput

BETWEEN = " + "  # the specs of data sets that were joined


def load_joined(settings: DataSettings, seed: int) -> Dataset:
    """As `sources.load`, of a spec that may name several data sets with ` + ` between them."""
    each = [settings.model_copy(update={"spec": spec}) for spec in settings.spec.split(BETWEEN)]
    return reduce(joined, (sources.load(one, seed) for one in each))


def joined(first: Dataset, second: Dataset) -> Dataset:
    """The rows of `first`, then those of `second` that `first` has not; `second` itself where it has all of `first`.

    A row is the same where values, class and common attributes are: it counts once, with `first`'s split, so that no
    row that `first` is tested on is trained on. Pictures are standardised with `first`'s statistics. Units of the two
    are taken as different ones.

    BadInput: other kind or shape of inputs; two different tables, as each is scaled by its own statistics.
    """
    if first.fingerprint == second.fingerprint:
        return first
    if "table" in (first.kind, second.kind):
        raise BadInput(
            f"'{second.spec}' cannot join '{first.spec}': a table is scaled and encoded by its own statistics, so only "
            "the very same table fits"
        )
    if first.input_shape != second.input_shape:
        raise BadInput(
            f"'{second.spec}' has inputs of shape {list(second.input_shape)}; '{first.spec}' has "
            f"{list(first.input_shape)}, and both should have the same"
        )
    columns = [name for name in first.attributes if name in second.attributes]
    had, given = (dict(zip(_keys(d, columns), d.split, strict=True)) for d in (first, second))
    if had.items() <= given.items():
        return replace(second, mean=first.mean, std=first.std)
    new = np.flatnonzero([key not in had for key in _keys(second, columns)])
    classes = (*first.classes, *(name for name in second.classes if name not in first.classes))
    code = np.array([classes.index(name) for name in second.classes])
    x = np.concatenate([first.x, second.x[new]])
    y = np.concatenate([first.y, code[second.y[new]]])
    split = np.concatenate([first.split, second.split[new]])
    attributes = pd.concat([first.attributes[columns], second.attributes[columns].iloc[new]], ignore_index=True)
    return replace(
        first,
        spec=f"{first.spec}{BETWEEN}{second.spec}",
        x=x,
        y=y,
        classes=classes,
        attributes=attributes,
        split=split,
        unit=np.concatenate([first.unit, first.unit.max() + 1 + second.unit[new]]),
        fingerprint=fingerprint(x, y, split, classes, attributes),
        licence=" / ".join(dict.fromkeys(text for text in (first.licence, second.licence) if text)),
        notes=tuple(dict.fromkeys((*first.notes, *second.notes))),
    )


def _keys(dataset: Dataset, columns: list[str]) -> list[bytes]:
    """A digest of each row's values, class and attributes."""
    classes = np.array(dataset.classes, object)[dataset.y]
    words = zip(classes, *(dataset.attributes[name].astype(str) for name in columns), strict=True)
    return [
        hashlib.blake2b(x.tobytes() + repr(row).encode(), digest_size=16).digest()
        for x, row in zip(dataset.x, words, strict=True)
    ]
