"""Scores on cases known on paper, against slow references, and from the seed alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from rtl_core.audit.attribution.explain import Question, explain, outputs_of
from rtl_core.audit.attribution.methods import METHODS, settings_of
from rtl_core.audit.attribution.rank_correlation import rank_correlation
from rtl_core.audit.attribution.sanity import (
    RADIUS,
    infidelity,
    sensitivity,
    shuffled,
)


def question_of(subject, x, name: str, **parameters):
    method = METHODS[name]
    question = Question(method, settings_of(method, parameters), x.min() * torch.ones_like(x[:1]), subject.groups)
    return explain(subject.module("a"), x, question), question


@pytest.fixture
def x(digits) -> torch.Tensor:
    return digits.inputs(digits.rows("test")[:5])


def test_rank_correlation_is_spearmans():
    a, b = np.random.default_rng(0).integers(0, 5, (2, 6, 30)).astype(float)
    expected = [spearmanr(left, right).statistic for left, right in zip(a, b, strict=True)]
    np.testing.assert_allclose(rank_correlation(a, b), expected)
    assert np.isnan(rank_correlation(np.ones((1, 4)), np.arange(4.0)[None])).all()


def test_a_shared_background_does_not_make_maps_alike():
    generator = np.random.default_rng(0)
    a, b = np.zeros((2, 200, 300))
    a[:, :60], b[:, :60] = generator.normal(size=(2, 200, 60))
    assert abs(rank_correlation(a, b).mean()) < 0.05
    assert rank_correlation(np.abs(a), np.abs(b)).mean() > 0.7


def test_shuffling_goes_down_from_the_head_and_keeps_values(random_net):
    module = random_net.module("a")
    names = ["block1.conv.weight", "block2.conv.weight", "block3.conv.weight", "head.weight"]
    before = module.state_dict()
    for stage in range(4):
        after = shuffled(module, stage, seed=0).state_dict()
        moved = [name for name in names if not torch.equal(before[name], after[name])]
        assert moved == names[3 - stage :]
        assert all(torch.equal(before[name].flatten().sort()[0], after[name].flatten().sort()[0]) for name in names)
        assert torch.equal(before["block1.norm.running_var"], after["block1.norm.running_var"])


def test_the_top_layers_are_shuffled_the_same_at_every_stage(random_net):
    module = random_net.module("a")
    heads = [shuffled(module, stage, seed=0).head.weight for stage in range(4)]
    assert all(torch.equal(heads[0], head) for head in heads)


def test_contributions_of_a_linear_net_leave_nothing_unaccounted_for(linear, x):
    maps, question = question_of(linear, x, "integrated_gradients")
    np.testing.assert_allclose(infidelity(linear.module("a"), x, maps, question), 0, atol=1e-6)


def test_slopes_of_a_linear_net_leave_nothing_unaccounted_for(linear, x):
    maps, question = question_of(linear, x, "saliency", absolute=False)
    np.testing.assert_allclose(infidelity(linear.module("a"), x, maps, question), 0, atol=1e-6)


def test_infidelity_is_what_a_regression_through_zero_leaves(trained_net, x):
    """The share of the changes' sum of squares, counted afresh from removals drawn here."""
    maps, question = question_of(trained_net, x, "occlusion")
    scores = infidelity(trained_net.module("a"), x, maps, question)
    generator, groups, module = np.random.default_rng(1), question.groups, trained_net.module("a")
    for i in range(len(x)):
        removed = generator.random((2000, len(groups.names))) < 0.5
        mask = torch.from_numpy(removed[:, groups.of].astype(np.float32))
        changed = x[i] - mask * (x[i] - question.baseline)
        change = maps.output[i] - outputs_of(module, changed)[:, maps.target[i]]
        map_sum = removed @ groups.sums(maps.attributions[i : i + 1])[0]
        left = change - map_sum * (change @ map_sum) / (map_sum @ map_sum)
        assert scores[i] == pytest.approx((left @ left) / (change @ change), abs=0.1)


def test_the_map_of_a_linear_net_changes_with_its_input_only(linear, x):
    maps, question = question_of(linear, x, "saliency")
    np.testing.assert_allclose(sensitivity(linear.module("a"), x, maps, question), 0, atol=1e-6)
    maps, question = question_of(linear, x, "input_x_gradient")
    weights = linear.module("a").head.weight.detach()
    longest = RADIUS * weights[maps.target].norm(dim=1).numpy()  # all inputs moved by the whole radius
    scores = sensitivity(linear.module("a"), x, maps, question)
    length = np.linalg.norm(maps.flat, axis=1)
    assert (scores > 0.3 * longest / length).all() and (scores <= longest / length).all()


def test_scores_come_from_the_seed_alone(trained_net, checked):
    torch.manual_seed(0)
    _, first = checked(trained_net, "integrated_gradients", n=4)
    torch.manual_seed(1)
    _, second = checked(trained_net, "integrated_gradients", n=4)
    assert all(
        np.array_equal(a, b, equal_nan=True) for a, b in zip(vars(first).values(), vars(second).values(), strict=True)
    )
