"""Integrated gradients behind the first layer, for networks whose inputs enter through one convolution.

A convolution is affine: it takes the straight path from baseline to input to a straight path. So, by the chain rule,
the mean gradient along the path is that of the rest of the network between the two ends' maps, pulled back through the
convolution once: the same integral, without the first layer in every step.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from rtl_core.audit.attribution import compute
from rtl_core.audit.attribution.compute import Request
from rtl_core.audit.attribution.explain import private_copy


class Split(nn.Module):
    """A network as its first convolution and the rest, which takes that convolution's maps."""

    def __init__(self, first: nn.Conv2d, rest: nn.Module) -> None:
        super().__init__()
        self.first, self.rest = first, rest

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, *shape) -> (n, outputs)."""
        return self.rest(self.first(x))


def split(module: nn.Module, x: torch.Tensor) -> nn.Module:
    """A copy in eval mode as a `Split`; the module itself where its inputs do not enter through one convolution alone.

    That is tried out: with its first convolution taken away, the network must make of that convolution's maps the
    very outputs that it made before, of the inputs `x` (n, *shape), their halves and their negatives. The copy's
    weights lie channels last: behind the first layer, where channels are many, that is faster.
    """
    name = next((name for name, part in module.named_modules() if type(part) is nn.Conv2d), None)
    if name is None:
        return module
    whole, rest = private_copy(module), private_copy(module)
    first = whole.get_submodule(name)
    rest.set_submodule(name, nn.Identity())
    tried = torch.cat([x, x / 2, -x]).to(first.weight)
    try:
        same = torch.equal(rest(first(tried).requires_grad_()), whole(tried))
    except Exception:  # whatever a network that needs the input itself, or changes it in place, makes of the maps
        return module
    return Split(first, rest).to(memory_format=torch.channels_last) if same else module


def integrated_gradients(ask: Request) -> torch.Tensor:
    """Maps (n, *shape) of a `Split`, at the Gauss-Legendre points that Captum takes; of other modules, Captum's."""
    if not isinstance(ask.module, Split):
        return compute.integrated_gradients(ask)
    first, rest, n = ask.module.first, ask.module.rest, len(ask.x)
    with torch.no_grad():
        start, end = (first(x).contiguous(memory_format=torch.channels_last) for x in (ask.baseline, ask.x))
    points, weights = np.polynomial.legendre.leggauss(ask.parameters.steps)  # on the way from -1 to 1
    shares, weights = ((1 + points) / 2).tolist(), torch.from_numpy(weights / 2).to(end)
    total = torch.zeros_like(end)
    for i in range(0, len(shares), ask.at_once):
        some = slice(i, i + ask.at_once)
        at = torch.cat([torch.lerp(start, end, share) for share in shares[some]]).requires_grad_()
        outputs = rest(at).gather(1, ask.target.repeat(len(at) // n)[:, None])
        [gradients] = torch.autograd.grad(outputs, at, weights[some].repeat_interleave(n)[:, None])
        total += gradients.unflatten(0, (-1, n)).sum(0)
    [mean_gradient] = torch.autograd.grad(first(ask.x), ask.x, total)
    return mean_gradient * (ask.x - ask.baseline)
