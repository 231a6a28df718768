"""The networks by name: built from settings, rebuilt from a stored description, or brought along."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import replace
from math import prod
from typing import Annotated, Any

import torch
from pydantic import Field, ValidationError, field_validator
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode

from rtl_core.config import LEAST_WIDTH, MOST_WIDTH, ModelSettings
from rtl_core.errors import BadInput
from rtl_core.models.centernet import CenterNet
from rtl_core.models.convnet import ConvNet
from rtl_core.models.detector_maps import GEOMETRY, maps_shape
from rtl_core.models.ghostnet import GhostNet
from rtl_core.models.initialise import initialise
from rtl_core.models.mlp import MLP
from rtl_core.models.network import Network
from rtl_core.models.resnet import Basic, Bottleneck, ResNet
from rtl_core.models.unet import UNet

MAX_INPUT = 2**20  # numbers per input
MAX_OUTPUTS = 10_000  # of a network that gives one number a choice
_NEW_TENSORS = (torch.empty, torch.zeros, torch.ones, torch.tensor)  # by which layers make theirs
_NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)  # whose scale and shift may belong to a ticket
HEAD = ("head.weight", "head.bias")  # in every network of the catalogue


class Description(ModelSettings):
    """What a run stores of its network. Read from files of others, so every size is bounded.

    outputs       numbers that the network gives for one input, where they are one row of numbers
    output_shape  their shape where they are not; `outputs` is then the first of its sizes
    """

    input_shape: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1, max_length=3)
    outputs: int = Field(ge=1, le=MAX_OUTPUTS)
    output_shape: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(None, min_length=2, max_length=3)

    @field_validator("input_shape", "output_shape")
    @classmethod
    def _bounded(cls, shape: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if shape and prod(shape) > MAX_INPUT:
            raise ValueError(f"an input or output may hold {MAX_INPUT:,} numbers, not {prod(shape):,}")
        return shape

    @property
    def shape_of_outputs(self) -> tuple[int, ...]:
        return self.output_shape or (self.outputs,)


def _convnet(description: Description) -> nn.Module:
    channels = _picture_channels(description, smallest=ConvNet.STRIDE)
    return ConvNet(channels, _outputs(description), description.width)


def _ghostnet(description: Description) -> nn.Module:
    channels = _picture_channels(description, smallest=GhostNet.STRIDE)
    return GhostNet(channels, _outputs(description), description.width)


def _resnet18(description: Description) -> nn.Module:
    return _resnet(description, Basic, (2, 2, 2, 2))


def _resnet50(description: Description) -> nn.Module:
    return _resnet(description, Bottleneck, (3, 4, 6, 3))


def _resnet(description: Description, block: type[Basic | Bottleneck], depths: tuple[int, int, int, int]) -> nn.Module:
    channels = _picture_channels(description, smallest=ResNet.STRIDE[description.stem])
    return ResNet(block, depths, description.stem, channels, _outputs(description), description.width)


def _mlp(description: Description) -> nn.Module:
    return MLP(prod(description.input_shape), description.shape_of_outputs, description.width)


def _unet(description: Description) -> nn.Module:
    channels, shape = _picture_channels(description, smallest=UNet.STRIDE), description.shape_of_outputs
    if shape[1:] != description.input_shape[1:]:
        raise BadInput("unet answers for every pixel of a picture, as task segmentation asks; choose another network")
    return UNet(channels, shape[0], description.width)


def _centernet(description: Description) -> nn.Module:
    channels, shape = _picture_channels(description, smallest=CenterNet.STRIDE), description.shape_of_outputs
    classes = shape[0] - GEOMETRY
    if classes < 1 or shape != maps_shape(classes, *description.input_shape[1:]):
        raise BadInput("centernet gives maps of centres and sizes, as task detection asks; choose another network")
    return CenterNet(channels, shape[0], classes, description.width)


CATALOGUE: dict[str, Callable[[Description], nn.Module]] = {
    "convnet": _convnet,
    "ghostnet": _ghostnet,
    "resnet18": _resnet18,
    "resnet50": _resnet50,
    "mlp": _mlp,
    "unet": _unet,
    "centernet": _centernet,
}


def build(settings: ModelSettings, input_shape: tuple[int, ...], outputs: int | tuple[int, ...], seed: int) -> Network:
    """A network of the catalogue with its initial weights; `outputs`: how many, or their shape.

    The weights are a pure function of `seed` and each layer's name and shape: networks that differ only in
    `outputs` have the same prunable weights. Raises BadInput where the network cannot take such inputs.
    """
    shape = (outputs,) if isinstance(outputs, int) else outputs
    fields = {**settings.model_dump(), "input_shape": input_shape, "outputs": shape[0]}
    if len(shape) > 1:
        fields["output_shape"] = shape
    return _build(_described(fields), seed)


def rebuild(description: dict[str, Any]) -> Network:
    """The network that `Network.description` tells of, without weights (on the device "meta"): stored ones are put in.

    Raises BadInput for an unknown or invalid description.
    """
    return _skeleton(_described(description))


def at_width(network: Network, width: float, seed: int | None = None) -> Network:
    """The same kind of network at another width: with its initial weights, or without any where no seed is given.

    BadInput for a network that is not of the catalogue, and for a width out of bounds.
    """
    description = _described({**network.description, "width": width})
    return _skeleton(description) if seed is None else _build(description, seed)


def of_size(network: Network, weights: int, seed: int) -> Network:
    """The network of this kind, with its initial weights, whose number of prunable weights is nearest to so many.

    Widths are looked at to three decimals; few of them differ, since channels come in steps.
    """
    widths = range(round(1000 * LEAST_WIDTH), round(1000 * MOST_WIDTH) + 1)

    def size(width: int) -> int:
        return _prunable_weights(at_width(network, width / 1000))

    above = min(bisect_left(widths, weights, key=size), len(widths) - 1)
    nearest = min(widths[max(0, above - 1)], widths[above], key=lambda width: abs(size(width) - weights))
    return at_width(network, nearest / 1000, seed)


def _prunable_weights(network: Network) -> int:
    parameters = dict(network.module.named_parameters())
    return sum(parameters[name].numel() for name in network.prunable)


def wrap(
    module: nn.Module,
    prunable: Iterable[str],
    head: Iterable[str],
    input_shape: tuple[int, ...],
    outputs: int | tuple[int, ...],
) -> Network:
    """A `Network` of any module: name the tensors that masks cover and those of the last layer; `outputs`: how many
    numbers it gives for an input, or their shape.

    Raises BadInput for names that are not parameters of the module, given twice or in both lists.
    """
    prunable, head = tuple(prunable), tuple(head)
    parameters = dict(module.named_parameters())
    unknown = [name for name in (*prunable, *head) if name not in parameters]
    if unknown:
        raise BadInput(f"the module has no parameter {', '.join(unknown)}; it has {', '.join(parameters)}")
    if not prunable:
        raise BadInput("no prunable tensor is named; name at least one parameter that masks cover")
    if len({*prunable, *head}) < len(prunable) + len(head):
        raise BadInput("a tensor is named twice among the prunable ones and the head; name each once")
    norms = [name for name, layer in module.named_modules() if isinstance(layer, _NORMS)]
    affine = tuple(own for norm in norms for kind in ("weight", "bias") if (own := f"{norm}.{kind}") in parameters)
    shape = (outputs,) if isinstance(outputs, int) else tuple(outputs)
    return Network(module, prunable, head, affine, tuple(input_shape), shape)


def _described(fields: dict[str, Any]) -> Description:
    try:
        return Description.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "description"
        reason = first["msg"].removeprefix("Value error, ")
        raise BadInput(f"the network's description is not valid: '{where}': {reason}") from None


def _picture_channels(description: Description, smallest: int) -> int:
    """Channels of the pictures, or BadInput for other inputs and for pictures under `smallest` pixels a side."""
    shape, name = description.input_shape, description.name
    if len(shape) != 3:
        raise BadInput(f"{name} needs pictures (channels, height, width); for inputs of shape {shape} choose mlp")
    channels, height, width = shape
    if min(height, width) < smallest:
        raise BadInput(f"{name} needs {smallest} x {smallest} pixels or more; these pictures have {height} x {width}")
    return channels


def _outputs(description: Description) -> int:
    """How many outputs, or BadInput where they are no row of numbers."""
    if description.output_shape:
        shape = " x ".join(map(str, description.output_shape))
        raise BadInput(
            f"{description.name} gives one row of numbers for an input, not {shape}; choose unet for an "
            "answer to each pixel, or mlp"
        )
    return description.outputs


def _build(description: Description, seed: int) -> Network:
    network = _skeleton(description)
    network.module.to_empty(device="cpu")
    initialise(network.module, seed)
    return network


def _skeleton(description: Description) -> Network:
    with _OnMeta():  # elsewhere a new module draws its weights from the global generator
        module = CATALOGUE[description.name](description)
    network = wrap(module, module.prunable, HEAD, description.input_shape, description.shape_of_outputs)
    return replace(network, description=description.model_dump(mode="json", exclude_none=True))


class _OnMeta(TorchFunctionMode):
    """New tensors have no storage, in this thread alone: `with torch.device` notes the device for the whole process."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _NEW_TENSORS and kwargs.get("device") is None:
            kwargs = {**kwargs, "device": "meta"}
        return func(*args, **kwargs)
