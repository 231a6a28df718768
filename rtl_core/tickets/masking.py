"""The masked update: a step of ticket k changes nothing outside m_k, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


@contextmanager
def frozen_outside(optimiser: torch.optim.Optimizer, masks: Mapping[torch.Tensor, torch.Tensor]) -> Iterator[None]:
    """Inside, `optimiser.step()` may do what it likes; on leaving, everything outside the masks is as before.

    masks  parameter -> bool tensor of its shape, true where this step may change it

    Masking the gradient is not enough: momentum and Adam go on moving a weight whose gradient is zero,
    and weight decay shrinks it. So the update is masked. The optimiser's running averages outside the
    mask are put back too: they belong to the tickets that own those weights.
    """
    before = {parameter: _tensors_of(parameter, optimiser) for parameter in masks}
    before = {parameter: [t.detach().clone() for t in tensors] for parameter, tensors in before.items()}
    yield
    with torch.no_grad():
        for parameter, mask in masks.items():
            tensors = _tensors_of(parameter, optimiser)
            saved = before[parameter]
            # the very first step creates the averages: what they were before is zero
            saved += [torch.zeros_like(tensor) for tensor in tensors[len(saved) :]]
            for tensor, old in zip(tensors, saved, strict=True):
                torch.where(mask, tensor, old, out=tensor)


def _tensors_of(parameter: torch.Tensor, optimiser: torch.optim.Optimizer) -> list[torch.Tensor]:
    """The parameter and the optimiser's averages of the same shape (not its step counter)."""
    state = optimiser.state.get(parameter, {})
    averages = [
        state[key] for key in sorted(state) if torch.is_tensor(state[key]) and state[key].shape == parameter.shape
    ]
    return [parameter, *averages]
