"""Budgets against all that could have been chosen."""

from itertools import product

import numpy as np
import pytest

from rtl_core.errors import BadInput
from rtl_core.models.cost import Cost
from rtl_core.routing.budget import Options, options, within_mean
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

LEVELS = tuple(Level(i + 2, d, "lighter" if i else "target") for i, d in enumerate((0.5, 0.3, 0.1)))
COST = np.array([[50, 30, 10], [40, 20, 12]])
ACCURACY = np.array([[0.9, 0.85, 0.4], [0.8, 0.5, 0.45]])
OFFERED = Options(LEVELS, COST, 10 * COST, ACCURACY)


def test_options_by_hand():
    layout = Layout(("a", "b"), ((2,), (2,)))
    levels = (Level(1, 1.0, "denser"), Level(2, 0.5, "target"), Level(3, 0.25, "lighter"), Level(4, 0.2, "lighter"))
    tickets = TicketSet(("x", "y"), ("x", "y"), layout, np.array([[0, 2, 3, 2], [2, 3, 0, 2]], np.uint8), levels)
    cost = Cost(9, 4, 0, 0, {"a": 10, "b": 1}, 5)
    assigned = options(tickets, cost, {(0, 2): 0.9, (1, 2): 0.8, (0, 3): 0.7, (1, 3): 0.6})
    assert [level.index for level in assigned.levels] == [2, 3]  # the last was not measured, the first is denser
    assert assigned.params.tolist() == [[2, 1], [2, 1]]
    assert assigned.macs.tolist() == [[16, 15], [16, 6]]
    assert assigned.accuracy.tolist() == [[0.9, 0.7], [0.8, 0.6]]


def value(ticket, result):
    """Expected right answers: an input that has lost its own ticket counts as wrong."""
    return float(np.where(result.ticket == ticket, ACCURACY[result.ticket, result.level], 0).sum())


def best_value(ticket, bound):
    """All ways to give every input a level of its own or the lightest option of all."""
    choices = [[(COST[k, r], ACCURACY[k, r]) for r in range(3)] + [(10, 0.0)] for k in ticket]
    return max(sum(a for _, a in way) for way in product(*choices) if sum(c for c, _ in way) <= bound * len(ticket))


@pytest.mark.parametrize("bound", [10, 11, 13.4, 17, 20, 25.5, 30, 38, 45, 60])
def test_the_mean_is_kept_and_misses_the_best_by_less_than_one_upgrade(bound):
    ticket = np.array([0, 1, 1, 0, 0, 1])
    assigned = within_mean(ticket, np.full(6, np.nan), OFFERED, "params", bound)
    assert assigned.cost.mean() <= bound
    assert best_value(ticket, bound) - ACCURACY.max() < value(ticket, assigned) <= best_value(ticket, bound) + 1e-9


def test_a_bound_that_upgrades_fill_exactly_is_used_at_its_best():
    ticket = np.array([0, 0, 1, 1])
    for bound in (10, 12.5, 25, 45):
        assigned = within_mean(ticket, np.zeros(4), OFFERED, "params", bound)
        if assigned.cost.mean() == bound:
            assert value(ticket, assigned) == pytest.approx(best_value(ticket, bound))
    assert assigned.cost.mean() == 45 and assigned.level.tolist() == [0] * 4


def test_the_surest_inputs_are_served_first():
    assigned = within_mean(np.zeros(3, int), np.array([0.2, 0.9, 0.5]), OFFERED, "params", (30 + 10 + 10) / 3 + 1e-9)
    assert assigned.level.tolist() == [2, 1, 2]


def test_many_random_budgets_are_never_exceeded():
    draw = np.random.default_rng(0)
    for _ in range(100):
        cost = np.sort(draw.integers(1, 1000, size=(4, 5)), axis=1)[:, ::-1]
        offered = Options((), cost, cost, draw.random((4, 5)))
        ticket = draw.integers(4, size=30)
        bound = draw.uniform(cost.min(), cost.max())
        assert within_mean(ticket, draw.random(30), offered, "macs", bound).cost.sum() <= bound * 30


def test_more_budget_is_never_worse():
    ticket = np.array([0, 1, 1, 0, 0, 1])
    values = [value(ticket, within_mean(ticket, np.zeros(6), OFFERED, "params", b)) for b in range(10, 60, 10)]
    assert values == sorted(values)


def test_impossible_budgets_are_refused():
    one = np.zeros(1, int), np.zeros(1), OFFERED
    with pytest.raises(BadInput, match="the lightest ticket costs 10: a budget of 9 is too small"):
        within_mean(*one, "params", 9)
    with pytest.raises(BadInput, match="'params' or 'macs', not 'joules'"):
        within_mean(*one, "joules", 9)
