"""What one forward pass costs: as executed by dense kernels, and counting only weights that are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from rtl_core.errors import BadInput
from rtl_core.models.network import Network


@dataclass(frozen=True)
class Cost:
    """The cost of one input's forward pass in eval mode. Norms, activations and pooling are not counted.

    params_total      all parameters, prunable or not
    n_prunable        N
    flops_executed    floating-point operations of matrix products and convolutions with nothing left out:
                      a multiply-add counts as two, padding counts as pixels
    macs_dense        the same as multiply-adds
    macs_per_weight   prunable tensor -> multiply-adds that each of its weights takes part in: the positions of
                      its convolution's output, 1 for a linear layer
    macs_unprunable   multiply-adds that no mask removes (head, squeeze-excite)
    """

    params_total: int
    n_prunable: int
    flops_executed: int
    macs_dense: int
    macs_per_weight: dict[str, int]
    macs_unprunable: int


def forward_cost(network: Network) -> Cost:
    """Runs a copy of the network on one input of zeros and counts.

    Raises BadInput where a prunable tensor is not the weight of a convolution or a linear layer.
    """
    module = copy.deepcopy(network.module).eval()
    parameters = dict(module.named_parameters())
    per_weight = dict.fromkeys(network.prunable, 0)
    for name in network.prunable:
        _count_uses(module, name, per_weight)
    device = parameters[network.prunable[0]].device
    with torch.no_grad(), _Operations() as counted:
        module(torch.zeros(1, *network.input_shape, device=device))
    flops = counted.total
    sizes = {name: parameters[name].numel() for name in network.prunable}
    return Cost(
        params_total=sum(parameter.numel() for parameter in parameters.values()),
        n_prunable=sum(sizes.values()),
        flops_executed=flops,
        macs_dense=flops // 2,
        macs_per_weight=per_weight,
        macs_unprunable=flops // 2 - sum(sizes[name] * uses for name, uses in per_weight.items()),
    )


def macs_nonzero(cost: Cost, kept: Mapping[str, int]) -> int:
    """Multiply-adds of one input when each prunable tensor keeps `kept[name]` weights, unprunable layers included."""
    return cost.macs_unprunable + sum(kept[name] * uses for name, uses in cost.macs_per_weight.items())


class _Operations(TorchDispatchMode):
    """Counts what this thread computes, by torch's own formulas. Its `FlopCounterMode` would hook the modules of every
    thread to know which of them is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def _count_uses(module: nn.Module, name: str, uses: dict[str, int]) -> None:
    """Hooks the layer that `name` is the weight of: every call adds to `uses[name]`."""
    layer = module.get_submodule(name.rpartition(".")[0])
    if not (isinstance(layer, (_ConvNd, nn.Linear)) and name.endswith("weight")):
        raise BadInput(f"multiply-adds are known for weights of convolutions and linear layers, not for {name}")

    def add(layer: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        # A weight's first axis is the output channel, of a transposed convolution the input channel;
        # the weight is used once at each position of that map.
        mapped = inputs[0] if getattr(layer, "transposed", False) else output
        uses[name] += mapped.numel() // layer.weight.shape[0]

    layer.register_forward_hook(add)
