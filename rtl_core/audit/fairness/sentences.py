"""A gap of the fairness document in one plain sentence, with its numbers of rows, its interval and its caveat.

The sentences say what differs between groups, never why.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rtl_core.audit.fairness.credit import figure_of, in_points

# What happens `more often` or `less often` in a group.
OFTEN = {
    "selection_rate": "cases are selected",
    "accuracy": "decisions are right",
    "tpr": "positive cases are recognised",
    "fnr": "positive cases are missed",
    "fpr": "negative cases are wrongly selected",
    "precision": "selected cases are rightly selected",
}
NAMES = {
    "tpr": "true positive rate",
    "fnr": "false negative rate",
    "fpr": "false positive rate",
    "roc_auc": "ROC AUC",
    "calibration_error": "mean score less the share of positive cases",
}


def gap_sentence(gap: dict[str, Any], document: dict[str, Any]) -> str:
    """One of the document's `gaps`."""
    if gap["gap"] is None:
        compared = f"{gap['group']} and {gap['reference']} are not compared on {_name(gap)}"
        return f"{_where(gap)}: {compared}, because of {gap['reason']}."
    return f"{_where(gap)}: in {gap['group']}, {_finding(gap)} ({_figures(gap, document)}; {_caveat(gap, document)})."


def max_gap_sentence(gap: dict[str, Any], document: dict[str, Any]) -> str:
    """One of the document's `max_gaps`."""
    name = gap["known_as"].replace("_", " ") if gap["known_as"] else _name(gap)
    among = f"{name} between groups of {' and '.join(gap['columns'])}"
    if gap["gap"] is None:
        return f"{_where(gap)}: no largest gap in {among}, because {gap['reason']}."
    return (
        f"{_where(gap)}: the largest gap in {among} is {_size(gap, gap['gap'])}, {gap['lowest']} being lowest and "
        f"{gap['highest']} highest of {gap['groups']} ({_caveat(gap, document)})."
    )


def _where(gap: dict[str, Any]) -> str:
    ticket = "All tickets together" if gap["ticket"] is None else f"Ticket '{gap['ticket']}'"
    return f"{ticket}, class '{gap['class']}'" if gap.get("class") else ticket


def _finding(gap: dict[str, Any]) -> str:
    """What differs from the reference, by how much and which way."""
    often = OFTEN.get(gap["metric"]) if not _macro(gap) or gap["metric"] == "accuracy" else None
    what = often or f"the {_name(gap)} is"
    if gap["gap"] == 0:
        return f"{what} {'as often' if often else 'the same'} as in {gap['reference']}"
    more, less = ("more often", "less often") if often else ("higher", "lower")
    return f"{what} {_size(gap, gap['gap'])} {more if gap['gap'] > 0 else less} than in {gap['reference']}"


def _figures(gap: dict[str, Any], document: dict[str, Any]) -> str:
    scale, digits, mark, unit = (100, 1, " %", " points") if in_points(gap["metric"]) else (1, 3, "", "")
    value, base = (f"{gap[name] * scale:.{digits}f}{mark}" for name in ("value", "reference_value"))
    n, base_n = f"{gap['denominator']:,}", f"{gap['reference_denominator']:,}"
    compared = f"{value} of {n} against {base} of {base_n}"
    if gap["metric"] in ("balanced_accuracy", "roc_auc") or (_macro(gap) and gap["metric"] != "accuracy"):
        compared = f"{value} against {base}, with {n} and {base_n} rows of the rarest class"
    if gap["low"] is None:
        return f"{compared}; no interval, because the values do not vary"
    low, high = (f"{gap[name] * scale:.{digits}f}" for name in ("low", "high"))
    return f"{compared}; {100 * document['level']:g} % interval {low} to {high}{unit}"


def _caveat(gap: dict[str, Any], document: dict[str, Any]) -> str:
    if gap["p"] is None:
        return f"not tested: {gap['reason']}"
    if gap["p_holm"] < 1 - document["level"]:
        return f"this would be rare by chance, adjusted {_p(gap['p_holm'])}"
    tests = "1 test" if document["tests"] == 1 else f"{document['tests']:,} tests"
    chance = f"chance alone can make such a gap in {tests}, adjusted {_p(gap['p_holm'])}"
    if gap.get("min_detectable") is None:
        return f"{chance}, which does not show that the groups are alike"
    seen = _size(gap, gap["min_detectable"])
    return f"{chance}; even one test by itself finds only gaps of {seen} or more in four of five such samples"


def _macro(gap: dict[str, Any]) -> bool:
    return "class" in gap and gap["class"] is None


def _name(gap: dict[str, Any]) -> str:
    credited = figure_of(gap["metric"])
    name = credited.title if credited else NAMES.get(gap["metric"], gap["metric"].replace("_", " "))
    return f"mean {name} of all classes" if _macro(gap) and gap["metric"] != "accuracy" else name


def _size(gap: dict[str, Any], value: float) -> str:
    return f"{100 * abs(value):.1f} points" if in_points(gap["metric"]) else f"{abs(value):.3f}"


def _p(p: float) -> str:
    """To two significant digits, without a leading zero."""
    if p < 1e-4:
        return "p < .0001"
    return "p = " + np.format_float_positional(float(f"{p:.2g}"), trim="-").removeprefix("0")
