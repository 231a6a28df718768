"""Algorithm 2: what a ticket's step may move, and that it can be interrupted anywhere."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from rtl_core.config import OptimiserSettings
from rtl_core.events import Diverged, MemoryJournal, Stage, Stopped
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.method_steps import learn_tickets, warm_start
from rtl_core.learning.subnetwork import materialise

OPTIMISERS = ("sgd", "momentum", "adam")
STAGE = Stage("joint", "rtl", 7, 0.05, 0)


def masks_for(experiment, seed=0):
    return np.random.default_rng(seed).random((3, experiment.layout.n)) < 0.4


def train(setup, subnetworks, stage=STAGE, journal=None, optimiser="adam", decay=0.01):
    settings = OptimiserSettings(name=optimiser, batch_size=8, weight_decay=decay)
    config = setup.config.model_copy(update={"optimiser": settings})
    experiment = replace(setup, config=config, journal=journal or MemoryJournal())
    train_jointly(experiment, subnetworks, setup.subsets[: len(subnetworks)], stage)


def bits(tensors):
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_weights_outside_the_union_stay_at_theta_0_and_those_inside_move(make_experiment, optimiser):
    experiment = make_experiment()
    start = warm_start(experiment)
    masks = masks_for(experiment)
    subnetworks = start.subnetworks(experiment.names, masks)
    train(experiment, subnetworks, optimiser=optimiser)
    before, after = (
        experiment.layout.flatten(start.shared).numpy(),
        experiment.layout.flatten(subnetworks[0].shared).numpy(),
    )
    union = masks.any(axis=0)
    assert (~union).any()
    assert np.array_equal(before[~union], after[~union])
    assert (before[union] != after[union]).mean() > 0.9


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_step_of_one_ticket_moves_its_own_weights_and_head_only(make_experiment, optimiser):
    """A look at every tensor before each of the 7 x 3 steps, from inside the loss."""
    experiment = make_experiment()
    masks = masks_for(experiment)
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks)
    seen = []

    def watched(subset):
        def loss(logits, targets):
            seen.append(
                (
                    experiment.layout.flatten(subnetworks[0].shared).numpy(),
                    [bits(subnetwork.private) for subnetwork in subnetworks],
                )
            )
            return subset.loss(logits, targets)

        return replace(subset, loss=loss)

    train(replace(experiment, subsets=tuple(map(watched, experiment.subsets))), subnetworks, optimiser=optimiser)
    assert len(seen) == STAGE.steps * 3
    for i, ((weights, heads), (weights_after, heads_after)) in enumerate(pairwise(seen)):
        ticket = i % 3
        inside = masks[ticket]
        assert np.array_equal(weights[~inside], weights_after[~inside])
        assert not np.array_equal(weights[inside], weights_after[inside])
        moved = [
            any(not torch.equal(old[name], new[name]) for name in old)
            for old, new in zip(heads, heads_after, strict=True)
        ]
        assert moved == [k == ticket for k in range(3)]


class Interrupting(MemoryJournal):
    """Keeps the state after `at` steps and stops there, as a run that is asked to stop does."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def mark(self, stage, step, last, state):
        super().mark(stage, step, last or step == self.at, state)
        if step == self.at:
            self.at = -1
            raise Stopped


@pytest.mark.parametrize("decay", ["none", "cosine"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("at", [1, 4, 7])
def test_interrupted_and_resumed_equals_uninterrupted(make_experiment, optimiser, at, decay):
    experiment, stage = make_experiment(), replace(STAGE, decay=decay)
    start, masks = warm_start(experiment), masks_for(experiment)
    whole = start.subnetworks(experiment.names, masks)
    train(experiment, whole, stage, optimiser=optimiser)
    journal = Interrupting(at)
    with pytest.raises(Stopped):
        train(experiment, start.subnetworks(experiment.names, masks), stage, journal, optimiser)
    resumed = start.subnetworks(experiment.names, masks)
    train(experiment, resumed, stage, journal, optimiser)
    for a, b in zip(whole, resumed, strict=True):
        for one, other in ((a.shared, b.shared), (a.private, b.private), (a.buffers, b.buffers)):
            assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_learning_rate_falls_along_half_a_cosine_in_joint_training_alone(make_experiment):
    experiment = make_experiment(joint={"steps": 4, "learning_rate": 0.05, "decay": "cosine"})
    rates = [experiment.stage("joint", "rtl", 4).rate(step) for step in range(4)]
    assert rates == pytest.approx([1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5])
    for phase in ("warm_start", "extract"):
        assert [experiment.stage(phase, "rtl", 4).rate(step) for step in range(4)] == [1.0] * 4


def test_a_step_at_half_the_rate_is_half_as_long(make_experiment):
    """Two steps of plain descent: the first is the same, the second, from the same place, is taken at half the rate."""
    constant, falling = (moves(make_experiment, decay) for decay in ("none", "cosine"))
    assert torch.equal(constant[0], falling[0])
    assert torch.allclose(falling[1], constant[1] / 2, atol=1e-6)


def moves(make_experiment, decay: str) -> list[torch.Tensor]:
    """How one dense subnetwork's weights move in each of two steps."""
    experiment = make_experiment(joint={"steps": 2, "learning_rate": 0.05, "decay": decay})
    (one,) = warm_start(experiment).subnetworks(experiment.names[:1], None)
    places = []

    def keep(event) -> None:
        places.append(experiment.layout.flatten(one.shared).detach().clone())

    keep(None)
    train(replace(experiment, report=keep), [one], experiment.stage("joint", "rtl", 2), optimiser="sgd", decay=0.0)
    return [after - before for before, after in pairwise(places)]


def test_same_seed_same_bits_and_another_seed_other_bits(make_experiment):
    def learned(seed):
        experiment = make_experiment(seed=seed)
        return experiment.layout.flatten(
            learn_tickets(experiment, warm_start(experiment), "rtl", masks_for(experiment), 0, 4).subnetworks[0].shared
        )

    assert torch.equal(learned(0), learned(0))
    assert not torch.equal(learned(0), learned(1))


def test_a_loss_that_is_no_number_ends_the_training(make_experiment):
    experiment = make_experiment()
    subnetworks = warm_start(experiment).subnetworks(experiment.names, masks_for(experiment))
    lost = replace(experiment.subsets[1], loss=lambda logits, targets: logits.sum() * float("inf"))
    experiment = replace(experiment, subsets=(experiment.subsets[0], lost, experiment.subsets[2]))
    with pytest.raises(Diverged, match=r"the loss of 'rtl' became (nan|-?inf) in step 1 of joint"):
        train(experiment, subnetworks)


def with_batches(config, batches):
    return config.model_copy(update={"sharing": config.sharing.model_copy(update={"recalibrate_batches": batches})})


def test_recalibrated_statistics_are_the_mean_over_the_batches(make_experiment, monkeypatch):
    monkeypatch.setattr("rtl_core.learning.batchnorm_recalibration.BATCH", 8)
    experiment = make_experiment()
    subnetwork = warm_start(experiment).subnetworks(experiment.names, masks_for(experiment))[0]
    rows = {
        **subnetwork.shared,
        **subnetwork.private,
        **subnetwork.buffers,
        **experiment.network.module.state_dict(prefix="module."),
    }
    old = bits(rows)
    experiment = replace(experiment, config=with_batches(experiment.config, 3))
    new = recalibrate(experiment, subnetwork, experiment.subsets[0])
    first = torch.nn.Linear(6, 4)
    tensors = materialise(subnetwork, experiment.layout)
    first.load_state_dict({"weight": tensors["0.weight"], "bias": tensors["0.bias"]})
    batch_at = experiment.subsets[0].batches(8, 0, "recalibrate")
    with torch.no_grad():
        hidden = [first(experiment.inputs(batch_at(step))) for step in range(3)]
    torch.testing.assert_close(new.buffers["1.running_mean"], torch.stack([h.mean(0) for h in hidden]).mean(0))
    torch.testing.assert_close(new.buffers["1.running_var"], torch.stack([h.var(0) for h in hidden]).mean(0))
    assert all(torch.equal(rows[name], old[name]) for name in old)
    assert experiment.network.module[1].momentum == torch.nn.BatchNorm1d(4).momentum
    assert all(new.shared[name] is subnetwork.shared[name] for name in subnetwork.shared)


def test_no_batches_leave_the_statistics_alone(make_experiment):
    experiment = make_experiment()
    subnetwork = warm_start(experiment).subnetworks(experiment.names, masks_for(experiment))[0]
    assert (
        recalibrate(replace(experiment, config=with_batches(experiment.config, 0)), subnetwork, experiment.subsets[0])
        is subnetwork
    )
