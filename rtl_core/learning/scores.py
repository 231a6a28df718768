"""Gated mode: tickets as mask scores over frozen weights, trained together with a gate (docs/gated.md).

The shared weights W never move. Ticket k has a score for every weight; its mask keeps the weights with the highest
scores, all tickets and layers competing for ONE budget of kept weights, so a ticket may get more than another. The
budget is met exactly at every binarisation. Between binarisations masks stand still and scores move: the forward pass
uses W * m_k, the backward pass treats m_k as the score itself (straight-through estimation).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional

from rtl_core.config import GatedSettings
from rtl_core.errors import BadInput
from rtl_core.events import Event, Journal, Report, Tensors
from rtl_core.learning.joint import Inputs, Stage, restore, state
from rtl_core.learning.parts import Part
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import SCORES

SOFTNESS = 0.05  # width of the soft step that stands for a weight being kept, in units of score


class Gate(Protocol):
    """What chooses a ticket for an input; the routing room has it."""

    parameters: Tensors

    def logits(self, rows: np.ndarray) -> torch.Tensor:
        """(rows, K), differentiable in the parameters; softmax gives the probability of each ticket."""
        ...


def first_scores(weights: np.ndarray, layout: Layout, score: str, k: int) -> np.ndarray:
    """float32 (K, N) in [0, 1]: the warm start, equal for all tickets: the rank of each weight in magnitude pruning
    of the dense network, 1 for the last to go."""
    ranks = np.argsort(np.argsort(SCORES[score](weights, np.ones(layout.n, bool), layout), kind="stable"))
    return np.tile((ranks / max(1, layout.n - 1)).astype(np.float32), (k, 1))


def binarise(scores: np.ndarray, budget: int, layout: Layout, layer_floor: int = 0) -> np.ndarray:
    """bool (K, N) with exactly `budget` True: the highest scores (K, N) of all tickets and layers together.

    layer_floor  every ticket's best so many weights of each layer stay whatever the others score
    Equal scores break by ticket and logical index, earlier first. BadInput where floors need more than the budget, or
    the budget is more than there is.
    """
    k, n = scores.shape
    if not 0 < budget <= k * n:
        raise BadInput(f"{k} tickets over {n:,} weights cannot keep {budget:,} together")
    ranked = scores.astype(np.float64).copy()
    for ticket in ranked if layer_floor else ():
        for part in layout.slices().values():
            best = np.argsort(-ticket[part], kind="stable")[:layer_floor]
            ticket[part.start + best] = np.inf
    flat = ranked.reshape(-1)
    if int(np.isposinf(flat).sum()) > budget:
        raise BadInput(
            f"a floor of {layer_floor} weights in each layer of {k} tickets needs more than the {budget:,} weights of "
            "the budget; lower extract.layer_floor or raise the density"
        )
    cut = np.partition(flat, flat.size - budget)[flat.size - budget]
    kept = flat > cut
    ties = np.flatnonzero(flat == cut)
    kept[ties[: budget - int(kept.sum())]] = True
    return kept.reshape(k, n)


def straight_through(weight: torch.Tensor, mask: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """weight * mask in value; its gradient reaches the score as if the mask were the score: d/ds = weight * g."""
    return weight * (mask + (score - score.detach()))  # the bracket is exactly 0


def mixture_loss(own: torch.Tensor, beside: torch.Tensor, gate: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-log sum_m p_m P_m(y | x), mean over the batch: the two tickets' answers mixed by the gate (Jacobs et al., 1991).

    own, beside  (n, classes) logits of the subset's own ticket and of another one
    gate         (n, 2) the gate's logits for the two
    The gradient that reaches gate logit m is p_m - r_m, r_m being the share of ticket m in the answer.
    """
    log_p = functional.log_softmax(gate, dim=1)
    answers = torch.stack([-functional.cross_entropy(logits, targets, reduction="none") for logits in (own, beside)], 1)
    return -torch.logsumexp(log_p + answers, dim=1).mean()


def expected_density(gate: torch.Tensor, scores: Sequence[torch.Tensor], cut: float) -> torch.Tensor:
    """What an input costs on average: each ticket's soft density weighted by how often the gate (n, K) chooses it."""
    densities = torch.stack([torch.sigmoid((score - cut) / SOFTNESS).mean() for score in scores])
    return (functional.softmax(gate, dim=1).mean(dim=0) * densities).sum()


def imbalance(gate: torch.Tensor) -> torch.Tensor:
    """How unevenly the gate (n, K) shares inputs out over a batch with all subsets: K sum_k share_k^2, at best 1."""
    shares = functional.softmax(gate, dim=1).mean(dim=0)
    return gate.shape[1] * (shares**2).sum()


def train_scores(
    network: Network,
    parts: Sequence[Part],
    scores: Sequence[torch.Tensor],
    subsets: Sequence[Subset],
    layout: Layout,
    inputs: Inputs,
    gate: Gate | None,
    budget: int,
    layer_floor: int,
    settings: GatedSettings,
    stage: Stage,
    report: Report,
    journal: Journal,
) -> np.ndarray:
    """Trains scores (K tensors (N,)), private tensors and the gate in place; returns the final masks, bool (K, N).

    parts   over frozen shared weights; their masks are not read
    gate    None: the subset alone decides, as for one mask or for a ticket that is added later

    Line by line: every `binarise_every` steps masks <- the budget's highest scores; for batch index m, for ticket k:
    draw ticket k's m-th batch; route it between ticket k and one other (each other one in turn); step on the loss.
    Gradients reach the gate, and the scores and private tensors of ticket k alone.
    """
    module = structure(network.module).train()
    device = parts[0].device
    masks, cut = [torch.empty_like(score) for score in scores], torch.zeros((), device=device)
    learned = [
        Part(
            part.subset,
            None,
            gate.parameters if gate else {},
            {**part.private, "scores": score},
            {**part.buffers, "mask": mask, "cut": cut},  # a resumed run goes on with the masks of the moment
        )
        for part, score, mask in zip(parts, scores, masks, strict=True)
    ]
    updater = _updater(learned, settings, stage)
    batches = [subset.batches(settings.batch_size, stage.seed, stage.phase) for subset in subsets]
    k, updates = len(parts), stage.steps * len(parts)
    for step in range(restore(journal.recall(stage.name), learned, updater), stage.steps):
        if step % settings.binarise_every == 0:  # masks <- the budget's highest scores
            _binarise_into(masks, cut, scores, budget, layout, layer_floor)
        losses = []
        for i, (subset, batch) in enumerate(zip(subsets, batches, strict=True)):  # for ticket k
            rows = batch(step)
            x, targets = inputs(rows).to(device), subset.targets(rows).to(device)
            own = functional_call(module, _ticket(parts[i], masks[i], scores[i], layout), (x,))
            if gate is None or k == 1:
                loss = subset.loss(own, targets)
            else:
                other = (i + 1 + step % (k - 1)) % k
                with torch.no_grad():
                    beside = functional_call(module, _ticket(parts[other], masks[other], scores[other], layout), (x,))
                chosen = gate.logits(rows).to(device)
                own_only = [score if j == i else score.detach() for j, score in enumerate(scores)]
                loss = (
                    mixture_loss(own, beside, chosen[:, [i, other]], targets)
                    + settings.guide_weight
                    * functional.cross_entropy(chosen, torch.full((len(rows),), i, device=device))
                    + settings.density_weight * expected_density(chosen, own_only, cut)
                    + settings.balance_weight * imbalance(chosen)
                )
            updater.zero_grad(set_to_none=True)  # a ticket that was not asked has no gradient and does not move
            loss.backward()
            updater.step()
            losses.append(loss.detach())
        mean_loss = float(torch.stack(losses).mean())
        if not np.isfinite(mean_loss):
            raise BadInput(
                f"the loss of '{stage.method}' became {mean_loss} in step {step + 1} of {stage.phase}: lower "
                f"gated.learning_rate (it is {settings.learning_rate:g})"
            )
        done = (step + 1) * k
        report(Event(stage.phase, stage.method, done, updates, stage.ticket, None, {"loss": mean_loss}))
        journal.mark(stage.name, step + 1, step + 1 == stage.steps, lambda: state(learned, updater))
    for tensor in _parameters(learned):
        tensor.requires_grad_(False)
        tensor.grad = None
    return binarise(_stacked(scores), budget, layout, layer_floor)


def _ticket(part: Part, mask: torch.Tensor, score: torch.Tensor, layout: Layout) -> Tensors:
    """What the module computes with: prunable weights through the mask, the score in the backward pass."""
    kept, by_score = layout.unflatten(mask), layout.unflatten(score)
    masked = {name: straight_through(part.shared[name], kept[name], by_score[name]) for name in layout.names}
    return {**part.shared, **part.private, **part.buffers, **masked}


def _binarise_into(
    masks: Sequence[torch.Tensor],
    cut: torch.Tensor,
    scores: Sequence[torch.Tensor],
    budget: int,
    layout: Layout,
    layer_floor: int,
) -> None:
    """The masks of the moment, and the lowest score that is kept."""
    stacked = _stacked(scores)
    kept = binarise(stacked, budget, layout, layer_floor)
    for mask, row in zip(masks, kept, strict=True):
        mask.copy_(torch.from_numpy(row))
    cut.fill_(float(np.partition(stacked.reshape(-1), -budget)[-budget]))


def _stacked(scores: Sequence[torch.Tensor]) -> np.ndarray:
    return torch.stack([score.detach() for score in scores]).cpu().numpy()


def _parameters(learned: Sequence[Part]) -> list[torch.Tensor]:
    return list({id(t): t for part in learned for t in (*part.shared.values(), *part.private.values())}.values())


def _updater(learned: Sequence[Part], settings: GatedSettings, stage: Stage) -> torch.optim.Optimizer:
    """Adam with a learning rate each for scores, the gate, and what tickets have to themselves."""
    for tensor in _parameters(learned):
        tensor.requires_grad_(True)
    groups = [
        {"params": [part.private["scores"] for part in learned], "lr": settings.learning_rate},
        {"params": list(learned[0].shared.values()), "lr": settings.gate_learning_rate},
        {
            "params": [t for part in learned for name, t in part.private.items() if name != "scores"],
            "lr": stage.learning_rate,
        },
    ]
    return torch.optim.Adam([group for group in groups if group["params"]])
