"""The loop of every training: from where the journal stopped to the last step, each step reported and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from rtl_core.events import Diverged, Event, Stage, Tensors
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.subnetwork import Subnetwork

StepOfAll = Callable[[int], list[torch.Tensor]]  # batch index -> each subnetwork's loss, after it has taken its step


def take_steps(
    experiment: Experiment,
    stage: Stage,
    subnetworks: Sequence[Subnetwork],
    optimizer: torch.optim.Optimizer,
    step_of_all: StepOfAll,
) -> None:
    """Trains in place what the optimizer has of the subnetworks, then frees it of its gradients.

    Raises Diverged where the subnetworks' mean loss is not finite.
    """
    journal, rates = experiment.journal, [group["lr"] for group in optimizer.param_groups]

    def tell(step: int, **values: float) -> None:
        done, steps = step * len(subnetworks), stage.steps * len(subnetworks)
        experiment.report(Event(stage.phase, stage.method, done, steps, stage.ticket, stage.round, values))

    first = _restore(journal.recall(stage), subnetworks, optimizer)
    if first == stage.steps:
        tell(first)
    for step in range(first, stage.steps):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * stage.rate(step)
        mean_loss = float(torch.stack(step_of_all(step)).mean())
        if not np.isfinite(mean_loss):
            raise Diverged(stage, step + 1, mean_loss)
        tell(step + 1, loss=mean_loss)
        journal.mark(stage, step + 1, step + 1 == stage.steps, lambda: _state(subnetworks, optimizer))
    for tensor in parameters(subnetworks):
        tensor.requires_grad_(False)
        tensor.grad = None


def parameters(subnetworks: Sequence[Subnetwork]) -> list[torch.Tensor]:
    """Every parameter of the subnetworks once, however many share it."""
    return list(
        {
            id(t): t for subnetwork in subnetworks for t in (*subnetwork.shared.values(), *subnetwork.private.values())
        }.values()
    )


def _named(subnetworks: Sequence[Subnetwork]) -> Tensors:
    """Everything that training changes, each tensor under one name."""
    named: dict[int, tuple[str, torch.Tensor]] = {}
    for k, subnetwork in enumerate(subnetworks):
        for kind, tensors in (
            ("shared", subnetwork.shared),
            ("private", subnetwork.private),
            ("buffers", subnetwork.buffers),
        ):
            for name, tensor in tensors.items():
                named.setdefault(id(tensor), (f"{kind}/{k}/{name}", tensor))
    return dict(named.values())


def _state(subnetworks: Sequence[Subnetwork], optimizer: torch.optim.Optimizer) -> Tensors:
    """What a journal keeps: tensors and the optimizer's averages and counters."""
    tensors = _named(subnetworks)
    averages = {
        f"optimiser/{name}/{key}": value  # so spelt in interrupted runs on disk
        for name, tensor in tensors.items()
        for key, value in optimizer.state.get(tensor, {}).items()
        if torch.is_tensor(value)
    }
    return {**tensors, **averages}


def _restore(
    kept: tuple[int, Tensors] | None, subnetworks: Sequence[Subnetwork], optimizer: torch.optim.Optimizer
) -> int:
    """Put a journal's state back in place; the step to go on from (0 where nothing was kept)."""
    if kept is None:
        return 0
    step, state = kept
    with torch.no_grad():
        for name, tensor in _named(subnetworks).items():
            tensor.copy_(state[name])
            prefix = f"optimiser/{name}/"
            averages = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            for key, value in averages.items():  # a counter stays on the processor, as the optimizer has it
                optimizer.state[tensor][key] = value.clone() if key == "step" else value.clone().to(tensor.device)
    return step
