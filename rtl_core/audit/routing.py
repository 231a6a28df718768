"""What a router is worth and what it costs: one row of `evaluate.routers`, and the JSON document of `route`.

Figures are of the answers that the chosen tickets give. With one-vs-rest tickets choosing the ticket is the answer: the
label-oracle would be right by definition, so none is claimed for it, and there is no better ticket to regret.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rtl_core.audit.evaluate import Questions
from rtl_core.audit.fairness.cells import RANKED, SHOWN
from rtl_core.models.cost import Cost
from rtl_core.routing.budget import kept_costs
from rtl_core.routing.routers import Choice, Router
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import Estimate, json_interval, json_number, mean_estimate, proportion
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
    """A router's choice for the rows that were asked, and what came of it.

    everyone  (K, n, outputs): every ticket's answer to every row
    """

    asked: Questions
    router: Router
    choice: Choice
    everyone: np.ndarray
    costs: TicketCosts

    @property
    def right(self) -> np.ndarray | None:
        """bool (n,); None where the router was told the answer itself."""
        if self.asked.task == "one_vs_rest":
            return None if self.router.uses_label else self.agrees
        if self.choice.mixture is None:
            answers = self.everyone[self.choice.ticket, np.arange(len(self.asked.rows))]
        else:
            answers = np.einsum("nk,kno->no", self.choice.mixture, np.exp(_log_p(self.everyone)))
        return answers.argmax(axis=1) == self.asked.y

    @property
    def agrees(self) -> np.ndarray:
        """bool (n,): the subset's own ticket was chosen."""
        return self.choice.ticket == self.asked.subset

    @property
    def truth(self) -> np.ndarray:
        """(n,) what the answer is compared with: the class, or the subset of one-vs-rest tickets."""
        return self.asked.subset if self.asked.task == "one_vs_rest" else self.asked.y


def router_row(routed: Routed) -> dict[str, Any]:
    """One row of `evaluate.routers`.

    flops_share  router / (router + one executed forward pass)
    macs_share   router / (router + the ticket that answers), in non-zero multiply-adds: a sparse ticket is a smaller
                 thing to compare a gate with
    regret       against the best ticket of each row, in hindsight: `regret_01` in right answers, `regret_loss` in nats
    ece          expected calibration error of the router's confidence that it chose the subset's ticket
    """
    estimates = {"agreement_with_oracle": _share(routed.asked, routed.agrees), **_answers(routed)}
    regret, regret_ci = _regret(routed)
    calibrated = calibration(routed)
    ci = {name: json_interval(found.low, found.high) for name, found in estimates.items()}
    return {
        "router": routed.router.name,
        "uses_label": routed.router.uses_label,
        "n": len(routed.asked.rows),
        "accuracy": None,
        "balanced_accuracy": None,
        **{name: json_number(found.value) for name, found in estimates.items()},
        **regret,
        "ece": calibrated["ece"] if calibrated else None,
        **_cost_shares(routed),
        "note": _note(routed),
        "ci": {**ci, **regret_ci, **({"ece": calibrated["ci"]} if calibrated else {})},
    }


def route_document(routed: Routed) -> dict[str, Any]:
    """The JSON document of `route`: whom the router sends where, what that is worth and what it costs.

    counts     classes x tickets; `confusion`: assigned x chosen tickets; `groups`: the same per value of an attribute
    """
    asked, choice, costs = routed.asked, routed.choice, routed.costs
    k = len(asked.names)
    row = router_row(routed)
    share = row.pop("flops_share")
    executed = _router_flops(routed) + costs.flops_executed
    mixed = choice.mixture if choice.mixture is not None else np.eye(k)[choice.ticket]
    return {
        **row,
        "classes": list(asked.dataset.classes),
        "tickets": list(asked.names),
        "counts": _table(asked.y, choice.ticket, len(asked.dataset.classes), k),
        "confusion": _table(asked.subset, choice.ticket, k, k),
        "groups": _groups(routed),
        "calibration": calibration(routed),
        "cost": {
            "params": float(((mixed > 0) * costs.params).sum(axis=1).mean()),
            "flops_executed": executed,
            "macs_nonzero": _router_macs(routed) + float(costs.macs[choice.ticket].mean()),
            "gate_flops_share": share,
            "gate_macs_share": row["macs_share"],
        },
    }


def calibration(routed: Routed) -> dict[str, Any] | None:
    """The reliability diagram of the router's confidence; None where it gives none.

    `ece` = sum over bins of |share that agrees - mean confidence| weighted by rows (Naeini et al., 2015). It is
    positive even for a calibrated router, the more so the fewer the rows.
    """
    confidence, agrees = routed.choice.confidence, routed.agrees
    if np.isnan(confidence).any() or len(confidence) == 0:
        return None
    at = np.minimum((confidence * BINS).astype(int), BINS - 1)
    in_bin = at == np.arange(BINS)[:, None]
    units = Units.from_ids(routed.asked.units)
    bins = []
    for i in np.flatnonzero(in_bin.any(axis=1)):
        found = proportion(agrees, in_bin[i], units)
        bins.append(
            {
                "from": i / BINS,
                "to": (i + 1) / BINS,
                "n": int(in_bin[i].sum()),
                "confidence": float(confidence[in_bin[i]].mean()),
                "agreement": found.value,
                "ci": json_interval(found.low, found.high),
            }
        )
    off = in_bin * (agrees - confidence)  # its mean over rows is a bin's weighted gap
    low, high = bootstrap_ratios(
        off,
        routed.asked.units,
        combine=lambda gaps: np.abs(gaps).sum(axis=1),
        seed=0,
        names=("calibration",),
        replicates=REPLICATES,
    )
    ece = float(np.abs(off.mean(axis=1)).sum())
    return {"n": len(confidence), "ece": ece, "ci": json_interval(low, high), "bins": bins}


def _answers(routed: Routed) -> dict[str, Estimate]:
    right, truth = routed.right, routed.truth
    if right is None:
        return {}
    units = Units.from_ids(routed.asked.units)
    recalls = [proportion(right, truth == c, units) for c in np.unique(truth)]
    return {"accuracy": _share(routed.asked, right), "balanced_accuracy": mean_estimate(recalls)}


def _regret(routed: Routed) -> tuple[dict[str, float | None], dict[str, list[float | None]]]:
    """({regret_01, regret_loss}, their intervals) of multi-class tickets."""
    names = ("regret_01", "regret_loss")
    if routed.asked.task == "one_vs_rest":
        return dict.fromkeys(names), {}
    rows = np.arange(len(routed.asked.rows))
    log_p = _log_p(routed.everyone)
    own = log_p[:, rows, routed.asked.y]  # (K, n)
    if routed.choice.mixture is None:
        answered = own[routed.choice.ticket, rows]
    else:
        answered = np.log(np.einsum("nk,kn->n", routed.choice.mixture, np.exp(own)) + np.finfo(float).tiny)
    best_right = (log_p.argmax(axis=2) == routed.asked.y).any(axis=0)
    regrets = np.stack([best_right.astype(float) - routed.right, own.max(axis=0) - answered])
    low, high = bootstrap_ratios(regrets, routed.asked.units, seed=0, names=("regret",), replicates=REPLICATES)
    means = regrets.mean(axis=1)
    return (
        {name: json_number(mean) for name, mean in zip(names, means, strict=True)},
        {name: json_interval(a, b) for name, a, b in zip(names, low, high, strict=True)},
    )


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
    if routed.asked.task == "one_vs_rest":
        if routed.router.uses_label:
            return "The label is the answer: no accuracy is claimed."
        return "Choosing the ticket is the answer: the accuracy is the router's own."
    if routed.router.name == "oracle":
        return "An upper bound: the label chose the ticket, and tickets of few classes give the answer away."
    return None


def _groups(routed: Routed) -> list[dict[str, Any]]:
    """For each value of each attribute: how many rows go to which ticket, and how often to their own."""
    asked, found = routed.asked, []
    for column in asked.dataset.attributes:
        values = asked.dataset.attributes[column].astype(str).to_numpy()[asked.rows]
        names = np.unique(values)
        for group in names if len(names) <= MOST_GROUPS else ():
            among = values == group
            n = int(among.sum())
            share = proportion(routed.agrees, among, Units.from_ids(asked.units))
            status = "refused" if n < SHOWN else "small" if n < RANKED else "ok"
            found.append(
                {
                    "group": f"{column}={group}",
                    "n": n,
                    "counts": np.bincount(routed.choice.ticket[among], minlength=len(asked.names)).tolist(),
                    "agreement": None if status == "refused" else share.value,
                    "ci": [None, None] if status == "refused" else json_interval(share.low, share.high),
                    "status": status,
                }
            )
    return found


def _share(asked: Questions, hit: np.ndarray) -> Estimate:
    return proportion(hit, np.ones(len(hit), bool), Units.from_ids(asked.units))


def _log_p(logits: np.ndarray) -> np.ndarray:
    return torch.log_softmax(torch.from_numpy(logits).double(), dim=-1).numpy()


def _table(rows: np.ndarray, columns: np.ndarray, n_rows: int, n_columns: int) -> list[list[int]]:
    return np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns).reshape(n_rows, n_columns).tolist()
