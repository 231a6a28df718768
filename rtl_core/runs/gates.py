"""A run's gate as its checkpoint keeps it."""

from __future__ import annotations

import copy
from dataclasses import replace

from rtl_core.data.dataset import Dataset
from rtl_core.events import Tensors
from rtl_core.learning.subnetwork import fill
from rtl_core.models.network import Network
from rtl_core.routing.features import remade
from rtl_core.routing.gate import LinearGate, gate_from

_SEEN = "pooled/"


def gate_tensors(gate: LinearGate, seen: Tensors) -> Tensors:
    """The gate as a checkpoint keeps it, with the network whose features it sees."""
    return {**gate.as_tensors(), **{f"{_SEEN}{name}": tensor for name, tensor in seen.items()}}


def remade_gate(tensors: Tensors, features: str, k: int, dataset: Dataset, network: Network) -> LinearGate:
    """The inverse of `gate_tensors`, over some data."""
    dense, state = None, {name.removeprefix(_SEEN): t for name, t in tensors.items() if name.startswith(_SEEN)}
    if state:
        module = copy.deepcopy(network.module)
        fill(module, state)
        dense = replace(network, module=module)
    own = {name.removeprefix("features/"): t for name, t in tensors.items() if name.startswith("features/")}
    return gate_from(tensors, remade(features, own, dataset.input_shape, dense), dataset.inputs, k)
