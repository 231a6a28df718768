"""Named tensors in a safetensors file, with their memory format.

safetensors stores values in logical order only. Convolutions add up in another order when their weights
lie channels-last, so a resumed run is bit-identical only if the format comes back too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rtl_core.errors import BadInput
from rtl_core.events import Tensors
from rtl_core.files import private_folder, replacing

_CHANNELS_LAST = "channels_last"  # metadata key: JSON list of the tensors in that format


def write_tensors(path: Path, tensors: Tensors, metadata: dict[str, str] | None = None) -> None:
    """All tensors into one file, atomically. `metadata`: text to text, read back by `read_tensors`."""
    formats = json.dumps([name for name, tensor in tensors.items() if _is_channels_last(tensor)])
    # Cloned, because safetensors refuses tensors that share memory.
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    with replacing(path) as draft, private_folder(path) as folder:  # safetensors has a draft of its own, of any name
        try:
            save_file(copies, folder / path.name, {**(metadata or {}), _CHANNELS_LAST: formats})
            os.replace(folder / path.name, draft)
        except SafetensorError as error:
            number = re.search(r"os error (\d+)", str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from None


def read_tensors(path: Path) -> tuple[Tensors, dict[str, str]]:
    """(tensors on the CPU in the format they had, metadata); BadInput where the file is not whole."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        for name in json.loads(metadata.pop(_CHANNELS_LAST, "[]")):
            tensors[name] = _channels_last(tensors[name])
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError) as error:
        raise BadInput(f"{path.name} is not a complete safetensors file of ours ({error})") from None
    return tensors, metadata


def digest(tensors: Tensors) -> str:
    """SHA-256 over names, types, shapes and bytes, whatever the order and memory format."""
    sha = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(as_bytes(tensor).numpy())
    return sha.hexdigest()


def as_bytes(tensor: torch.Tensor) -> torch.Tensor:
    """uint8 (elements * item size,) in logical order."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def _is_channels_last(tensor: torch.Tensor) -> bool:
    # By strides: `is_contiguous` calls a 1x1 convolution's weight both formats at once.
    return tensor.dim() == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(tensor, memory_format=torch.channels_last).copy_(tensor)
