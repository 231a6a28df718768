"""What the maps say, in sentences: the headline of the Attribution page and the titles of its charts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from app import terms

if TYPE_CHECKING:
    from rtl_core.audit.attribution.compare_tickets import SideBySide
    from rtl_core.tasks.task import Task

_LITTLE, _MUCH = 0.3, 0.7  # rank correlation
YES = 0.5  # probability from which a one-vs-rest ticket claims an input


def headline(comparison: SideBySide, class_names: Sequence[str], k: int, task: Task, target: str | None) -> str:
    """What the k tickets answer, and how similar the reasons are that their maps give."""
    one_vs_rest = task.choice_answers
    if task.log_p is None:
        answers = _numbers(comparison, class_names[0], k, task.explained_as)
    else:
        answers = _answers(comparison, class_names, k, one_vs_rest, target)
    similar, random = agreement(comparison, k)
    if k == 1:
        return answers if np.isnan(random) else f"{answers}; under a random mask its map is {_similarity_words(random)}"
    if np.isnan(similar):
        return f"{answers}; their maps are the same everywhere and tell nothing"
    apart = task.log_p is not None and not one_vs_rest and target is None and len(set(class_names[:k])) > 1
    return (
        f"{answers}; their maps, each of its own answer, are {_similarity_words(similar)}"
        if apart
        else (f"{answers}; their maps are {_similarity_words(similar)}")
    )


def _answers(comparison: SideBySide, answers: Sequence[str], k: int, one_vs_rest: bool, target: str | None) -> str:
    if target is not None:
        low, high = (
            terms.percent(float(end), 0) for end in (comparison.confidence[:k].min(), comparison.confidence[:k].max())
        )
        return f"The tickets give “{target}” {low} to {high}"
    if one_vs_rest:
        sure = [i for i in np.argsort(-comparison.confidence[:k]) if comparison.confidence[i] > YES]
        if not sure:
            return f"None of {k} tickets claims this input"
        claim = "claims" if len(sure) == 1 else "claim"
        return f"{terms.listed([answers[i] for i in sure[:3]])} {claim} this input, {len(sure)} of {k} tickets"
    (label, count), *_ = Counter(answers[:k]).most_common(1)
    every = {True: f"All {k} tickets say", False: f"{count} of {k} tickets say"}[count == k]
    return f"{every} “{label}”" if k > 1 else f"The ticket says “{label}”"


def _numbers(comparison: SideBySide, name: str, k: int, called: str) -> str:
    """The explained number, where answers have no probability."""
    low, high = (
        f"{end:+.2f}".replace("-", "−") for end in (comparison.maps.output[:k].min(), comparison.maps.output[:k].max())
    )
    if k == 1:
        return f"The ticket's {called} of “{name}” is {low}"
    return f"The tickets' {called} of “{name}” is {low} to {high}"


def agreement(comparison: SideBySide, k: int) -> tuple[float, float]:
    """Mean rank correlation of the maps of two tickets, and that of the tickets' maps with the random mask's."""
    i, j = np.triu_indices(k, 1)
    return _mean(comparison.correlation[i, j]), _mean(comparison.correlation[:k, -1])


def matrix_title(comparison: SideBySide, k: int) -> str:
    """How similar the tickets' maps are, beside how similar they are to a random mask's."""
    similar, random = agreement(comparison, k)
    if np.isnan(random):
        return "The maps are the same everywhere: nothing can be compared"
    if k == 1 or np.isnan(similar):
        return f"With the map of a random mask of equal density: {_signed(random)} rank correlation"
    return (
        f"Two tickets' maps correlate by {_signed(similar)} on average, a ticket's and a random mask's by "
        f"{_signed(random)}"
    )


def checks_title(verdicts: Mapping[str, str]) -> str:
    """How many maps stand up to the checks."""
    counts = Counter(verdicts.values())
    if counts["ok"] == len(verdicts):
        return "No check speaks against these maps" if len(verdicts) > 1 else "No check speaks against this map"
    called = {"do not trust": "not to be trusted", "doubtful": "doubtful"}
    counted = [
        f"{counts[verdict]} {'is' if counts[verdict] == 1 else 'are'} {words_of}"
        for verdict, words_of in called.items()
        if counts[verdict]
    ]
    return f"Of {len(verdicts)} maps, {terms.listed(counted)}"


def curves_title(faster: int, k: int) -> str:
    how = "Every ticket's answer falls" if faster == k else f"The answers of {faster} of {k} tickets fall"
    return f"{how} faster in the map's order than in random ones"


def faithful_title(frame: Any, n: int) -> str:
    """Tickets whose maps find what matters: the answer falls faster than in random orders, beyond the interval."""
    lost = frame[frame.measure == "deletion"]
    beyond = lost[lost.high < 0]
    if len(beyond) == len(lost):
        return f"Taking away what the maps mark hurts every ticket more than random orders do (n = {n:,})"
    if beyond.empty:
        return f"Taking away what the maps mark hurts no ticket more than random orders do (n = {n:,})"
    return f"The maps find what matters to {terms.listed(list(beyond.ticket))}, not to the others (n = {n:,})"


def regions_title(ticket: str, region: str, share: float, even: float) -> str:
    lies = f"{terms.percent(share, 0)} of its maps lie there, {terms.percent(even, 0)} would be even"
    return f"{ticket} looks most at {region}: {lies}"


def _similarity_words(correlation: float) -> str:
    how = "very similar" if correlation > _MUCH else "somewhat similar" if correlation > _LITTLE else "hardly similar"
    return f"{how} ({_signed(correlation)} rank correlation)"


def _signed(correlation: float) -> str:
    return terms.signed(round(correlation, 2) + 0.0)  # no minus before a zero


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def columns_title(first: Mapping[str, str]) -> str:
    """Which column weighs most, per ticket."""
    counts = Counter(first.values())
    (column, count), *_ = counts.most_common(1)
    if count == len(first):
        return f"“{column}” weighs most for every ticket" if count > 1 else f"“{column}” weighs most"
    return f"“{column}” weighs most for {count} of {len(first)} tickets"


def dependence_title(column: str, ranges: Mapping[str, float]) -> str:
    most, least = max(ranges, key=ranges.get), min(ranges, key=ranges.get)
    if len(ranges) == 1:
        return f"“{column}” moves the output of {most} by {ranges[most]:.2f}"
    return f"“{column}” moves {most} most, by {ranges[most]:.2f}, and {least} least, by {ranges[least]:.2f}"
