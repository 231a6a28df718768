"""What `run.json` says about a run, as an object: the one place where pages get it from.

What older versions did not write, and what is not known of imported masks, is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from rtl_core.audit.evaluation_rows import Evaluation, WithFigures
from rtl_core.errors import BadInput
from rtl_core.statistics.estimates import Interval


@dataclass(frozen=True)
class SubsetSizes:
    """Rows of a subset."""

    subset: str
    train: int
    val: int
    test: int


@dataclass(frozen=True)
class TrainingCost:
    """What a run will cost, before it starts: sizes of the network, FLOPs of one input, gradient steps, and seconds."""

    n_prunable: int
    params_total: int
    flops_executed: int
    steps: int
    seconds: float
    subsets: list[SubsetSizes]


@dataclass(frozen=True)
class PartitionRecord:
    """What the subsets were made from; silhouette: of clusters."""

    by: str | None = None
    column: str | None = None
    silhouette: float | None = None
    sizes: list[SubsetSizes] = field(default_factory=list)


@dataclass(frozen=True)
class DataRecord:
    """The data that the run was trained on, and how many rows each split has."""

    fingerprint: str | None = None
    licence: str | None = None
    n_train: int | None = None
    n_val: int | None = None
    n_test: int | None = None


@dataclass(frozen=True)
class ModelRecord:
    """The network's name in the catalogue."""

    name: str | None = None


@dataclass(frozen=True)
class CostRecord:
    """Parameters, and what one input costs the dense network: FLOPs of its kernels, multiply-adds."""

    params_total: int | None = None
    n_prunable: int | None = None
    flops_executed: int | None = None
    macs_dense: int | None = None


@dataclass(frozen=True)
class EnvironmentRecord:
    """What it was trained with, and how many seconds that took."""

    torch: str | None = None
    python: str | None = None
    threads: int | None = None
    processor: str | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class LevelRecord(WithFigures):
    """A ticket (its index) measured on n validation rows at a level (its index), at its density.

    measure  "extraction" or "retrained": on its own weights, right after the cut or trained again; "final"
    credit   mean of what its answers are worth; confidence, entropy, brier, doubt_spread: `audit.collapse.signals`
    """

    ticket: int
    level: Annotated[int, Field(alias="rung")]
    density: float
    kind: str | None = None
    measure: str | None = None
    n: int | None = None
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    figures: dict[str, float | None] | None = None
    credit: float | None = None
    confidence: float | None = None
    entropy: float | None = None
    brier: float | None = None
    doubt_spread: float | None = None
    ci: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceRecord:
    """The file that a ticket was imported from."""

    file: str
    format: str


@dataclass(frozen=True)
class ChoiceRecord:
    """What was said of imported files: patterns of the tensors that count, and what arrays are."""

    tensors: list[str] = field(default_factory=list)
    arrays: str = ""


@dataclass(frozen=True)
class RunRecord:
    """Evaluation on the run's own test split, what the run was made of, and sentences that warn of it.

    levels    what was measured at each level of each ticket
    left_out  of imported masks: what was not taken from the files, and why, as a row each
    notes     of imported masks: sentences on how the files were read
    choice    of imported masks: the tensors and the meaning of arrays that were chosen
    """

    evaluation: Evaluation = field(default_factory=Evaluation)
    levels: Annotated[list[LevelRecord], Field(alias="rungs")] = field(default_factory=list)
    partition: PartitionRecord = field(default_factory=PartitionRecord)
    data: DataRecord = field(default_factory=DataRecord)
    model: ModelRecord = field(default_factory=ModelRecord)
    cost: CostRecord = field(default_factory=CostRecord)
    environment: EnvironmentRecord = field(default_factory=EnvironmentRecord)
    warnings: list[str] = field(default_factory=list)
    sources: list[SourceRecord] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    choice: ChoiceRecord = field(default_factory=ChoiceRecord)


_RECORD = TypeAdapter(RunRecord)


def read_record(info: Mapping[str, Any]) -> RunRecord:
    """`info` of a `run.json`. BadInput names the field that is not what it should be."""
    try:
        return _RECORD.validate_python({name: value for name, value in info.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"run.json, 'info.{'.'.join(map(str, first['loc']))}': {first['msg']}") from None
