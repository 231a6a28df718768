"""Audits over many inputs: faithfulness known on paper, regions, agreement, threads and stopping; tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from rtl_core.audit.attribution.aggregate import FAITHFULNESS, audit
from rtl_core.audit.attribution.baselines import baseline_of
from rtl_core.audit.attribution.captum_methods import Request
from rtl_core.audit.attribution.deletion_insertion import STEPS, area, curves
from rtl_core.audit.attribution.explain import Maps, Question, explain
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.methods import METHODS, Method
from rtl_core.audit.attribution.parameters import Parameters
from rtl_core.audit.attribution.partial_dependence import feature_scores, partial_dependence
from rtl_core.audit.attribution.regions import columns, grid
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.config import DataSettings
from rtl_core.data.tabular import table_dataset
from rtl_core.errors import BadInput
from rtl_core.events import Stopped

PER_COLUMN = columns(tuple(f"x{i}" for i in range(16)))
IG = METHODS["integrated_gradients"]


class First(nn.Module):
    """Says yes for sure while the first number is there, and is undecided without it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(100.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scale * x[:, :1]


def of_row(scores: np.ndarray) -> tuple[torch.Tensor, Maps, Question]:
    x = torch.ones(1, 16)
    maps = Maps(scores[None].astype(np.float32), np.zeros(1, int), np.ones(1), np.zeros(1), np.zeros(1, int))
    return x, maps, Question(METHODS["saliency"], Parameters(), torch.zeros(1, 16), PER_COLUMN)


@pytest.mark.parametrize(
    ("scores", "deletion", "insertion"),
    [
        (-np.arange(16.0), [1] + [0.5] * STEPS, [0.5] + [1] * STEPS),  # the one that counts goes, or comes, first
        (np.arange(16.0), [1] * STEPS + [0.5], [0.5] * STEPS + [1]),
    ],
)
def test_curves_of_a_net_that_reads_one_number(scores, deletion, insertion):
    x, maps, question = of_row(scores)
    drawn_curves = curves(First(), x, maps, question, PER_COLUMN, np.random.default_rng(0))
    np.testing.assert_allclose(drawn_curves.deletion[0], deletion)
    np.testing.assert_allclose(drawn_curves.insertion[0], insertion)
    assert drawn_curves.random_deletion[0, 0] == 1 and drawn_curves.random_deletion[0, -1] == 0.5


def test_the_area_is_that_of_trapezoids():
    assert area(np.array([[1.0, 1, 1], [1, 0, 0], [0, 0.5, 1]])).tolist() == [1, 0.25, 0.5]


def noise(ask: Request) -> torch.Tensor:
    return torch.rand(ask.x.shape, generator=torch.Generator().manual_seed(0))


def test_maps_that_know_the_net_beat_random_orders_and_noise(trained_net, monkeypatch):
    rows = trained_net.dataset.rows("test")[:40]
    audited = audit(trained_net, ["a"], rows, MapRequest())
    figures = audited.tickets[0].faithfulness
    value, low, high = (
        dict(zip(FAITHFULNESS, each, strict=True)) for each in (figures.value, figures.low, figures.high)
    )
    assert high["deletion_difference"] < 0 < low["insertion_difference"]
    assert value["deletion_difference"] == pytest.approx(value["deletion"] - value["random_deletion"])
    monkeypatch.setitem(METHODS, "noise", Method("noise", "", Parameters, noise))
    random = audit(trained_net, ["a"], rows, MapRequest("noise"))
    figures = random.tickets[0].faithfulness
    assert figures.low[2] > high["deletion_difference"] and figures.high[5] < low["insertion_difference"]


def test_regions_evidence_and_agreement_are_means_over_inputs(trained_net):
    data, rows = trained_net.dataset, trained_net.dataset.rows("test")[:40]
    request = MapRequest(target="3", parameters=(("steps", 16), ("max_steps", 16)))
    audited = audit(trained_net, ["a", "b"], rows, request, faithfulness=False)
    x = data.inputs(rows)
    question = Question(IG, request.settings, baseline_of("black", data, x), trained_net.groups)
    a, b = (explain(trained_net.module(name), x, question, 3).attributions for name in ("a", "b"))
    scaled = a / np.abs(a).sum((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(audited.tickets[0].evidence, scaled.mean(0), atol=1e-5)
    cells = np.abs(scaled).reshape(40, 4, 2, 4, 2).sum((2, 4)).reshape(40, 16)
    regions = audited.tickets[0].regions
    np.testing.assert_allclose(regions.value, cells.mean(0), atol=1e-5)
    assert (regions.low < regions.value).all() and (regions.value < regions.high).all()
    assert regions.value.sum() == pytest.approx(1)
    expected = np.mean([spearmanr(left.ravel(), right.ravel()).statistic for left, right in zip(a, b, strict=True)])
    assert audited.agreement.value[0, 1] == pytest.approx(expected, abs=1e-3)
    assert audited.agreement.low[0, 1] < expected < audited.agreement.high[1, 0]
    assert audited.tickets[0].faithfulness is None and audited.n == 40


def test_threads_do_not_change_the_figures(trained_net):
    rows = trained_net.dataset.rows("test")[:40]
    one, three = (audit(trained_net, "abc", rows, MapRequest("deeplift"), workers=w) for w in (1, 3))
    for k in range(3):
        assert np.array_equal(one.tickets[k].faithfulness.value, three.tickets[k].faithfulness.value)
        assert np.array_equal(one.tickets[k].evidence, three.tickets[k].evidence)
    assert np.array_equal(one.agreement.low, three.agreement.low, equal_nan=True)


def test_an_audit_can_be_stopped(trained_net):
    def stop(event) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        audit(trained_net, ["a"], np.arange(40), MapRequest(), report=stop)
    with pytest.raises(BadInput, match="needs inputs"):
        audit(trained_net, ["a"], np.arange(0), MapRequest())


def test_regions_of_pictures_and_tables():
    maps = np.arange(2 * 2 * 4 * 4.0).reshape(2, 2, 4, 4)
    expected = maps.reshape(2, 2, 2, 2, 2, 2).sum((1, 3, 5)).reshape(2, 4)
    assert np.array_equal(grid((2, 4, 4), 2).sums(maps), expected)
    assert grid((1, 5, 3), 4).of.max() == 11 and len(grid((1, 5, 3), 4).names) == 12
    assert columns(("age", "job", "age", "job")).sums(np.array([[1.0, 2, 4, 8]])).tolist() == [[5, 10]]


@pytest.fixture(scope="module")
def people():
    """The target is whether somebody is over forty; the job tells nothing."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"age": generator.integers(20, 60, 400), "job": generator.choice(list("xyz"), 400)})
    frame["hours"] = generator.normal(40, 5, 400)
    frame["old"] = np.where(frame["age"] > 40, "yes", "no")
    return table_dataset(frame, DataSettings(spec="csv:people.csv", target="old", groups=("age",)), 0)


class Weights(nn.Module):
    """Output 1: twice the standardised age, and 1, 2, 3 for the jobs x, y, z."""

    def __init__(self, features: tuple[str, ...]) -> None:
        super().__init__()
        by_name = {"age": 2.0, "job=x": 1.0, "job=y": 2.0, "job=z": 3.0, "hours": 0.0}
        self.weight = nn.Parameter(torch.tensor([[0.0, by_name[name]] for name in features]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


def test_one_hot_features_add_up_to_their_column(people):
    names = people.features
    maps = np.tile([{"age": 4.0, "job=x": 1.0, "job=y": -3.0, "job=z": 0.5, "hours": 0.0}[n] for n in names], (2, 1))
    scores = feature_scores(people, maps)
    assert scores.iloc[0].to_dict() == {"age": 4.0, "job": -1.5, "hours": 0.0}


def test_partial_dependence_of_a_number_is_its_line(people):
    dependences = partial_dependence(Weights(people.features), people, people.rows("test"), "age", output=1)
    ages = np.array(dependences.values)
    assert dependences.numeric and dependences.scale == "original" and ages[0] == 20 and ages[-1] == 59
    train = people.attributes["age"].to_numpy()[people.rows("train")]
    slope = np.diff(dependences.output) / np.diff(ages)
    np.testing.assert_allclose(slope, 2 / train.std(), rtol=1e-4)
    assert partial_dependence(Weights(people.features), people, people.rows("test"), "hours").scale == "standardised"


def test_partial_dependence_of_a_category_puts_it_in_alone(people):
    dependences = partial_dependence(Weights(people.features), people, people.rows("test"), "job", output=1)
    assert dependences.values == ("x", "y", "z") and not dependences.numeric
    np.testing.assert_allclose(np.diff(dependences.output), 1, atol=1e-5)
    assert (dependences.low < dependences.output).all() and (dependences.output < dependences.high).all()


def test_the_median_row_could_exist(people):
    x = people.inputs(people.rows("test")[:1])
    typical = dict(zip(people.features, baseline_of("median", people, x)[0].tolist(), strict=True))
    train = people.x[people.rows("train")]
    jobs = [name for name in people.features if name.startswith("job=")]
    most = max(jobs, key=lambda name: train[:, people.features.index(name)].sum())
    assert [typical[name] for name in jobs] == [float(name == most) for name in jobs]
    assert typical["age"] == pytest.approx(np.median(train[:, people.features.index("age")]))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda people, digits: feature_scores(digits, np.zeros((1, 1, 8, 8))), "these data are pictures"),
        (lambda people, digits: partial_dependence(nn.Identity(), people, np.arange(3), "x"), "no column 'x'"),
        (lambda people, digits: partial_dependence(nn.Identity(), people, np.arange(0), "age"), "no row was chosen"),
    ],
)
def test_what_is_not_there_is_said(people, digits, wrong, match):
    with pytest.raises(BadInput, match=match):
        wrong(people, digits)


def test_a_tables_columns_are_ablated_whole(people):
    groups = Subject(None, people, None, None, {}, {}).groups
    assert groups.names == ("age", "job", "hours")
    assert [groups.names[i] for i in groups.of] == list(people.sources)
