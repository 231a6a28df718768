"""What a data set is, for the record, and what is different about it when it is read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset

GROUP_RULES = "groups_of_boxes"  # what crowded and rare mean, of pictures with boxes
SHORT = 8  # digits of a fingerprint in a sentence


def described(dataset: Dataset) -> dict[str, Any]:
    """What a record says of a data set, in JSON's types: everything but the rows."""
    from rtl_core.data.boxes import has_boxes, rules_of  # here: a training that waits its turn knows nothing of pandas

    return {
        "spec": dataset.spec,
        "kind": dataset.kind,
        "fingerprint": dataset.fingerprint,
        "classes": list(dataset.classes),
        "input_shape": list(dataset.input_shape),
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "licence": dataset.licence,
        "notes": list(dataset.notes),
        **({GROUP_RULES: asdict(rules_of(dataset))} if has_boxes(dataset) else {}),
        **{f"n_{split}": len(dataset.rows(split)) for split in ("train", "val", "test")},
    }


def difference(was: Mapping[str, Any], dataset: Dataset) -> str:
    """What of an earlier record, as `described` makes it, is not so any more; the fingerprints come last.

    A record may lack all but the fingerprint.
    """
    now = described(dataset)
    changed = [
        f"{words}: {_listed(was[key])} then, {_listed(now[key])} now"
        for key, words in _WORDS.items()
        if key in was and was[key] != now[key]
    ]
    if not changed and "n_train" in was:
        changed = ["as many rows as then, but not the same, or in another order or split"]
    fingerprints = f"fingerprint {was['fingerprint'][:SHORT]} then, {now['fingerprint'][:SHORT]} now"
    return "; ".join([*changed, fingerprints])


def _listed(value: Any, most: int = 12) -> str:
    if not isinstance(value, list):
        return f"{value:,}"
    return ", ".join(map(str, value[:most])) + (f" and {len(value) - most} more" if len(value) > most else "")


_WORDS = {
    "input_shape": "inputs of shape",
    "classes": "classes",
    "n_train": "train rows",
    "n_val": "validation rows",
    "n_test": "test rows",
}
