"""Algorithm 2: joint retraining of the shared weights, every step inside one ticket's mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.func import functional_call

from rtl_core.events import Stage
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.loop import parameters, take_steps
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.subsets import Subset
from rtl_core.models.copies import structure
from rtl_core.tickets.masking import frozen_outside

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "sgd": torch.optim.SGD,
    "momentum": lambda parameters, **settings: torch.optim.SGD(parameters, momentum=0.9, **settings),
}


def train_jointly(
    experiment: Experiment, subnetworks: Sequence[Subnetwork], subsets: Sequence[Subset], stage: Stage
) -> None:
    """Algorithm 2 of the paper, in place on the subnetworks' tensors.

    Line by line: for batch index m, for ticket k: draw ticket k's m-th batch; W <- W - eta * update * m_k.
    Deviations: the update is masked, not the gradient alone (Adam and momentum move a weight whose
    gradient is zero); smaller subsets repeat their rows cyclically in a new order each time.

    With one subnetwork this is the inner loop of Algorithm 1; with masks of None it is dense training; with
    subnetworks that share nothing it trains K separate networks. Raises Diverged.
    """
    module, settings = structure(experiment.network.module).train(), experiment.config.optimiser
    optimizer = OPTIMIZERS[settings.name](
        [tensor.requires_grad_(True) for tensor in parameters(subnetworks)],
        lr=stage.learning_rate,
        weight_decay=settings.weight_decay,
    )
    masks = [subnetwork.mask_tensors(experiment.layout) for subnetwork in subnetworks]
    batches = [subset.batches(settings.batch_size, stage.seed, stage.phase, stage.round or 0) for subset in subsets]

    def step_of_all(step: int) -> list[torch.Tensor]:  # for batch index m
        losses = []
        for subnetwork, subset, mask, batch in zip(subnetworks, subsets, masks, batches, strict=True):  # for ticket k
            rows = batch(step)
            logits = functional_call(module, subnetwork.tensors(mask), (experiment.inputs(rows).to(subnetwork.device),))
            loss = subset.loss(logits, subset.targets(rows).to(subnetwork.device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            with frozen_outside(optimizer, {subnetwork.shared[name]: kept for name, kept in mask.items()}):
                optimizer.step()  # parameters of other tickets have no gradient and are passed over
            losses.append(loss.detach())
        return losses

    take_steps(experiment, stage, subnetworks, optimizer, step_of_all)
