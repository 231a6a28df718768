"""Training on another device: nothing is left behind on the processor, and nothing that leaves the device stays there.

The second device of `tests.second_device` gives the processor's bits; CUDA adds up in another order.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.config import CONTROLS as NAMES_OF_CONTROLS
from rtl_core.events import MemoryJournal, Stopped
from rtl_core.learning import gated_methods
from rtl_core.learning.baselines import CONTROLS
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.extract import Extraction
from rtl_core.learning.grow import against_rest, first_subnetwork, grow_ticket
from rtl_core.learning.mask_scores import first_scores
from rtl_core.learning.method_steps import extract_ticket, extraction_steps, learn_tickets, ticket_set, warm_start
from rtl_core.learning.rewind_point import merged
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod, as_module
from rtl_core.routing.features import fitted
from rtl_core.routing.gate import zero_gate
from rtl_core.routing.serving import serving
from rtl_core.routing.supsup_gradient import one_shot_gradient
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.ticket_set import Level
from tests.second_device import second_device

pytestmark = pytest.mark.long

GATED = {"backbone_steps": 6, "steps": 5, "batch_size": 8, "learning_rate": 0.05, "balance_weight": 0.1}
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")


@pytest.fixture(params=["second", pytest.param("cuda", marks=[pytest.mark.gpu, needs_cuda])])
def elsewhere(request):
    """The name of a device that is not the processor."""
    with second_device() if request.param == "second" else nullcontext("cuda") as name:
        yield name


def on(experiment, dataset, device):
    """The experiment with its tensors and rows on a device."""
    return replace(
        experiment, config=experiment.config.model_copy(update={"device": device}), inputs=dataset.inputs_on(device)
    )


def same(here: Sequence[Subnetwork], there: Sequence[Subnetwork], device: str, lies_on: str | None = None) -> None:
    """Parts trained on the processor and on a device, where (or on `lies_on`) those of `there` lie now."""
    for a, b in zip(here, there, strict=True):
        assert (a.mask is None) == (b.mask is None)
        assert a.mask is None or device == "cuda" or np.array_equal(a.mask, b.mask)
        for kind in ("shared", "private", "buffers"):
            for name, tensor in getattr(a, kind).items():
                other = getattr(b, kind)[name]
                assert other.device.type == (lies_on or device) and not other.requires_grad
                assert other.isfinite().all() if device == "cuda" else torch.equal(tensor, other.cpu())


def learned_by_all(experiment) -> tuple[list[Extraction], dict[str, TrainedMethod]]:
    start = warm_start(experiment)
    extractions = [extract_ticket(experiment, start, k, None) for k in range(3)]
    tickets = ticket_set(experiment, extractions)
    masks, steps = tickets.masks(), extraction_steps(experiment.config, tickets.n)
    begin = merged(start, [each.trained for each in extractions], masks, experiment.layout)
    rows = {"rtl": learn_tickets(experiment, begin, "rtl", masks, steps, 3)}
    for name in NAMES_OF_CONTROLS:
        if CONTROLS[name].does_not_apply(experiment.config, 3) is None:
            rows[name] = CONTROLS[name].learn(experiment, start, tickets, steps)
    return extractions, rows


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_tickets_and_every_control(make_experiment, dataset, elsewhere, task):
    changes = {"task": task, "extract": {"schedule": "count", "count": 15, "steps": 2, "warm_steps": 3}}
    extractions, here = learned_by_all(make_experiment(**changes))
    extractions_there, there = learned_by_all(on(make_experiment(**changes), dataset, elsewhere))
    for a, b in zip(extractions, extractions_there, strict=True):
        assert elsewhere == "cuda" or np.array_equal(a.pruned_at, b.pruned_at)
    assert here.keys() == there.keys()
    for name in here:
        same(here[name].subnetworks, there[name].subnetworks, elsewhere)


def by_scores(experiment, dataset, device):
    """(the outcome of gated mode, its controls, its gate)."""
    features = fitted("pixels", dataset.inputs, dataset.rows("train"), (6,))
    gate = zero_gate(features, dataset.inputs, 3).on(device, experiment.inputs)
    start = gated_methods.backbone(experiment)
    gated = gated_methods.learn_gated(experiment, start, gate)
    return (
        gated,
        {name: control.gated(experiment, start, gated) for name, control in CONTROLS.items() if control.gated},
        gate,
    )


def test_mask_scores_and_a_gate(make_experiment, dataset, elsewhere):
    changes = {"mode": "gated", "gated": GATED}
    here, controls, gate = by_scores(make_experiment(**changes), dataset, "cpu")
    experiment = on(make_experiment(**changes), dataset, elsewhere)
    there, controls_there, gate_there = by_scores(experiment, dataset, elsewhere)
    same(here.learned.subnetworks, there.learned.subnetworks, elsewhere)
    for name, control in controls.items():
        same(control.subnetworks, controls_there[name].subnetworks, elsewhere)
    assert gate_there.parameters["weight"].device.type == elsewhere
    back = gate_there.on("cpu", dataset.inputs)
    if elsewhere != "cuda":
        assert np.array_equal(here.tickets.pruned_at, there.tickets.pruned_at)
        assert torch.equal(gate.parameters["weight"], back.parameters["weight"])
        rows = np.arange(20)
        assert np.array_equal(gate.probabilities(rows), back.probabilities(rows))


@pytest.mark.parametrize("task", ["multiclass", "one_vs_rest"])
def test_a_ticket_is_grown_there_and_comes_back(make_experiment, dataset, elsewhere, task):
    """The tickets of a finished run are read onto the processor, and so is what is added to them."""

    def grown(experiment, here):
        subnetworks = learn_tickets(
            here, warm_start(here), "rtl", np.ones((3, experiment.layout.n), bool), 0, 3
        ).subnetworks
        subset, _ = against_rest(dataset, np.where(np.arange(60) % 4 == 0, 0, 1), "new", TASKS[task])
        levels = (Level(1, 0.8, "denser"), Level(2, 0.5, "target"), Level(3, 0.25, "lighter"))
        subnetwork = first_subnetwork(experiment.network, subnetworks, "new")
        return subnetworks, grow_ticket(replace(experiment, subsets=(subset,)), subnetwork, levels, 0.5)

    changes = {"task": task, "gated": GATED}
    _, first = grown(make_experiment(**changes), make_experiment(**changes))
    old, second = grown(on(make_experiment(**changes), dataset, elsewhere), make_experiment(**changes))
    same([first.subnetwork], [second.subnetwork], elsewhere, lies_on="cpu")
    assert second.subnetwork.shared is old[0].shared
    assert elsewhere == "cuda" or np.array_equal(first.pruned_at, second.pruned_at)


def test_what_is_measured_on_the_way_down(make_experiment, dataset, elsewhere):
    """Norm statistics are re-estimated where the ticket lies, and it becomes a module on the processor."""

    def measured(experiment):
        start, mask = warm_start(experiment), np.ones(experiment.layout.n, bool)
        subnetwork = recalibrate(experiment, start.subnetwork(0, "red", mask), experiment.subsets[0])
        return subnetwork, as_module(experiment.network, subnetwork, experiment.layout)

    here, module = measured(make_experiment())
    there, module_there = measured(on(make_experiment(), dataset, elsewhere))
    same([here], [there], elsewhere)
    assert all(tensor.device.type == "cpu" for tensor in module_there.state_dict().values())
    assert module.state_dict().keys() == module_there.state_dict().keys()


class OnFile(MemoryJournal):
    """Keeps states as a file does, on the processor, and stops once after the second step of a stage."""

    def __init__(self, stage):
        super().__init__()
        self.stage = stage

    def mark(self, stage, step, last, state):
        def kept():
            return {name: tensor.detach().cpu() for name, tensor in state().items()}

        stops = stage.key == self.stage and step == 2
        super().mark(stage, step, last or stops, kept)
        if stops:
            self.stage = None
            raise Stopped


@pytest.mark.parametrize("optimiser", ["adam", "momentum"])
def test_a_stopped_training_goes_on_there(make_experiment, dataset, elsewhere, optimiser):
    changes = {"optimiser": {"name": optimiser, "batch_size": 8}}

    def trained(experiment):
        return learn_tickets(
            experiment, warm_start(experiment), "rtl", np.ones((3, experiment.layout.n), bool), 0, 4
        ).subnetworks

    here = trained(make_experiment(**changes))
    experiment = on(make_experiment(journal=OnFile("rtl/joint"), **changes), dataset, elsewhere)
    with pytest.raises(Stopped):
        trained(experiment)
    same(here, trained(experiment), elsewhere)


def test_stopped_mask_scores_go_on_there(make_experiment, dataset, elsewhere):
    changes = {"mode": "gated", "gated": GATED}
    here, _, _ = by_scores(make_experiment(**changes), dataset, "cpu")
    experiment = on(make_experiment(journal=OnFile("rtl/scores"), **changes), dataset, elsewhere)
    with pytest.raises(Stopped):
        by_scores(experiment, dataset, elsewhere)
    there, _, _ = by_scores(experiment, dataset, elsewhere)
    same(here.learned.subnetworks, there.learned.subnetworks, elsewhere)


def test_tickets_that_lie_there_are_served_here(make_experiment, dataset, elsewhere):
    """Inference, and the router that asks a gradient, compute on the processor."""

    def eval_set(experiment):
        masks = np.random.default_rng(0).random((3, experiment.layout.n)) < 0.5
        subnetworks = learn_tickets(experiment, warm_start(experiment), "rtl", masks, 0, 2).subnetworks
        tickets = serving(experiment.network, subnetworks, experiment.layout)
        one_shot = one_shot_gradient(experiment.network, subnetworks, experiment.layout, TASKS["multiclass"].doubt)
        rows, ticket = np.arange(12), np.arange(12) % 3
        return tickets.routed(lambda at: dataset.inputs(rows[at]), ticket), one_shot.slopes(dataset.inputs(rows))

    for here, there in zip(
        eval_set(make_experiment()), eval_set(on(make_experiment(), dataset, elsewhere)), strict=True
    ):
        assert there.device.type == "cpu"
        assert elsewhere == "cuda" or torch.equal(here, there)


@pytest.mark.parametrize("mode", ["paper", "gated"])
def test_a_score_that_sees_gradients(make_experiment, dataset, elsewhere, mode):
    changes = {"mode": mode, "gated": GATED, "extract": {"score": "taylor", "steps": 2, "warm_steps": 3}}

    def masks(experiment):
        if mode == "paper":
            return extract_ticket(experiment, warm_start(experiment), 0, None).pruned_at
        subnetworks = gated_methods.backbone(experiment).subnetworks(experiment.names, masks=None)
        return first_scores(experiment, subnetworks, experiment.subsets)

    here, there = masks(make_experiment(**changes)), masks(on(make_experiment(**changes), dataset, elsewhere))
    assert elsewhere == "cuda" or np.array_equal(here, there)
