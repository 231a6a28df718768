"""What routing comes to, in sentences: the page's headline and the titles of its charts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app import tasks, terms
from app.routing.choice_reason import Reason
from app.routing.view import View
from rtl_core.display_names import router_words

if TYPE_CHECKING:
    from rtl_core.audit.accuracy_cost import AtBudget
    from rtl_core.audit.router_metrics import Calibration
    from rtl_core.tasks.task import Figure


def headline(view: View) -> str:
    """The answer of the Routing page."""
    row = view.report.row
    who, own = router_words(view.router)[1], row.agreement_with_oracle
    if view.share is not None:
        return _within(view)
    if view.router == view.oracle.router:
        return _oracle_headline(view)
    sent = f"{who} sends {terms.percent(own)} of the {view.noun} to their own ticket"
    if view.one_vs_rest:
        return f"{sent}; by chance it would be {terms.percent(_by_chance(view))}"
    now, oracle = row.value(view.worth.name), view.oracle.report.row.value(view.worth.name)
    if now is None or oracle is None:
        return sent
    difference = now - oracle
    if not view.says_classes:
        change = tasks.difference(view.worth, difference)
        return f"{sent}; {_reached(view, now)}, {change} against being told the {_oracle_knows(view)}"
    if round(100 * difference, 1) == 0:
        return f"{sent} and answers as many rightly as if it were told the {_oracle_knows(view)}"
    change = f"{'loses' if difference < 0 else 'gains'} {_size(difference)}"
    return f"{sent} and {change} against being told the {_oracle_knows(view)}"


def _reached(view: View, value: float) -> str:
    """What the answers are worth, of a task whose answers are no classes."""
    return f"{view.worth.title} {tasks.value(view.worth, value)}"


def _oracle_knows(view: View) -> str:
    """What the subsets were made from, as a router is told it."""
    made = view.run.record.partition
    return (made.column or "").replace("_", " ") or ("label" if made.by == "class" else "cluster")


def _oracle_headline(view: View) -> str:
    row, who = view.report.row, f"{router_words(view.router)[1]} is told the {_oracle_knows(view)}"
    value = row.value(view.worth.name)
    if value is None:
        return f"{who}, which is the answer itself: nothing is shown by it"
    reached = f"{terms.percent(value)} right" if view.says_classes else _reached(view, value)
    return f"{who}: {reached} is what tickets reach when nothing is misrouted"


def _within(view: View) -> str:
    point = view.point
    difference = point.accuracy - float(view.credit_alone.mean())
    cost = terms.percent(point.cost / view.full_cost, 0)
    if not view.says_classes:
        return (
            f"At {cost} of the tickets' own cost the {view.credited.title} is "
            f"{tasks.value(view.credited, point.accuracy)}, {tasks.difference(view.credited, difference)} against "
            "their own density"
        )
    return (
        f"At {cost} of the tickets' own cost {terms.percent(point.accuracy)} of the {view.noun} are answered "
        f"rightly, {_size(difference)} {'fewer' if difference < 0 else 'more'} than at their own density"
    )


def _size(difference: float) -> str:
    return f"{abs(round(100 * difference, 1)):.1f} points"


def _by_chance(view: View) -> float:
    """The share that reaches its own ticket when tickets are dealt out at random, as often as the router sends."""
    k = len(view.names)
    sizes = np.bincount(view.eval_set.subset, minlength=k) / len(view.eval_set.subset)
    sent = np.bincount(view.ticket, minlength=k) / len(view.ticket)
    return float(sizes @ sent)


def uses_label(view: View) -> str:
    """What stands beside every figure of a router that is told the answer."""
    return (
        f"{router_words(view.router)[1]} reads the label, or the attribute that the subsets were made from: its "
        "figures are an upper bound, not what a router in the field could reach."
    )


def facts(view: View) -> str:
    """The figures behind the headline, each with its interval and n."""
    row = view.report.row
    own = row.value("agreement_with_oracle")
    pieces = [f"own ticket {terms.percent(own)} ({terms.interval(row.interval('agreement_with_oracle'))})"]
    pieces += [
        f"{figure.title} {tasks.value(figure, row.value(figure.name))} "
        f"({tasks.interval(figure, row.interval(figure.name))})"
        for figure in view.worths
        if row.value(figure.name) is not None
    ]
    if view.share is not None:
        point, named = view.point, "" if view.says_classes else f" {view.credited.title}"
        pieces.append(
            f"under the budget{named} {tasks.value(view.credited, point.accuracy)} "
            f"({tasks.interval(view.credited, point.ci.accuracy)})"
        )
    return f"{'; '.join(pieces)}; n = {terms.count(row.n)} test {view.noun}."


def matrix_title(view: View, by_class: bool) -> str:
    """Which row is misrouted most often."""
    names, place = view.rows_of_matrix(by_class)
    share = view.misrouted_shares(by_class)
    worst = int(share.argmax())
    if share[worst] == 0:
        return "Everything reaches its own ticket"
    there = place == worst
    sent = view.ticket[there & (view.ticket != view.eval_set.subset)]
    return (
        f"{names[worst]} is misrouted most often: {terms.percent(share[worst])} of {terms.count(there.sum())}, most "
        f"of them to {view.names[int(np.bincount(sent).argmax())]}"
    )


def cell_sentence(view: View, positions: np.ndarray) -> str:
    """positions: the inputs of a cell. How many are misrouted and, of multi-class tickets, are answered rightly."""
    misrouted = int((view.ticket[positions] != view.eval_set.subset[positions]).sum())
    sent = (
        f"{terms.count(misrouted)}, shown first, go to another ticket than their own"
        if misrouted
        else "None is misrouted"
    )
    if view.one_vs_rest or view.share is not None:
        return f"{sent}."
    if not view.says_classes:
        return f"{sent}; {_mean_credit(view, positions)}."
    return f"{sent}; {terms.count(int(view.credit_alone[positions].sum()))} are answered rightly."


def _mean_credit(view: View, positions: np.ndarray) -> str:
    """Of some inputs, as the tickets that they are sent to answer them."""
    return f"{view.credited.title} {tasks.value(view.credited, float(view.credit_alone[positions].mean()))} on average"


def routers_title(rows: pd.DataFrame, worth: Figure, says_classes: bool) -> str:
    """rows: one per router, with `worth`, the figure that they are judged by. The best of those that see the
    input alone."""
    free = rows[~rows.uses_label & rows.agreement_with_oracle.notna() & ~rows.router.isin(["oracle", "context"])]
    if free.empty:
        return "No router sees the input alone"
    best = free.loc[(worth.sign * free.worth).fillna(free.agreement_with_oracle).idxmax()]
    right = terms.percent(best.agreement_with_oracle if pd.isna(best.worth) else best.worth) + " right"
    reached = right if says_classes or pd.isna(best.worth) else f"{worth.title} {tasks.value(worth, best.worth)}"
    calls = best.calls_per_input
    extra = f"{calls or 'no':{'g' if calls else ''}} further forward pass{'es' if calls > 1 else ''}"
    name = router_words(best.router)[0].lower()
    return f"Best without being told: {name}, {reached}, {extra}"


def budget_title(view: View, curve: list[AtBudget]) -> str:
    """What half the cost is worth, between two points of the curve."""
    cost, right = np.array([(point.cost, point.accuracy) for point in curve]).T
    if cost[0] > view.full_cost / 2:
        return "Even the lightest ticket costs more than half of what they cost at their own density"
    half = float(np.interp(view.full_cost / 2, cost, right)) - float(view.credit_alone.mean())
    lost = _size(half) if view.says_classes else tasks.difference(view.credited, abs(half)).lstrip("+")
    of = "" if view.says_classes else f" of the {view.credited.title}"
    return (
        f"Half of the multiply-adds that count cost {lost}{of}"
        if half < 0
        else "Half of the multiply-adds that count would do"
    )


def levels_used(view: View) -> str:
    """How many inputs get which level, densest first."""
    n = len(view.ticket)
    if view.level is None:
        return f"At the tickets' own density, {terms.density(view.run.tickets.target.density)}: all {terms.count(n)}."
    counted = np.bincount(view.level, minlength=len(view.routing.offered.levels))
    named = [
        f"{terms.count(some)} at {terms.density(level.density)}"
        for some, level in zip(counted, view.routing.offered.levels, strict=True)
        if some
    ]
    return f"Under your budget, of {terms.count(n)} {view.noun}: {terms.listed(named)} density."


def calibration_title(view: View, calibration: Calibration) -> str:
    off = np.array([b.confidence - b.agreement for b in calibration.bins])
    n = np.array([b.n for b in calibration.bins])
    mean = float((off * n).sum() / n.sum())
    way = "sure" if abs(mean) < 0.01 else "surer" if mean > 0 else "less sure"
    than = "as it is right" if way == "sure" else "than it is right"
    return (
        f"{router_words(view.router)[1]} is {'about as ' if way == 'sure' else ''}{way} {than}: calibration error "
        f"{terms.percent(calibration.ece)} ({terms.interval(calibration.ci)})"
    )


def groups_title(groups: pd.DataFrame, overall: float) -> str:
    """groups: a row per group, with `misrouted` and its interval. Those whose interval lies above the share of all."""
    ranked = groups[groups.status == "ok"]
    above = ranked[ranked.low > overall].sort_values("misrouted", ascending=False)
    if ranked.empty:
        return "No group is large enough to be compared"
    if above.empty:
        return f"None of {len(ranked)} groups is seen to be misrouted more than all are ({terms.percent(overall)})"
    most = above.iloc[0]
    others = f"; {len(above) - 1} more above all" if len(above) > 1 else ""
    return f"{most.group} is misrouted most: {terms.percent(most.misrouted)}, all {terms.percent(overall)}{others}"


def reason_sentence(view: View, reason: Reason, own: str | None) -> str:
    """Where the gate sends an input, by how much, and whether the nearest centroid agrees."""
    order = np.argsort(-reason.probability)
    first, second = view.names[order[0]], view.names[order[1]]
    sentence = (
        f"The gate sends it to {first} with {terms.percent(reason.probability[order[0]])}; next is {second} with "
        f"{terms.percent(reason.probability[order[1]])}"
    )
    if own is not None and own not in (first, second):
        sentence += f", its own {own} has {terms.percent(reason.probability[view.names.index(own)])}"
    nearest = view.names[int(reason.distance.argmin())]
    agrees = "also" if nearest == first else "not"
    return f"{sentence}. The nearest centroid is {agrees} {first}{'' if nearest == first else f' but {nearest}'}."


def misrouted_title(view: View, positions: np.ndarray) -> str:
    """positions: of the inputs that another ticket than their own answers."""
    n = len(view.ticket)
    if len(positions) == 0:
        return f"All {terms.count(n)} {view.noun} reach their own ticket"
    sentence = f"{terms.count(len(positions))} of {terms.count(n)} {view.noun} go to another ticket than their own"
    if view.one_vs_rest or view.share is not None:
        return sentence
    if not view.says_classes:
        return f"{sentence}; {_mean_credit(view, positions)} all the same"
    right = float(view.credit_alone[positions].mean())
    return f"{sentence}; {terms.percent(right, 0)} of them are answered rightly all the same"


def map_title(method: str, share: float) -> str:
    if method == "PCA":
        return f"Inputs as the gate sees them: two axes show {terms.percent(share, 0)} of the variance"
    return "Inputs as the gate sees them: neighbours lie together"


def redundancy_title(rows: pd.DataFrame) -> str:
    """rows: one per pair, way of merging and subset, with the pair's verdict."""
    could = rows[rows.verdict == "could be merged"].tickets.unique()
    if len(could):
        return f"Could be merged: {terms.listed(list(could))}"
    costs = rows[rows.verdict == "costs accuracy"].tickets.nunique()
    return f"No pair is seen to be superfluous; merging costs accuracy in {costs} of {rows.tickets.nunique()}"
