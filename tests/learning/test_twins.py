"""Twins: what their halves hold, and that they are extracted as the run's own tickets are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.learning.extract import density_schedule, extract_together
from rtl_core.learning.method_steps import extract_ticket, schedule_of, ticket_rounds, warm_start
from rtl_core.learning.subsets import Subset
from rtl_core.learning.twins import extract_twins, schedule_again, twins_of

ROUNDS = {
    "one_shot": {"schedule": "one_shot"},
    "fraction": {"schedule": "fraction", "fraction": 0.3},
    "one round": {"schedule": "fraction", "fraction": 0.9},
}


def subset_of(name: str, *pools) -> Subset:
    return Subset(name, tuple(np.array(pool) for pool in pools), torch.from_numpy, torch.nn.functional.mse_loss)


def settings(**more) -> dict:
    return {"steps": 5, "warm_steps": 3, "learning_rate": 0.05, **more}


def twins_at(experiment, unit=None, seed=0):
    return twins_of(experiment.subsets, np.arange(60) if unit is None else unit, seed)


def test_halves_have_no_unit_in_common_whatever_the_subsets():
    unit = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5])  # pictures in two forms, one form a subset
    subsets = [subset_of("plain", range(0, 12, 2)), subset_of("rotated", range(1, 12, 2))]
    (first, second, again, order), (other_first, other_second, *_) = twins_of(subsets, unit, seed=3)
    for one in (first, other_first):
        for two in (second, other_second):
            assert not set(unit[one.pools[0]]) & set(unit[two.pools[0]])
    assert len(first.pools[0]) == len(second.pools[0]) == 3
    assert sorted([*first.pools[0], *second.pools[0]]) == list(range(0, 12, 2))
    assert again is subsets[0] and (order.pools[0] == subsets[0].pools[0]).all()
    assert len({twin.name for twin in (first, second, order)} | {"plain"}) == 4


def test_both_kinds_of_rows_are_halved():
    subsets = [subset_of(str(c), range(10 * c, 10 * c + 10), [r for r in range(30) if r // 10 != c]) for c in range(3)]
    for first, second, *_ in twins_of(subsets, np.arange(30), seed=0):
        assert [len(pool) for pool in first.pools] == [len(pool) for pool in second.pools] == [5, 10]


def test_the_draw_is_a_function_of_the_seed():
    subsets = [subset_of("all", range(40))]
    firsts = [twins_of(subsets, np.arange(40), seed)[0][0].pools[0].tolist() for seed in (1, 1, 2)]
    assert firsts[0] == firsts[1] != firsts[2]


def test_rows_of_one_unit_cannot_be_halved():
    with pytest.raises(BadInput, match=r"'one' cannot be halved: its 4 training rows .* different units \(1\)"):
        twins_of([subset_of("one", [0, 1, 2, 3])], np.zeros(4, int), seed=0)


@pytest.mark.parametrize("schedule", ROUNDS)
def test_a_twin_of_the_very_subset_is_the_ticket(make_experiment, schedule):
    """The same name draws the same batches: nothing but the subset tells a twin from the run's ticket."""
    experiment = make_experiment(extract=settings(**ROUNDS[schedule]))
    start = warm_start(experiment)
    ticket = extract_ticket(experiment, start, 1, None)
    again = schedule_again(ticket.levels, schedule == "one_shot", watched=False)
    planned = density_schedule(experiment.config.extract, 0.5, experiment.layout.n, [1.0, 0.8], [0.25])
    assert again == planned
    # another journal, which has not seen the ticket's own extraction
    afresh = make_experiment(extract=settings(**ROUNDS[schedule]))
    assert (extract_twins(afresh, start, afresh.subsets, again)[1] == ticket.pruned_at).all()


def test_watched_rounds_train_the_target_once_more_before_lighter_levels(make_experiment):
    settled = make_experiment(extract=settings(**ROUNDS["fraction"]))
    levels = density_schedule(settled.config.extract, 0.5, settled.layout.n, [], [0.25]).levels
    plain, watched = (schedule_again(levels, False, listened) for listened in (False, True))
    assert [*plain.rounds[:-1], plain.rounds[-1][:1], plain.rounds[-1][1:]] == list(watched.rounds)
    assert [level.kind for level in watched.rounds[-1]] == ["lighter"]
    without_lighter = schedule_again([level for level in levels if level.kind != "lighter"], False, True)
    assert len(without_lighter.rounds) == len(plain.rounds)


def test_twins_of_rows_that_are_all_the_same_are_identical(make_experiment, dataset):
    """With one row a thousand times there is no luck in rows or order: every twin is the ticket."""
    whole = make_experiment(extract=settings())
    row = torch.as_tensor(dataset.inputs(np.array([0])))
    label = torch.as_tensor(dataset.y[:1])
    experiment = replace(
        whole,
        inputs=lambda rows: row.expand(len(rows), -1),
        subsets=tuple(replace(one, targets=lambda rows: label.expand(len(rows))) for one in whole.subsets),
    )
    start = warm_start(experiment)
    ticket = extract_ticket(experiment, start, 0, None)
    schedule = schedule_again(ticket.levels, True, False)
    for of_side in zip(*twins_at(experiment), strict=True):
        assert (extract_twins(experiment, start, of_side, schedule)[0] == ticket.pruned_at).all()


def test_another_order_is_another_ticket_and_the_same_again(make_experiment):
    experiment, afresh = (make_experiment(extract=settings()) for _ in range(2))
    start = warm_start(experiment)
    ticket = extract_ticket(experiment, start, 0, None)
    schedule = schedule_again(ticket.levels, True, False)
    first, second = (
        extract_twins(each, start, [of[3] for of in twins_at(each)], schedule)[0] for each in (experiment, afresh)
    )
    assert (first == second).all() and (first != ticket.pruned_at).any()


def test_twins_share_as_far_as_the_runs_tickets_did(make_experiment):
    """At 1 all tickets are cut alike, and so are the twins of one kind; the very subsets give the run's own tickets."""
    experiment, afresh = (make_experiment(extract=settings(sharing=0.4)) for _ in range(2))
    start = warm_start(experiment)
    rounds = [ticket_rounds(experiment, start, k) for k in range(3)]
    own = extract_together(rounds, schedule_of(experiment), [None] * 3, 0.4)
    schedule = schedule_again(own[0].levels, True, False)
    again = extract_twins(afresh, start, afresh.subsets, schedule, 0.4)
    assert (again == np.stack([each.pruned_at for each in own])).all()
    firsts = extract_twins(afresh, start, [of[0] for of in twins_at(afresh)], schedule, 1.0)
    assert (firsts[0] == firsts[1]).all() and (firsts[0] == firsts[2]).all()
