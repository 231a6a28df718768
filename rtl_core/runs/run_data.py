"""The data of a run, read again: its own as they were when it was trained, or others without rows that it has seen.

Rows are compared by content: a run keeps a digest of the inputs of every train and validation row. Of runs that were
made before there were any, the digests are made anew where their data are still the same.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from rtl_core.data.boxes import GROUPED, GroupRules, attributes_of, has_boxes, rules_of
from rtl_core.data.changes import GROUP_RULES, difference
from rtl_core.data.concatenate import load_joined, places
from rtl_core.data.dataset import Dataset
from rtl_core.data.fingerprint import are_among, row_digests
from rtl_core.data.kinds import KINDS
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.runs.checkpoint import ASSIGNMENT, SEEN_ROWS, Run, load_seen_rows

SEEN = "seen"  # the split of rows of other data that the run has seen


def own_dataset(run: Run) -> Dataset:
    """The very data that a run was trained on, as its network takes them; BadInput where they are others by now."""
    dataset = load_joined(run.config.data, run.config.seed)
    if dataset.fingerprint != run.info["data"]["fingerprint"]:
        raise _changed(run, dataset)
    return _as_trained(run, dataset)


def dataset_of(run: Run, spec: str | None = None) -> tuple[Dataset, int | None]:
    """(the run's own data, or those that a spec names; how many of their rows do not count because it has seen them).

    All other rows of data that are not its own are test rows; the count is None where it could not be checked.
    BadInput where the data do not fit, where the spec names the run's own data and they have changed, and where
    nothing is left to test on.
    """
    own = run.info["data"]
    if spec is None or set(places(spec)) == set(places(own["spec"])):
        return own_dataset(run), 0
    settings = run.config.data.model_copy(update={"spec": spec, **_resized(run)})
    dataset = load_joined(settings, run.config.seed)
    if dataset.fingerprint == own["fingerprint"]:
        return _as_trained(run, dataset), 0
    _check_fit(run, dataset)
    return _without_seen(run, _as_trained(run, _grouped_as_trained(run, dataset)))


def kept_rows(dataset: Dataset, partition: Partition) -> dict[str, np.ndarray]:
    """What a checkpoint keeps about the rows of its data (`checkpoint.save_checkpoint`)."""
    seen, read_off = seen_rows(dataset), partition.by in ("class", "attribute", "quantiles", "none")
    return {
        **({} if seen is None else {SEEN_ROWS: seen}),
        **({} if read_off else {ASSIGNMENT: partition.assignment.astype(np.int16)}),
    }


def seen_rows(dataset: Dataset) -> np.ndarray | None:
    """uint8 (n, 8): digests of the rows that a run on these data sees. None for tables, whose inputs depend on the
    whole table: they are never compared with others."""
    if not KINDS[dataset.kind].standalone:
        return None
    return row_digests(dataset.x[np.isin(dataset.split, ("train", "val"))])


def _as_trained(run: Run, dataset: Dataset) -> Dataset:
    trained = run.info["data"]
    return replace(dataset, mean=tuple(trained["mean"]), std=tuple(trained["std"]))


def _grouped_as_trained(run: Run, dataset: Dataset) -> Dataset:
    """Pictures with boxes are few, some or many, and their classes rare, by the pictures of the run, not by their own:
    the same picture belongs to the same ticket whatever stands next to it."""
    if run.info["partition"]["column"] not in GROUPED or not has_boxes(dataset):
        return dataset
    kept = run.info["data"].get(GROUP_RULES)
    rules = GroupRules(**kept) if kept else rules_of(own_dataset(run))  # runs that were made before rules were kept
    attributes = attributes_of(dataset.y, dataset.classes, rules)
    others = dataset.attributes.drop(columns=attributes.columns, errors="ignore")
    return replace(dataset, attributes=pd.concat([attributes, others], axis=1))


def _resized(run: Run) -> dict[str, int]:
    """Pictures from elsewhere are brought to the side that the run's network takes."""
    _, *sides = run.info["data"]["input_shape"]
    return {"image_size": sides[0]} if len(sides) == 2 and sides[0] == sides[1] >= 8 else {}


def _check_fit(run: Run, dataset: Dataset) -> None:
    trained, spec = run.info["data"], dataset.spec
    if not KINDS[dataset.kind].standalone:
        raise BadInput(
            "tickets for tables can be evaluated on their own data only: another table would be scaled by its own "
            "statistics, not by those that the tickets were trained with"
        )
    if list(dataset.input_shape) != trained["input_shape"]:
        raise BadInput(
            f"the run takes inputs of shape {trained['input_shape']}, '{spec}' has {list(dataset.input_shape)}"
        )
    if list(dataset.classes) != trained["classes"]:
        raise BadInput(
            f"the run tells {', '.join(trained['classes'])} apart; '{spec}' has {', '.join(dataset.classes)}"
        )


def _without_seen(run: Run, dataset: Dataset) -> tuple[Dataset, int | None]:
    """Other data with all rows to test on but those of a unit (a picture in several forms) that the run has seen."""
    known = _known(run, dataset.spec)
    if known is None:
        return replace(dataset, split=np.full(len(dataset), "test")), None
    seen = are_among(row_digests(dataset.x), known)
    seen = np.isin(dataset.unit, dataset.unit[seen])
    if seen.all():
        raise BadInput(
            f"run '{run.name}' was trained or tuned on all {len(dataset):,} rows of '{dataset.spec}': nothing is left "
            "to test on"
        )
    return replace(dataset, split=np.where(seen, SEEN, "test")), int(seen.sum())


def _known(run: Run, spec: str) -> np.ndarray | None:
    """The digests of what a run has seen; None where neither they nor its data are there any more."""
    kept = load_seen_rows(run)
    if kept is not None:
        return kept
    try:
        return seen_rows(own_dataset(run))
    except BadInput:
        if set(places(spec)) & set(places(run.info["data"]["spec"])):
            raise
        return None


def _changed(run: Run, dataset: Dataset) -> BadInput:
    was, kept = run.info["data"], load_seen_rows(run)
    what = difference(was, dataset)
    if kept is not None and KINDS[dataset.kind].standalone:
        gone = len(kept) - int(are_among(kept, row_digests(dataset.x)).sum())
        what += f"; {gone:,} of the {len(kept):,} rows that it was trained or tuned on are gone" if gone else ""
    return BadInput(
        f"'{was['spec']}' no longer holds the data that run '{run.name}' was trained on ({what}); put them back, and "
        "keep the new ones under another name"
    )
