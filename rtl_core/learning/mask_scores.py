"""Gated mode: tickets as mask scores over frozen weights, trained together with a gate (docs/gated.md).

The shared weights W never move. Ticket k has a score for every weight; its mask keeps the weights with the highest
scores, all tickets and layers competing for ONE budget of kept weights, so a ticket may get more than another. The
budget is met exactly at every binarisation. Between binarisations masks stand still and scores move: the forward pass
uses W * m_k, the backward pass treats m_k as the score itself (straight-through estimation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch.func import functional_call
from torch.nn import functional

from rtl_core.config import GatedSettings
from rtl_core.errors import BadInput
from rtl_core.events import Stage, Tensors
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.gradients import gradients_for
from rtl_core.learning.loop import parameters, take_steps
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import kept_count, scores_of
from rtl_core.tickets.ticket_set import Level, nested

SOFTNESS = 0.05  # width of the soft step that stands for a weight being kept, in units of score


class Gate(Protocol):
    """What chooses a ticket for an input; the routing room has it."""

    parameters: Tensors

    def logits(self, rows: np.ndarray) -> torch.Tensor:
        """(rows, K), differentiable in the parameters; softmax gives the probability of each ticket."""
        ...


def first_scores(experiment: Experiment, subnetworks: Sequence[Subnetwork], subsets: Sequence[Subset]) -> np.ndarray:
    """float32 (K, N) in [0, 1]: the warm start, equal for all tickets: the rank of each weight in pruning the dense
    network, 1 for the last to go."""
    layout, score = experiment.layout, experiment.config.extract.score
    weights, everything = layout.flatten(subnetworks[0].shared).cpu().numpy(), np.ones(layout.n, bool)
    scores = scores_of(score, weights, everything, layout, gradients_for(experiment, subnetworks, subsets))
    ranks = np.argsort(np.argsort(scores, kind="stable"))
    return np.tile((ranks / max(1, layout.n - 1)).astype(np.float32), (len(subnetworks), 1))


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
        for span in layout.slices().values():
            best = np.argsort(-ticket[span], kind="stable")[:layer_floor]
            ticket[span.start + best] = np.inf
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


def pruned_at_levels(scores: np.ndarray, levels: Sequence[Level], layout: Layout, layer_floor: int) -> np.ndarray:
    """`pruned_at` uint8 (K, N) of scores (K, N): of each level's budget for all tickets the highest, hence nested."""

    def kept(level: Level) -> np.ndarray:
        return binarise(scores, kept_count(level.density, scores.size), layout, layer_floor)

    return nested(levels, scores.shape, kept)


def straight_through(mask: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """The mask in value; a gradient that reaches it goes on to the score as if the mask were the score."""
    return mask + (score - score.detach())  # the bracket is exactly 0


def mixture_loss(own: torch.Tensor, second: torch.Tensor, gate: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """-log sum_m p_m P_m(y | x), mean over the batch: the two tickets' answers mixed by the gate (Jacobs et al., 1991).

    own, beside  (n, classes) logits of the subset's own ticket and of another one
    gate         (n, 2) the gate's logits for the two
    The gradient that reaches gate logit m is p_m - r_m, r_m being the share of ticket m in the answer.
    """
    log_p = functional.log_softmax(gate, dim=1)
    answers = torch.stack([-functional.cross_entropy(logits, targets, reduction="none") for logits in (own, second)], 1)
    return -torch.logsumexp(log_p + answers, dim=1).mean()


def expected_density(gate: torch.Tensor, scores: Sequence[torch.Tensor], cut: float) -> torch.Tensor:
    """What an input costs on average: each ticket's soft density weighted by how often the gate (n, K) chooses it."""
    densities = torch.stack([torch.sigmoid((score - cut) / SOFTNESS).mean() for score in scores])
    return (functional.softmax(gate, dim=1).mean(dim=0) * densities).sum()


def imbalance(gate: torch.Tensor) -> torch.Tensor:
    """How unevenly the gate (n, K) shares inputs out over a batch with all subsets: K sum_k share_k^2, at best 1."""
    shares = functional.softmax(gate, dim=1).mean(dim=0)
    return gate.shape[1] * (shares**2).sum()


@dataclass(frozen=True)
class Scored:
    """Tickets whose scores are being trained, each tensor (N,).

    subnetworks  over frozen shared weights; their masks are not read
    masks   1 for what is kept, as last binarised; cut: the lowest score that was kept then
    """

    subnetworks: Sequence[Subnetwork]
    scores: list[torch.Tensor]
    masks: list[torch.Tensor]
    cut: torch.Tensor
    layout: Layout

    @classmethod
    def of(cls, subnetworks: Sequence[Subnetwork], first: np.ndarray, layout: Layout) -> Scored:
        """Before the first binarisation; first: float32 (K, N)."""
        device = subnetworks[0].device
        scores = [torch.from_numpy(row).to(device) for row in first]
        return cls(subnetworks, scores, [torch.empty_like(s) for s in scores], torch.zeros((), device=device), layout)

    def stacked(self) -> np.ndarray:
        """float32 (K, N)."""
        return torch.stack([score.detach() for score in self.scores]).cpu().numpy()

    def binarise(self, budget: int, layer_floor: int) -> None:
        """Masks <- the budget's highest scores."""
        scores = self.stacked()
        kept = binarise(scores, budget, self.layout, layer_floor)
        for mask, row in zip(self.masks, kept, strict=True):
            mask.copy_(torch.from_numpy(row))
        self.cut.fill_(float(np.partition(scores.reshape(-1), -budget)[-budget]))

    def tensors(self, k: int) -> Tensors:
        """What the module computes with as ticket k: the mask in the forward pass, the score in the backward pass."""
        return self.subnetworks[k].tensors(self.layout.unflatten(straight_through(self.masks[k], self.scores[k])))

    def trained(self, gate: Gate | None) -> list[Subnetwork]:
        """All that training changes, as the loop takes it; a resumed run goes on with the masks of the moment."""
        shared = gate.parameters if gate else {}
        return [
            Subnetwork(
                subnetwork.subset,
                None,
                shared,
                {**subnetwork.private, "scores": score},
                {**subnetwork.buffers, "mask": mask, "cut": self.cut},
            )
            for subnetwork, score, mask in zip(self.subnetworks, self.scores, self.masks, strict=True)
        ]


def train_scores(
    experiment: Experiment,
    subnetworks: Sequence[Subnetwork],
    subsets: Sequence[Subset],
    gate: Gate | None,
    density: float,
    stage: Stage,
) -> np.ndarray:
    """Trains mask scores, and in place the subnetworks' private tensors and the gate; the scores, float32 (K, N).

    subnetworks  over frozen shared weights; their masks are not read
    gate         None: the subset alone decides, as for one mask or for a ticket that is added later
    density      share of the K N weights that the tickets keep together

    Line by line: every `binarise_every` steps masks <- the budget's highest scores; for batch index m, for ticket k:
    draw ticket k's m-th batch; route it between ticket k and one other (each other one in turn); step on the loss.
    Gradients reach the gate, and the scores and private tensors of ticket k alone. Raises Diverged.
    """
    config, k, device = experiment.config, len(subnetworks), subnetworks[0].device
    settings, module = config.gated, structure(experiment.network.module).train()
    tickets = Scored.of(subnetworks, first_scores(experiment, subnetworks, subsets), experiment.layout)
    budget, trained = kept_count(density, k * experiment.layout.n), tickets.trained(gate)
    optimizer = _optimizer(trained, settings, stage)
    batches = [subset.batches(settings.batch_size, stage.seed, stage.phase) for subset in subsets]

    def loss_of(i: int, step: int) -> torch.Tensor:
        rows = batches[i](step)
        x, targets = experiment.inputs(rows).to(device), subsets[i].targets(rows).to(device)
        own = functional_call(module, tickets.tensors(i), (x,))
        if gate is None or k == 1:
            return subsets[i].loss(own, targets)
        other = (i + 1 + step % (k - 1)) % k
        with torch.no_grad():
            others = functional_call(module, tickets.tensors(other), (x,))
        return routed_loss(tickets, (i, other), (own, others), gate.logits(rows).to(device), targets, settings)

    def step_of_all(step: int) -> list[torch.Tensor]:  # for batch index m
        if step % settings.binarise_every == 0:
            tickets.binarise(budget, config.extract.layer_floor)
        losses = []
        for i in range(k):  # for ticket k
            loss = loss_of(i, step)
            optimizer.zero_grad(set_to_none=True)  # a ticket that the batch is not for has no gradient and stays
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return losses

    take_steps(experiment, stage, trained, optimizer, step_of_all)
    return tickets.stacked()


def routed_loss(
    tickets: Scored,
    pair: tuple[int, int],
    answers: tuple[torch.Tensor, torch.Tensor],
    chosen: torch.Tensor,
    targets: torch.Tensor,
    settings: GatedSettings,
) -> torch.Tensor:
    """What a batch of ticket pair[0] costs, the gate choosing between it and ticket pair[1].

    answers  (n, classes) logits of the two; chosen: (n, K) logits of the gate
    """
    own = pair[0]
    own_only = [score if j == own else score.detach() for j, score in enumerate(tickets.scores)]
    return (
        mixture_loss(*answers, chosen[:, list(pair)], targets)
        + settings.guide_weight * functional.cross_entropy(chosen, torch.full_like(targets, own))
        + settings.density_weight * expected_density(chosen, own_only, tickets.cut)
        + settings.balance_weight * imbalance(chosen)
    )


def _optimizer(trained: Sequence[Subnetwork], settings: GatedSettings, stage: Stage) -> torch.optim.Optimizer:
    """Adam with a learning rate each for scores, the gate, and what tickets have to themselves."""
    for tensor in parameters(trained):
        tensor.requires_grad_(True)
    groups = [
        {"params": [piece.private["scores"] for piece in trained], "lr": settings.learning_rate},
        {"params": list(trained[0].shared.values()), "lr": settings.gate_learning_rate},
        {
            "params": [t for piece in trained for name, t in piece.private.items() if name != "scores"],
            "lr": stage.learning_rate,
        },
    ]
    return torch.optim.Adam([group for group in groups if group["params"]])
