"""What `run.json` says about a run, as an object: the one place where pages get it from.

What older versions did not write, and what is not known of imported masks, is None or empty.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rtl_core.audit.evaluation_rows import Evaluation
from rtl_core.errors import BadInput


@dataclass(frozen=True)
class SubsetSizes:
    """Rows of a subset."""

    subset: str
    train: int
    val: int
    test: int


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


@dataclass(frozen=True)
class SourceRecord:
    """The file that a ticket was imported from."""

    file: str
    format: str


@dataclass(frozen=True)
class RunRecord:
    """Evaluation on the run's own test split, what the run was made of, and sentences that warn of it.

    left_out  of imported masks: what was not taken from the files, and why, as a row each
    """

    evaluation: Evaluation = field(default_factory=Evaluation)
    partition: PartitionRecord = field(default_factory=PartitionRecord)
    data: DataRecord = field(default_factory=DataRecord)
    model: ModelRecord = field(default_factory=ModelRecord)
    cost: CostRecord = field(default_factory=CostRecord)
    environment: EnvironmentRecord = field(default_factory=EnvironmentRecord)
    warnings: list[str] = field(default_factory=list)
    sources: list[SourceRecord] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)


_RECORD = TypeAdapter(RunRecord)


def read_record(info: Mapping[str, Any]) -> RunRecord:
    """`info` of a `run.json`. BadInput names the field that is not what it should be."""
    try:
        return _RECORD.validate_python({name: value for name, value in info.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"run.json, 'info.{'.'.join(map(str, first['loc']))}': {first['msg']}") from None
