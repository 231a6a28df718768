"""Routing gap and decomposition on cases known on paper, and their intervals against resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.groups import Grouping, groupings, tidy_groups
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.routing_gap import decomposition, routing_gap
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.intervals import bootstrap_units


def written(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What a function gives, as its document."""
    return plain(function(*arguments, **options))


def grouping_of(code: np.ndarray, names: tuple[str, ...] = ("g=A", "g=B")) -> Grouping:
    return Grouping(("g",), names, np.zeros(len(names), bool), code)


def by_group(records: list[dict], ticket: str | None = None) -> dict[str, dict]:
    return {record["group"]: record for record in records if record["ticket"] == ticket}


def test_a_group_that_is_sent_to_a_worse_ticket_is_found():
    n = 400
    code, given = np.repeat([0, 1], n // 2), np.repeat([0, 1], n // 2)
    right = np.zeros((3, n), bool)
    right[0, : n // 2 : 2] = True  # group A: its ticket is right for half of the rows, ticket 1 for all
    right[1] = True
    gap_rows = written(routing_gap, right, given, grouping_of(code), Units.rows(n), ("x", "y", "z"))
    a, b = by_group(gap_rows)["g=A"], by_group(gap_rows)["g=B"]
    assert (a["accuracy"], a["lead_over_best"], a["another_right"]) == (0.5, -0.5, 0.5)
    assert a["lead_over_mean"] == pytest.approx(0.0)  # (1 + 0) / 2
    assert a["ci"]["lead_over_best"][1] < 0
    assert (b["lead_over_best"], b["lead_over_mean"], b["another_right"]) == (1.0, 1.0, 0.0)
    assert by_group(gap_rows, "x")["g=A"]["n"] == n // 2 and by_group(gap_rows, "x")["g=B"]["status"] == "refused"


def test_the_best_of_tickets_that_all_guess_is_not_better():
    """The best of nine others on the same rows would lead by far more than its interval; chosen on the other half
    it does not, and its interval holds zero as often as it should."""
    held = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        right, given = generator.random((10, 200)) < 0.5, generator.integers(0, 10, 200)
        gap_rows = written(
            routing_gap, right, given, grouping_of(np.zeros(200, int), ("g=A",)), Units.rows(200), tuple("abcdefghij")
        )
        low, high = by_group(gap_rows)["g=A"]["ci"]["lead_over_best"]
        held += low <= 0 <= high
    assert held >= 88


def test_one_ticket_is_no_choice():
    with pytest.raises(BadInput, match="one ticket"):
        written(
            routing_gap, np.ones((1, 4), bool), np.zeros(4, int), grouping_of(np.zeros(4, int)), Units.rows(4), ("x",)
        )


def decided(
    predicted: np.ndarray, ticket: np.ndarray, group: np.ndarray, unit: np.ndarray | None = None
) -> Predictions:
    n = len(predicted)
    groups = tidy_groups(pd.DataFrame({"g": group}))[0]
    unit = np.arange(n) if unit is None else unit
    tickets = tuple("abc"[: ticket.max() + 1])
    return Predictions(np.zeros(n, int), predicted, np.full(n, np.nan), ticket, groups, unit, ("no", "yes"), tickets)


def blocks(*counts: tuple[str, int, int, int]) -> Predictions:
    """(group, ticket, rows, of which said yes)."""
    group = np.concatenate([[g] * n for g, _, n, _ in counts])
    ticket = np.concatenate([[k] * n for _, k, n, _ in counts])
    predicted = np.concatenate([[1] * yes + [0] * (n - yes) for _, _, n, yes in counts])
    return decided(predicted, ticket, group)


def selection(predictions: Predictions) -> dict:
    grouping = groupings(predictions.groups, ["g"])[0]
    records = written(decomposition, predictions, grouping, grouping.names.index("g=B"))
    return next(record for record in records if record["metric"] == "selection_rate" and record["group"] == "g=A")


def test_a_gap_by_other_shares_of_equal_tickets_is_all_between():
    decomposed = selection(blocks(("A", 0, 80, 8), ("A", 1, 20, 10), ("B", 0, 20, 2), ("B", 1, 80, 40)))
    assert decomposed["gap"] == pytest.approx(0.18 - 0.42)
    assert decomposed["within"] == pytest.approx(0) and decomposed["between"] == pytest.approx(-0.24)


def test_a_gap_inside_equally_shared_tickets_is_all_within():
    decomposed = selection(blocks(("A", 0, 50, 5), ("A", 1, 50, 20), ("B", 0, 50, 10), ("B", 1, 50, 30)))
    assert decomposed["within"] == pytest.approx(decomposed["gap"]) == pytest.approx(-0.15)
    assert decomposed["between"] == pytest.approx(0)
    assert [piece["within"] for piece in decomposed["tickets"]] == pytest.approx([-0.05, -0.1])


def test_a_ticket_with_one_group_only_is_between():
    decomposed = selection(blocks(("A", 0, 50, 10), ("B", 0, 50, 10), ("B", 1, 50, 50)))
    assert decomposed["gap"] == pytest.approx(0.2 - 0.6)
    assert decomposed["within"] == pytest.approx(0) and decomposed["between"] == pytest.approx(-0.4)


@pytest.mark.parametrize("rows_per_unit", [1, 3])
def test_parts_add_up_and_their_intervals_are_those_of_resampling(rows_per_unit):
    generator = np.random.default_rng(2)
    n = 600
    ticket = generator.integers(0, 3, n)
    group = np.where(generator.random(n) < 0.3 + 0.2 * ticket, "A", "B")
    predicted = (generator.random(n) < 0.2 + 0.2 * ticket - 0.1 * (group == "A")).astype(int)
    one = decided(predicted, ticket, group)
    rows = np.tile(np.arange(n), rows_per_unit)
    shuffled = generator.permutation(ticket) if rows_per_unit > 1 else ticket
    many = decided(
        predicted[rows], np.where(np.arange(len(rows)) < n, ticket[rows], shuffled[rows]), group[rows], one.unit[rows]
    )
    decomposed = selection(many)
    assert decomposed["within"] + decomposed["between"] == pytest.approx(decomposed["gap"], abs=1e-12)

    def terms(weights: np.ndarray) -> np.ndarray:
        a = (many.groups["g"] == "A").to_numpy()
        cells = [[weights[:, (a == side) & (many.ticket == k)] for k in range(3)] for side in (True, False)]
        hits = [[many.y_pred[(a == side) & (many.ticket == k)] for k in range(3)] for side in (True, False)]
        size = np.array([[c.sum(axis=1) for c in row] for row in cells])
        rate = np.array(
            [[(c * h).sum(axis=1) for c, h in zip(*pair, strict=True)] for pair in zip(cells, hits, strict=True)]
        )
        rate, share = rate / size, size / size.sum(axis=1, keepdims=True)
        within = ((rate[0] - rate[1]) * share.mean(axis=0)).sum(axis=0)
        return np.stack([within, ((share[0] - share[1]) * rate.mean(axis=0)).sum(axis=0)], axis=1)

    low, high = bootstrap_units(terms, many.unit, seed=0, replicates=2000)
    for i, name in enumerate(("within", "between")):
        ends = decomposed["ci"][name]
        assert ends == pytest.approx([low[i], high[i]], abs=0.12 * (high[i] - low[i]))


def test_groups_too_small_are_refused():
    decomposed = selection(blocks(("A", 0, 5, 1), ("B", 0, 40, 10), ("B", 1, 40, 10)))
    assert (decomposed["status"], decomposed["within"], decomposed["tickets"]) == ("refused", None, [])
    assert selection(blocks(("A", 0, 20, 1), ("B", 0, 40, 10), ("B", 1, 40, 10)))["status"] == "small"
