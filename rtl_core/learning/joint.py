"""Algorithm 2: joint retraining of the shared weights, every step inside one ticket's mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import functional_call

from rtl_core.config import OptimiserSettings
from rtl_core.errors import BadInput
from rtl_core.events import Event, Journal, Report, Tensors
from rtl_core.learning.parts import Part
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.masking import frozen_outside

Inputs = Callable[[np.ndarray], torch.Tensor]  # row indices -> the network's inputs

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, **settings: torch.optim.SGD(parameters, momentum=0.9, **settings),
}


@dataclass(frozen=True)
class Stage:
    """A stretch of training, and its place in the whole run."""

    phase: str
    method: str
    steps: int  # batches per ticket
    learning_rate: float
    seed: int
    name: str  # unique in the run: the journal keeps the state under it
    ticket: str | None = None
    round: int | None = None


def train_jointly(
    network: Network,
    parts: Sequence[Part],
    subsets: Sequence[Subset],
    layout: Layout,
    inputs: Inputs,
    stage: Stage,
    optimiser: OptimiserSettings,
    report: Report,
    journal: Journal,
) -> None:
    """Algorithm 2 of the paper, in place on the parts' tensors.

    Line by line: for batch index m, for ticket k: draw ticket k's m-th batch; W <- W - eta * update * m_k.
    Deviations: the update is masked, not the gradient alone (Adam and momentum move a weight whose
    gradient is zero); smaller subsets repeat their rows cyclically in a new order each time.

    With one part this is the inner loop of Algorithm 1; with masks of None it is dense training; with
    parts that share nothing it trains K separate networks.
    """
    module = structure(network.module).train()
    device = parts[0].device
    parameters = _trainable(parts)
    updater = OPTIMISERS[optimiser.name](parameters, lr=stage.learning_rate, weight_decay=optimiser.weight_decay)
    masks = [_mask_tensors(part, layout, device) for part in parts]
    batches = [subset.batches(optimiser.batch_size, stage.seed, stage.phase, stage.round or 0) for subset in subsets]
    updates = stage.steps * len(parts)

    def tell(step: int, **values: float) -> None:
        report(Event(stage.phase, stage.method, step * len(parts), updates, stage.ticket, stage.round, values))

    first = restore(journal.recall(stage.name), parts, updater)
    if first == stage.steps:
        tell(first)
    for step in range(first, stage.steps):  # for batch index m
        losses = []
        for part, subset, mask, batch in zip(parts, subsets, masks, batches, strict=True):  # for ticket k
            rows = batch(step)
            tensors = {**part.shared, **part.private, **part.buffers}
            tensors.update({name: tensors[name] * kept for name, kept in mask.items()})
            logits = functional_call(module, tensors, (inputs(rows).to(device),))
            loss = subset.loss(logits, subset.targets(rows).to(device))
            updater.zero_grad(set_to_none=True)
            loss.backward()
            with frozen_outside(updater, {part.shared[name]: kept for name, kept in mask.items()}):
                updater.step()  # parameters of other tickets have no gradient and are passed over
            losses.append(loss.detach())
        mean_loss = float(torch.stack(losses).mean())
        if not np.isfinite(mean_loss):
            raise BadInput(
                f"the loss of '{stage.method}' became {mean_loss} in step {step + 1} of {stage.phase}: "
                f"lower the learning rate (it is {stage.learning_rate:g})"
            )
        tell(step + 1, loss=mean_loss)
        journal.mark(stage.name, step + 1, step + 1 == stage.steps, lambda: state(parts, updater))
    for parameter in parameters:
        parameter.requires_grad_(False)
        parameter.grad = None


def _trainable(parts: Sequence[Part]) -> list[torch.Tensor]:
    """Every parameter of the parts once, as a leaf that asks for gradients."""
    unique = {id(t): t for part in parts for t in (*part.shared.values(), *part.private.values())}
    return [tensor.requires_grad_(True) for tensor in unique.values()]


def _mask_tensors(part: Part, layout: Layout, device: torch.device) -> Tensors:
    if part.mask is None:
        return {}
    return {name: mask.to(device) for name, mask in layout.unflatten(torch.from_numpy(part.mask)).items()}


def _named(parts: Sequence[Part]) -> Tensors:
    """Everything that training changes, each tensor under one name."""
    named: dict[int, tuple[str, torch.Tensor]] = {}
    for k, part in enumerate(parts):
        for kind, tensors in (("shared", part.shared), ("private", part.private), ("buffers", part.buffers)):
            for name, tensor in tensors.items():
                named.setdefault(id(tensor), (f"{kind}/{k}/{name}", tensor))
    return dict(named.values())


def state(parts: Sequence[Part], updater: torch.optim.Optimizer) -> Tensors:
    """What a journal keeps: tensors and the optimiser's averages and counters."""
    tensors = _named(parts)
    averages = {
        f"optimiser/{name}/{key}": value
        for name, tensor in tensors.items()
        for key, value in updater.state.get(tensor, {}).items()
        if torch.is_tensor(value)
    }
    return {**tensors, **averages}


def restore(kept: tuple[int, Tensors] | None, parts: Sequence[Part], updater: torch.optim.Optimizer) -> int:
    """Put a journal's state back in place; the step to go on from (0 where nothing was kept)."""
    if kept is None:
        return 0
    step, state = kept
    with torch.no_grad():
        for name, tensor in _named(parts).items():
            tensor.copy_(state[name])
            prefix = f"optimiser/{name}/"
            averages = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            for key, value in averages.items():  # a counter stays on the processor, as the optimiser has it
                updater.state[tensor][key] = value.clone() if key == "step" else value.clone().to(tensor.device)
    return step
