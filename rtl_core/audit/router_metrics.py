"""What a router is worth and what it costs: one row of `evaluate.routers`, and what `route` reports.

Figures are of the answers that the chosen tickets give. Where choosing the ticket is the answer (one-vs-rest tickets),
the label-oracle would be right by definition, so none is claimed for it, and there is no better ticket to regret.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from rtl_core.audit.evaluate import Answers, EvaluationSet, figures
from rtl_core.audit.evaluation_rows import RouterRow
from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN
from rtl_core.documents import INLINE, key
from rtl_core.models.cost import Cost
from rtl_core.routing.budget import kept_costs
from rtl_core.routing.routers import Choice, Router
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import Estimate, Interval, json_interval, json_number, mean_estimate, proportion
from rtl_core.statistics.intervals import bootstrap_ratios
from rtl_core.tickets.ticket_set import TicketSet

BINS = 10  # of the reliability diagram
MOST_GROUPS = 50  # an attribute with more values is no grouping
REPLICATES = 500


@dataclass(frozen=True)
class TicketCosts:
    """What one input costs when a ticket answers.

    flops_executed  of dense kernels, the same for every ticket
    params, macs    int64 (K,): weights that are kept; non-zero multiply-adds
    """

    flops_executed: int
    params: np.ndarray
    macs: np.ndarray

    @classmethod
    def of(cls, tickets: TicketSet, cost: Cost) -> TicketCosts:
        return cls(cost.flops_executed, *kept_costs(tickets.masks(), tickets.layout, cost))


@dataclass(frozen=True)
class Routed:
    """A router's choice for the rows of an evaluation set, and what came of it; `answers` are every ticket's."""

    eval_set: EvaluationSet
    router: Router
    choice: Choice
    answers: Answers
    costs: TicketCosts

    @property
    def agrees(self) -> np.ndarray:
        """bool (n,): the subset's own ticket was chosen."""
        return self.choice.ticket == self.eval_set.subset

    @cached_property
    def chosen(self) -> np.ndarray:
        """(n, ...) the answers that the rows get: the chosen ticket's, or a mixture."""
        if self.choice.mixture is not None:
            return self.eval_set.task.mix(self.answers.kept, self.choice.mixture)
        return self.answers.kept[self.choice.ticket, np.arange(len(self.eval_set.rows))]

    @cached_property
    def credit(self) -> np.ndarray | None:
        """(n,) how well each row is answered; None where the router was told the answer itself."""
        if self.eval_set.task.choice_answers:
            return None if self.router.uses_label else self.agrees
        return self.eval_set.task.credit(self.chosen, self.eval_set.own_truth)

    @property
    def credit_alone(self) -> np.ndarray:
        """(n,) the same when the chosen ticket answers without another one mixed in: what a budget buys."""
        ticket = self.choice.ticket
        return routed_credit(self.eval_set, self.answers.credit[ticket, np.arange(len(ticket))], ticket)


def routed_credit(eval_set: EvaluationSet, credit: np.ndarray, ticket: np.ndarray) -> np.ndarray:
    """(n,) what the answers of the chosen tickets (n,) are worth: where choosing is the answer, a row's own ticket must
    be chosen and claim it."""
    return credit & (ticket == eval_set.subset) if eval_set.task.choice_answers else credit


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose confidence lies from `low` to `high`: n, their mean confidence, and the share that agrees."""

    low: float = field(metadata=key("from"))
    high: float = field(metadata=key("to"))
    n: int
    confidence: float
    agreement: float
    ci: Interval


@dataclass(frozen=True)
class Calibration:
    """The reliability diagram of a router's confidence.

    `ece` = sum over bins of |share that agrees - mean confidence| weighted by rows (Naeini et al., 2015). It is
    positive even for a calibrated router, the more so the fewer the rows. `ci` is its interval.
    """

    n: int
    ece: float
    ci: Interval
    bins: list[CalibrationBin]


@dataclass(frozen=True)
class GroupRouting:
    """Rows of one value of an attribute, "column=value": n, how many go to which ticket, and the share that reaches
    its own, None where the group is too small (`status` "refused"; "small" ones are not ranked)."""

    group: str
    n: int
    counts: list[int]
    agreement: float | None
    ci: Interval
    status: str


@dataclass(frozen=True)
class RoutingCost:
    """What one input costs on average, router and ticket together: weights of the tickets that answer, FLOPs of dense
    kernels, non-zero multiply-adds; and the router's share of the last two."""

    params: float
    flops_executed: float
    macs_nonzero: float
    gate_flops_share: float
    gate_macs_share: float


@dataclass(frozen=True)
class RouterReport:
    """Which rows a router sends where, what that is worth and what it costs.

    counts     classes x tickets, empty where rows have no class; confusion: assigned x chosen tickets
    groups     the same per value of an attribute
    """

    row: RouterRow = field(metadata=INLINE)
    classes: list[str]
    tickets: list[str]
    counts: list[list[int]]
    confusion: list[list[int]]
    groups: list[GroupRouting]
    calibration: Calibration | None
    cost: RoutingCost


def router_row(routed: Routed) -> RouterRow:
    """The figures of a router."""
    agreement = _share(routed.eval_set, routed.agrees)
    answered, answered_ci = _answered(routed)
    regret, regret_ci = _regret(routed)
    calibrated = calibration(routed)
    ci = {"agreement_with_oracle": json_interval(agreement.low, agreement.high), **answered_ci, **regret_ci}
    return RouterRow(
        router=routed.router.name,
        uses_label=routed.router.uses_label,
        n=len(routed.eval_set.rows),
        agreement_with_oracle=json_number(agreement.value),
        **answered,
        **regret,
        ece=calibrated.ece if calibrated else None,
        **_cost_shares(routed),
        note=_note(routed),
        ci={**ci, "ece": calibrated.ci} if calibrated else ci,
    )


def router_report(routed: Routed) -> RouterReport:
    """The figures of a router and where it sends the rows."""
    eval_set, choice, costs = routed.eval_set, routed.choice, routed.costs
    k, row = len(eval_set.names), router_row(routed)
    mixed = choice.mixture if choice.mixture is not None else np.eye(k)[choice.ticket]
    labelled = eval_set.dataset.labels is not None  # classes of pixels go nowhere
    classes = list(eval_set.dataset.classes) if labelled else []
    return RouterReport(
        row=replace(row, flops_share=None),  # which stands in the cost
        classes=classes,
        tickets=list(eval_set.names),
        counts=_table(eval_set.y, choice.ticket, len(classes), k) if labelled else [],
        confusion=_table(eval_set.subset, choice.ticket, k, k),
        groups=_groups(routed),
        calibration=calibration(routed),
        cost=RoutingCost(
            params=float(((mixed > 0) * costs.params).sum(axis=1).mean()),
            flops_executed=_router_flops(routed) + costs.flops_executed,
            macs_nonzero=_router_macs(routed) + float(costs.macs[choice.ticket].mean()),
            gate_flops_share=row.flops_share,
            gate_macs_share=row.macs_share,
        ),
    )


def calibration(routed: Routed) -> Calibration | None:
    """None where the router gives no confidence."""
    confidence, agrees = routed.choice.confidence, routed.agrees
    if np.isnan(confidence).any() or len(confidence) == 0:
        return None
    at = np.minimum((confidence * BINS).astype(int), BINS - 1)
    in_bin = at == np.arange(BINS)[:, None]
    units = Units.from_ids(routed.eval_set.units)
    bins = []
    for i in np.flatnonzero(in_bin.any(axis=1)):
        agreement = proportion(agrees, in_bin[i], units)
        mean, ci = float(confidence[in_bin[i]].mean()), json_interval(agreement.low, agreement.high)
        bins.append(CalibrationBin(i / BINS, (i + 1) / BINS, int(in_bin[i].sum()), mean, agreement.value, ci))
    off = in_bin * (agrees - confidence)  # its mean over rows is a bin's weighted gap
    low, high = bootstrap_ratios(
        off,
        routed.eval_set.units,
        combine=lambda gaps: np.abs(gaps).sum(axis=1),
        seed=0,
        names=("calibration",),
        replicates=REPLICATES,
    )
    ece = float(np.abs(off.mean(axis=1)).sum())
    return Calibration(len(confidence), ece, json_interval(low, high), bins)


def _answered(routed: Routed) -> tuple[dict[str, Any], dict[str, Interval]]:
    """({accuracy, balanced_accuracy, and `figures` of other tasks}, their intervals)."""
    eval_set, none = routed.eval_set, {"accuracy": None, "balanced_accuracy": None}
    if routed.credit is None:
        return none, {}
    if not eval_set.task.choice_answers:
        row = figures(eval_set.task, routed.chosen, eval_set.own_truth, eval_set.units, eval_set.dataset.classes)
        names = (*none, *row.get("figures", ()))
        more = {"figures": row["figures"]} if "figures" in row else {}
        return {**{name: row[name] for name in none}, **more}, {n: row["ci"][n] for n in names if n in row["ci"]}
    units = Units.from_ids(eval_set.units)
    recalls = [proportion(routed.credit, eval_set.subset == k, units) for k in np.unique(eval_set.subset)]
    both = {"accuracy": _share(eval_set, routed.credit), "balanced_accuracy": mean_estimate(recalls)}
    return (
        {name: json_number(estimate.value) for name, estimate in both.items()},
        {name: json_interval(estimate.low, estimate.high) for name, estimate in both.items()},
    )


def _regret(routed: Routed) -> tuple[dict[str, float | None], dict[str, Interval]]:
    """({regret_01, regret_loss}, their intervals): what the best ticket of each row, in hindsight, adds in credit and
    in log-likelihood. None where choosing is the answer, or where answers have no likelihood."""
    eval_set, task = routed.eval_set, routed.eval_set.task
    rows = {"regret_01": None, "regret_loss": None}
    if task.choice_answers:
        return rows, {}
    regrets = {"regret_01": routed.answers.credit.max(axis=0).astype(float) - routed.credit}
    if task.log_p is not None:
        every = np.stack([_of_truth(task.log_p(each), eval_set.own_truth) for each in routed.answers.kept])
        regrets["regret_loss"] = every.max(axis=0) - _of_truth(task.log_p(routed.chosen), eval_set.own_truth)
    low, high = bootstrap_ratios(
        np.stack(list(regrets.values())), eval_set.units, seed=0, names=("regret",), replicates=REPLICATES
    )
    return (
        {**rows, **{name: json_number(regret.mean()) for name, regret in regrets.items()}},
        {name: json_interval(a, b) for name, a, b in zip(regrets, low, high, strict=True)},
    )


def _of_truth(log_p: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return log_p[np.arange(len(truth)), truth]


def _cost_shares(routed: Routed) -> dict[str, float]:
    choice, costs = routed.choice, routed.costs
    flops, macs = _router_flops(routed), _router_macs(routed)
    return {
        "flops_share": flops / (flops + costs.flops_executed),
        "macs_share": macs / (macs + float(costs.macs[choice.ticket].mean())),
        "calls_per_input": choice.calls,
        "router_macs": choice.macs,
    }


def _router_flops(routed: Routed) -> float:
    return routed.choice.calls * routed.costs.flops_executed + 2 * routed.choice.macs


def _router_macs(routed: Routed) -> float:
    """A call asks some ticket: on average one of mean size."""
    return routed.choice.calls * float(routed.costs.macs.mean()) + routed.choice.macs


def _note(routed: Routed) -> str | None:
    if routed.eval_set.task.choice_answers:
        if routed.router.uses_label:
            return "The label is the answer: no accuracy is claimed."
        return "Choosing the ticket is the answer: the accuracy is the router's own."
    if routed.router.name == "oracle":
        return "An upper bound: the label chose the ticket, and tickets of few classes give the answer away."
    return None


def _groups(routed: Routed) -> list[GroupRouting]:
    """A record for each value of each attribute."""
    eval_set, records = routed.eval_set, []
    units = Units.from_ids(eval_set.units)
    for column in eval_set.dataset.attributes:
        values = eval_set.dataset.attributes[column].astype(str).to_numpy()[eval_set.rows]
        names = np.unique(values)
        for group in names if len(names) <= MOST_GROUPS else ():
            among = values == group
            n, share = int(among.sum()), proportion(routed.agrees, among, units)
            status = "refused" if n < SHOWN else "small" if n < RANKED else "ok"
            ci = json_interval(share.low, share.high) if status != "refused" else [None, None]
            own = share.value if status != "refused" else None
            counts = np.bincount(routed.choice.ticket[among], minlength=len(eval_set.names)).tolist()
            records.append(GroupRouting(f"{column}={group}", n, counts, own, ci, status))
    return records


def _share(eval_set: EvaluationSet, hit: np.ndarray) -> Estimate:
    return proportion(hit, np.ones(len(hit), bool), Units.from_ids(eval_set.units))


def _table(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> list[list[int]]:
    return np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns).reshape(n_rows, n_columns).tolist()
