"""The JSON document against what `explain` and Captum say, dead tickets, wrong questions, and threads."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import captum.attr as captum
import numpy as np
import pytest
import torch

from rtl_core.audit.attribution.attribute import attribute
from rtl_core.audit.attribution.baselines import BASELINES, baseline_of
from rtl_core.audit.attribution.compare_tickets import DENSE, RANDOM, side_by_side, top_overlap
from rtl_core.audit.attribution.explain import Question, explain
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.methods import METHODS, settings_of
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.config import DataSettings
from rtl_core.data.pictures import Pictures, from_arrays
from rtl_core.errors import BadInput
from rtl_core.events import Stopped


@pytest.fixture(scope="module")
def result(trained_net) -> tuple[dict, np.ndarray]:
    return attribute(trained_net, "a", [5, 0, 3], MapRequest())


def test_the_document_has_the_fields_that_others_read(result):
    document, maps = result
    assert {"ticket", "method", "baseline", "target", "seconds", "samples"} <= document.keys()
    assert (document["ticket"], document["baseline"], document["target"]) == ("a", "black", "predicted")
    assert maps.shape == (3, 1, 8, 8) and maps.dtype == np.float32
    for sample in document["samples"]:
        assert {"index", "y_true", "output", "baseline_output", "sum", "delta", "verdict", "reason"} <= sample.keys()
        checks = {"mask_swap", "random_mask", "weight_randomisation", "infidelity", "sensitivity"}
        assert sample["sanity"].keys() == checks
    json.dumps(document, allow_nan=False)


def test_samples_are_places_in_the_test_split_and_sums_add_up(result, trained_net):
    document, maps = result
    data, module = trained_net.dataset, trained_net.module("a")
    rows = data.rows("test")[[5, 0, 3]]
    outputs = module(data.inputs(rows)).detach().numpy()
    for i, sample in enumerate(document["samples"]):
        assert (sample["index"], sample["y_true"]) == ([5, 0, 3][i], data.y[rows[i]])
        assert sample["target"] == data.classes[outputs[i].argmax()]
        assert sample["output"] == pytest.approx(outputs[i].max(), abs=1e-5)
        assert sample["sum"] == pytest.approx(maps[i].sum(), abs=1e-5)
        assert sample["delta"] == pytest.approx(sample["sum"] - sample["output"] + sample["baseline_output"], abs=1e-5)


def test_a_chosen_class_is_explained_by_name_or_number(trained_net):
    document, maps = attribute(trained_net, "a", [0, 1], MapRequest("saliency", target="7"))
    assert document["target"] == "7" and {sample["target"] for sample in document["samples"]} == {"7"}
    x = trained_net.dataset.inputs(trained_net.dataset.rows("test")[:2]).requires_grad_()
    assert np.array_equal(maps, captum.Saliency(trained_net.module("a")).attribute(x, 7).numpy())


def test_a_one_vs_rest_ticket_explains_the_score_of_its_own_class(one_vs_rest):
    document, _ = attribute(one_vs_rest, "b", [0, 1], MapRequest("deeplift"))
    assert document["target"] == "b" and {sample["target"] for sample in document["samples"]} == {"b"}
    data = one_vs_rest.dataset
    output = one_vs_rest.module("b")(data.inputs(data.rows("test")[:1])).item()
    assert document["samples"][0]["output"] == pytest.approx(output, abs=1e-5)
    assert document["samples"][0]["confidence"] == pytest.approx(1 / (1 + np.exp(-output)), abs=1e-5)
    with pytest.raises(BadInput, match="leave the target out"):
        attribute(one_vs_rest, "b", [0], MapRequest("deeplift", target="3"))


def test_the_methods_own_baseline_is_named(trained_net):
    document, _ = attribute(trained_net, "a", [0], MapRequest("input_x_gradient"))
    assert document["baseline"] == "zeros"


def test_a_dead_ticket_is_called_dead(random_net):
    subnetwork = random_net.subnetworks["a"]
    layers = random_net.tickets.layout.slices()
    pruned_at = random_net.tickets.pruned_at.copy()
    pruned_at[0, layers["block2.conv.weight"]] = 1
    dead = replace(
        random_net,
        tickets=replace(random_net.tickets, pruned_at=pruned_at),
        subnetworks={**random_net.subnetworks, "a": replace(subnetwork, mask=pruned_at[0] == 0)},
    )
    document, _ = attribute(dead, "a", [0, 1], MapRequest())
    assert document["dead"] == {"constant_output": True, "empty_layers": ["block2.conv.weight"]}
    for sample in document["samples"]:
        assert sample["verdict"] == "do not trust" and "the ticket is dead" in sample["reason"]
        assert sample["sanity"]["infidelity"] is None
    json.dumps(document, allow_nan=False)


def test_progress_can_stop_it(trained_net):
    def stop(event) -> None:
        assert (event.step, event.steps) == (32, 40)
        raise Stopped

    with pytest.raises(Stopped):
        attribute(trained_net, "a", range(40), MapRequest("saliency"), stop)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (("z", [0], MapRequest("saliency")), "no ticket 'z'; there are: a, b, c"),
        (("a", [], MapRequest("saliency")), "1 to 1,000 samples"),
        (("a", [10**6], MapRequest("saliency")), "no test sample 1000000; they are numbered from 0"),
        (("a", [0], MapRequest("saliency", "white")), "no baseline 'white' for a image; there are: black"),
        (("a", [0], MapRequest("saliency", "row:x")), "a baseline row is a number"),
        (("a", [0], MapRequest("saliency", target="cat")), "no output 'cat'; there are: 0, 1"),
    ],
)
def test_what_is_not_there_is_said(trained_net, arguments, match):
    with pytest.raises(BadInput, match=match):
        attribute(trained_net, *arguments)


def test_masks_only_cannot_be_explained(random_net):
    with pytest.raises(BadInput, match="has masks only"):
        Subject.of(random_net.task, random_net.dataset, random_net.network, random_net.tickets, {})


def test_threads_give_the_same_maps(trained_net):
    """Hooks of one call must not be seen by another: four threads, thirty calls each."""
    calls = [(method, k) for method in ("guided_backprop", "deeplift", "grad_cam") for k in range(2)] * 20
    x = trained_net.dataset.inputs(trained_net.dataset.rows("test")[:3])
    modules = [trained_net.module(name) for name in ("a", "b")]

    def maps(call: tuple[str, int]) -> np.ndarray:
        method = METHODS[call[0]]
        question = Question(method, settings_of(method, {}), torch.zeros_like(x[:1]), trained_net.groups)
        return explain(modules[call[1]], x, question, 0).attributions

    expected = {call: maps(call) for call in set(calls)}
    with ThreadPoolExecutor(4) as pool:
        for call, got in zip(calls, pool.map(maps, calls), strict=True):
            assert np.array_equal(got, expected[call])


def test_side_by_side(trained_net):
    x = trained_net.dataset.inputs(trained_net.dataset.rows("test")[:1])
    method = METHODS["integrated_gradients"]
    question = Question(method, settings_of(method, {}), x.min() * torch.ones_like(x), trained_net.groups)
    comparison = side_by_side(trained_net, ["b", "a"], "a", x, question, target=3)
    assert comparison.names == ("b", "a", DENSE, RANDOM)
    assert np.array_equal(
        comparison.maps.attributions[1], explain(trained_net.module("a"), x, question, 3).attributions[0]
    )
    probability = torch.softmax(trained_net.module("a")(x), 1)[0, 3].item()
    assert comparison.confidence[1] == pytest.approx(probability, abs=1e-6)
    assert np.allclose(comparison.correlation, comparison.correlation.T) and np.allclose(
        np.diag(comparison.correlation), 1
    )
    assert np.allclose(np.diag(comparison.overlap), 1) and (comparison.overlap < 1).sum() == 12


def test_overlap_counts_the_largest_absolute_values():
    flat = np.zeros((3, 20))
    flat[0, :2], flat[1, 1:3] = (-5, 4), (1, 2)
    np.testing.assert_array_equal(top_overlap(flat)[:2, :2], [[1, 0.5], [0.5, 1]])
    assert np.isnan(top_overlap(flat)[2]).all()


def test_baselines_of_pictures(digits):
    x = digits.inputs(digits.rows("test")[:3])
    shade = {name: baseline_of(name, digits, x) * digits.std[0] + digits.mean[0] for name in BASELINES["image"]}
    assert torch.allclose(shade["black"], torch.zeros(1, 1, 8, 8), atol=1e-6)
    assert torch.allclose(shade["mean"], torch.full((1, 1, 8, 8), digits.mean[0]))
    assert shade["blurred"].shape == (3, 1, 8, 8) and (shade["blurred"].std((1, 2, 3)) < 0.3).all()
    assert (shade["noise"].min() > -1e-6) and (shade["noise"].max() < 1 + 1e-6) and shade["noise"].std() > 0.2
    average = digits.x[digits.rows("train")].mean(0) / 255
    np.testing.assert_allclose(shade["average"][0], average, atol=0.03)  # of a thousand rows
    assert torch.equal(baseline_of("row:4", digits, x), digits.inputs(np.array([4])).contiguous())


def test_black_is_black_in_every_channel():
    pictures = np.random.default_rng(0).integers(0, 256, (40, 3, 8, 8), dtype=np.uint8)
    data = from_arrays(Pictures(pictures, np.arange(40) % 2, ("a", "b")), DataSettings(spec="npz:x"), 0)
    pictures[0] = 0
    black = replace(data, x=pictures).inputs(np.array([0]))
    assert torch.allclose(baseline_of("black", data, black), black, atol=1e-6)
