"""An audit of maps over many inputs, as it is kept and read again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from rtl_core.statistics.estimates import Interval


@dataclass(frozen=True)
class Faithfulness:
    """Areas under the curves of one ticket, in the order of `aggregate.FAITHFULNESS`; None where undefined."""

    deletion: float | None
    random_deletion: float | None
    deletion_difference: float | None
    insertion: float | None
    random_insertion: float | None
    insertion_difference: float | None


@dataclass(frozen=True)
class TicketIntervals:
    """Of the areas, and of each region's share."""

    deletion: Interval
    random_deletion: Interval
    deletion_difference: Interval
    insertion: Interval
    random_insertion: Interval
    insertion_difference: Interval
    regions: list[Interval]


@dataclass(frozen=True)
class AuditedTicket:
    """A ticket of an audit: what `aggregate.TicketAudit` is, its regions in the order of the audit's."""

    name: str
    faithfulness: Faithfulness
    regions: list[float | None]
    ci: TicketIntervals


@dataclass(frozen=True)
class AgreementIntervals:
    """K x K intervals."""

    agreement: list[list[Interval]]


@dataclass(frozen=True)
class DatasetAudit:
    """An audit over many inputs, as it is kept.

    hashes, versions, threads   the weights and data that it is of, and the programs that made it
    method ... seed             what was asked; target: a class, or "predicted"
    of                          which inputs these are, for example {"class": "Trouser"}; n of them
    regions                     names of the parts of an input
    agreement                   K x K, mean rank correlation of two tickets' maps of the same input
    followed                    what the areas are under: an answer's "probability", or the "output" that is explained
    """

    kind: Literal["many"]
    run: str
    hashes: dict[str, str]
    versions: dict[str, str]
    threads: int
    method: str
    parameters: dict[str, Any]
    baseline: str
    target: str
    seed: int
    of: dict[str, Any]
    n: int
    regions: list[str]
    tickets: list[AuditedTicket]
    agreement: list[list[float | None]]
    ci: AgreementIntervals
    seconds: float
    followed: str = "probability"
