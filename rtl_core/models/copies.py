"""A module of one's own: what many threads may read at once, each changes in a copy.

A `Network` belongs to nobody. Its module is only read; whoever sets a mode or puts other tensors in place, as
`torch.func.functional_call` does for the length of a call, does so in a copy that no other thread has.
"""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

_FUSED = {
    nn.Conv1d: fuse_conv_bn_eval,
    nn.Conv2d: fuse_conv_bn_eval,
    nn.Conv3d: fuse_conv_bn_eval,
    nn.Linear: fuse_linear_bn_eval,
}


def structure(module: nn.Module) -> nn.Module:
    """A copy that shares the module's tensors: modes, settings and hooks are its own, and so are the places in which
    `functional_call` puts tensors. Takes no memory for weights."""
    tensors = (*module.parameters(), *module.buffers())
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def folded(module: nn.Module) -> nn.Module:
    """A copy in eval mode, without gradients, with batch norms made a part of the layers before them: the same outputs
    up to rounding, in less time.

    A module says in `norm_after` which of its layers hand their outputs to a norm and to nothing else: {name of the
    layer: name of the norm}. Modules that say nothing keep their norms. Nothing is traced: for as long as `torch.fx`
    traces, it replaces methods of `nn.Module` for all threads of the process.
    """
    module = copy.deepcopy(module).eval().requires_grad_(False)
    for inner in list(module.modules()):
        for layer, norm in getattr(inner, "norm_after", {}).items():
            before, after = inner.get_submodule(layer), inner.get_submodule(norm)
            if type(before) in _FUSED and after.track_running_stats and after.affine:
                inner.set_submodule(layer, _FUSED[type(before)](before, after))
                inner.set_submodule(norm, nn.Identity())
    return module


def quick(module: nn.Module) -> nn.Module:
    """`folded` for inference alone: ReLUs overwrite their inputs where the module names them in `may_overwrite`, since
    nothing else reads these; and weights lie channels last."""
    module = folded(module)
    for inner in module.modules():
        for name in getattr(inner, "may_overwrite", ()):
            activation = inner.get_submodule(name)
            if isinstance(activation, nn.ReLU):
                activation.inplace = True
    return module.to(memory_format=torch.channels_last)
