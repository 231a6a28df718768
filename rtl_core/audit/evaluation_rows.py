"""The rows of an evaluation as objects: tickets and methods as they are read from a run, routers as they are made.

Nothing here needs torch. What an older version did not write is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rtl_core.documents import OPTIONAL
from rtl_core.statistics.estimates import Interval


class WithFigures:
    """Rows whose figures are asked for by the name that their task gives them."""

    def value(self, name: str) -> float | None:
        """A figure: those of classifiers are attributes, those of other tasks stand in `figures`."""
        of_task = self.figures or {}
        return of_task[name] if name in of_task else getattr(self, name, None)

    def interval(self, name: str) -> Interval | None:
        return self.ci.get(name)


@dataclass(frozen=True, kw_only=True)
class _Judged(WithFigures):
    """Figures on n rows; ci: name of a figure -> its interval."""

    balanced_accuracy: float | None = None
    recall: float | None = None
    precision: float | None = None
    specificity: float | None = None
    roc_auc: float | None = None
    average_precision: float | None = None
    accuracy: float | None = None
    figures: dict[str, float | None] | None = None
    n: int | None = None
    ci: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassRow:
    """One class in the answers of a ticket that labels pixels: its intersection over union with the interval under
    `ci`, its pixels, and the n pictures that have it; None where none has."""

    name: str
    iou: float | None
    pixels: int
    n: int
    ci: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class BoxRow:
    """The boxes of one class, or of one size, in the answers of a ticket that finds things.

    of         "class" or "size"
    ap, ap50   average precision over IoU 0.5 to 0.95, and at 0.5, with their intervals under `ci`; None without boxes
    boxes      true ones, in n pictures
    precision  of a class: the best precision at IoU 0.5 at each recall of 0, 0.01, ..., 1 or more; its mean is `ap50`
    """

    of: str
    name: str
    ap: float | None
    ap50: float | None
    boxes: int
    n: int
    ci: dict[str, Interval] = field(default_factory=dict)
    precision: list[float] | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True, kw_only=True)
class TicketRow(_Judged):
    """A ticket: the weights that it keeps, and its figures on its own rows.

    n_pos, n_neg   rows of its subset and others, of one-vs-rest tickets
    absent         classes that none of the rows has; never_predicted: those that it never says
    constant       whether it answers the same to every input
    by_class       of tickets that label pixels: each class
    boxes          of tickets that find things: the boxes of each class and of each size
    """

    name: str
    density: float | None = None
    params: int | None = None
    n_pos: int | None = None
    n_neg: int | None = None
    absent: list[str] = field(default_factory=list)
    never_predicted: list[str] = field(default_factory=list)
    constant: bool | None = None
    by_class: list[ClassRow] | None = field(default=None, metadata=OPTIONAL)
    boxes: list[BoxRow] | None = field(default=None, metadata=OPTIONAL)

    @property
    def rows(self) -> int | None:
        """How many rows it was judged on."""
        return self.n or ((self.n_pos or 0) + (self.n_neg or 0)) or None


@dataclass(frozen=True, kw_only=True)
class MethodRow(_Judged):
    """A method: means over the subsets, what it stores and how long it learned.

    applies       False for a control that the settings or the task rule out, with the reason
    density       mean of its masks; params_total: weights that it stores
    bits          that these and its masks take, packed; bits_union: packed within their union; bits_bound: with masks
                  at their entropy bound
    steps_...     gradient steps of each subset
    decision      how its outputs are read
    """

    method: str
    applies: bool = True
    reason: str | None = None
    density: float | None = None
    params_total: int | None = None
    bits: int | None = None
    bits_union: int | None = None
    bits_bound: float | None = None
    steps_warm: int | None = None
    steps_extract: int | None = None
    steps_joint: int | None = None
    decision: str | None = None


@dataclass(frozen=True, kw_only=True)
class RouterRow(WithFigures):
    """What a router is worth and what it costs.

    uses_label             whether it is told the label or the partition's attribute
    agreement_with_oracle  the share of n rows that get their subset's ticket
    accuracy, balanced_accuracy, figures
                           of the answers of the chosen tickets; `figures` are those of other tasks
    regret_01, regret_loss against the best ticket of each row, in hindsight: in right answers, and in nats
    ece                    expected calibration error of the router's confidence that it chose the subset's ticket
    flops_share            router / (router + one executed forward pass)
    macs_share             router / (router + the ticket that answers), in non-zero multiply-adds: a sparse ticket is a
                           smaller thing to compare a gate with
    calls_per_input        forward passes beside the one that answers; router_macs: its own multiply-adds an input
    ci                     name of a figure -> its interval
    """

    router: str
    uses_label: bool
    n: int | None = None
    agreement_with_oracle: float | None = None
    accuracy: float | None = None
    balanced_accuracy: float | None = None
    figures: dict[str, float | None] | None = field(default=None, metadata=OPTIONAL)
    regret_01: float | None = None
    regret_loss: float | None = None
    ece: float | None = None
    flops_share: float | None = field(default=None, metadata=OPTIONAL)
    macs_share: float | None = None
    calls_per_input: float | None = None
    router_macs: float | None = None
    note: str | None = None
    ci: dict[str, Interval] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """All rows of an evaluation; empty where there was none."""

    tickets: list[TicketRow] = field(default_factory=list)
    methods: list[MethodRow] = field(default_factory=list)
    routers: list[RouterRow] = field(default_factory=list)

    def method(self, name: str) -> MethodRow | None:
        """The row of a method that applies; None where there is none."""
        return next((row for row in self.methods if row.method == name and row.applies), None)
