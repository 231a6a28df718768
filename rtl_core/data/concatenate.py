"""Two data sets as one: what a ticket that is added later is trained and judged on."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import replace
from functools import reduce

import numpy as np
import pandas as pd

from rtl_core.config import DataSettings
from rtl_core.data import sources
from rtl_core.data.boxes import with_as_many_places
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import are_among, fingerprint, row_digests
from rtl_core.data.kinds import KINDS
from rtl_core.data.sources import NAME_SOURCES, PATH_SOURCES
from rtl_core.data.splits import SPLITS
from rtl_core.errors import BadInput

BETWEEN = " + "  # the specs of data sets that were joined
_NEXT_SPEC = re.compile(rf" \+ (?=(?:{'|'.join(PATH_SOURCES | NAME_SOURCES)}):)")  # a path may hold " + " as well


def load_joined(settings: DataSettings, seed: int) -> Dataset:
    """As `sources.load`, of a spec that may name several data sets with ` + ` between them."""
    each = [settings.model_copy(update={"spec": spec}) for spec in _NEXT_SPEC.split(settings.spec)]
    return reduce(joined, (sources.load(one, seed) for one in each))


def places(spec: str) -> list[tuple[str, object]]:
    """Where the data sets that a spec names lie: the same for the same files, however their paths are written."""
    return [_place(one) for one in _NEXT_SPEC.split(spec)]


def _place(spec: str) -> tuple[str, object]:
    kind, _, rest = spec.partition(":")
    if kind not in PATH_SOURCES:
        return kind, rest
    path = os.path.expanduser(rest)
    try:
        file = os.stat(path)  # through links, soft and hard
        return kind, (file.st_dev, file.st_ino)
    except (OSError, ValueError):
        return kind, os.path.abspath(path)


def joined(first: Dataset, second: Dataset) -> Dataset:
    """The rows of `first`, then those of `second` that `first` has not; `second` itself where it has all of `first`.

    A row is the same where values, class and common attributes are: it counts once, with `first`'s split, so that no
    row that `first` is tested on is trained on. The same values under another class or attribute stay a row of their
    own, with that split too. Pictures are standardised with `first`'s statistics. Units of the two are taken as
    different ones.

    BadInput: other kind or shape of inputs; two different tables, as each is scaled by its own statistics; other
    classes of pixels or boxes.
    """
    if first.fingerprint == second.fingerprint:
        return first
    first, second = with_as_many_places(first, second)
    if not all(KINDS[each.kind].standalone for each in (first, second)):
        raise BadInput(
            f"'{second.spec}' cannot join '{first.spec}': a table is scaled and encoded by its own statistics, so only "
            "the very same table fits"
        )
    if first.input_shape != second.input_shape:
        raise BadInput(
            f"'{second.spec}' has inputs of shape {list(second.input_shape)}; '{first.spec}' has "
            f"{list(first.input_shape)}, and both should have the same"
        )
    if first.labels is None and first.classes != second.classes:
        raise BadInput(
            f"'{second.spec}' labels {', '.join(second.classes) or 'nothing'}, '{first.spec}' labels "
            f"{', '.join(first.classes) or 'nothing'}; give data with the same classes"
        )
    columns = [name for name in first.attributes if name in second.attributes]
    had, given = (dict(zip(_keys(d, columns), d.split, strict=True)) for d in (first, second))
    new = np.flatnonzero([key not in had for key in _keys(second, columns)])
    new_split = _split_of_new(first, second, new)
    if had.items() <= given.items() and np.array_equal(new_split, second.split[new]):
        return replace(second, mean=first.mean, std=first.std)
    classes = (*first.classes, *(name for name in second.classes if name not in first.classes))
    code = np.array([classes.index(name) for name in second.classes])
    new_y = second.y[new] if second.labels is None else code[second.y[new]]
    x = np.concatenate([first.x, second.x[new]])
    y = np.concatenate([first.y, new_y])
    split = np.concatenate([first.split, new_split])
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


def _split_of_new(first: Dataset, second: Dataset, new: np.ndarray) -> np.ndarray:
    """The split of some rows of `second`: its own, or `first`'s where that has the same values in a row."""
    split = second.split[new].astype("<U5")
    known, values = row_digests(first.x), row_digests(second.x[new])
    for own in reversed(SPLITS):  # train last: what is trained on anywhere is tested on nowhere
        split[are_among(values, known[first.split == own])] = own
    return split


def _keys(dataset: Dataset, columns: list[str]) -> list[bytes]:
    """A digest of each row's values, class and attributes."""
    own = dataset.labels
    classes = [y.tobytes() for y in dataset.y] if own is None else np.array(dataset.classes, object)[own]
    words = zip(classes, *(dataset.attributes[name].astype(str) for name in columns), strict=True)
    return [
        hashlib.blake2b(x.tobytes() + repr(row).encode(), digest_size=16).digest()
        for x, row in zip(dataset.x, words, strict=True)
    ]
