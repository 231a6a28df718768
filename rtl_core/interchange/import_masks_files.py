"""Files of torch and safetensors as named arrays, read one at a time; for `import_masks`."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_pickles import check_pickles
from rtl_core.interchange.ticket_file import METADATA_KEY, TicketFile, read_ticket

MAX_HEADER_BYTES = 16 * 2**20
_HOLDERS = ("state_dict", "model_state_dict", "model")  # keys under which training scripts put the state dict
_NUMPY_FLOATS = (torch.float16, torch.float32, torch.float64)


def state_dict(path: Path, file: str) -> dict[str, Callable[[], np.ndarray]]:
    """The tensors of a file of `torch.save`: a state dict, or a dict that holds one under the usual keys.

    Loaded with `weights_only`: torch then builds tensors and plain containers and runs no code of the file's.
    """
    check_pickles(path, file)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise BadInput(
            f"{file} is damaged or holds more than tensors, and objects or code are never loaded; "
            "save model.state_dict() alone"
        ) from None
    except Exception:  # torch raises errors of many kinds for a damaged file, some of them pages long
        raise BadInput(f"{file} is not an intact file of torch.save; save model.state_dict() again") from None
    held = [loaded[key] for key in _HOLDERS if isinstance(loaded, dict) and isinstance(loaded.get(key), dict)]
    held_tensors = held[0] if held else loaded
    if not isinstance(held_tensors, dict):
        raise BadInput(f"{file} holds a {type(held_tensors).__name__}; wanted is a state dict, names to tensors")
    tensors = {k: v for k, v in held_tensors.items() if isinstance(k, str) and isinstance(v, torch.Tensor)}
    _check_stored(tensors.values(), path, file)
    return {name: partial(_as_array, tensor, name, file) for name, tensor in tensors.items()}


def _check_stored(tensors: Iterable[torch.Tensor], path: Path, file: str) -> None:
    """The old format gives tensors their room before it reads their values, whether the file has these or not."""
    plain = [t.untyped_storage() for t in tensors if t.layout == torch.strided and not t.is_nested and not t.is_meta]
    needed = sum({storage.data_ptr(): storage.nbytes() for storage in plain}.values())
    if needed > path.stat().st_size:
        raise BadInput(f"{file} claims {needed:,} bytes of values, more than the file holds; save the network again")


@contextmanager
def opened_safetensors(path: Path, file: str) -> Iterator[dict[str, Callable[[], np.ndarray]]]:
    """The tensors of a safetensors file, by name with numbers in order: the format keeps no order of its own."""
    with _safe_open(path, file) as opened:
        yield {
            name: lambda name=name: _as_array(opened.get_tensor(name), name, file)
            for name in sorted(opened.keys(), key=_by_number)
        }


def ticket_in(path: Path, file: str) -> TicketFile | None:
    """What the file says as a ticket file (docs/ticket-file.md); None where it is none."""
    with _safe_open(path, file) as opened:
        if METADATA_KEY not in (opened.metadata() or {}):
            return None
    try:
        return read_ticket(path)
    except BadInput as error:
        raise BadInput(str(error).replace(path.name, file)) from None


@contextmanager
def _safe_open(path: Path, file: str) -> Iterator[Any]:
    _check_header(path, file)
    try:
        with safe_open(path, framework="pt") as opened:
            yield opened
    except (SafetensorError, OSError):
        raise BadInput(
            f"{file} is not an intact safetensors file; it is cut short, damaged or another file renamed"
        ) from None


def _check_header(path: Path, file: str) -> None:
    """A header is read and kept whole, so its length is looked at first."""
    with open(path, "rb") as content:
        length = int.from_bytes(content.read(8), "little")
    if MAX_HEADER_BYTES < length < path.stat().st_size:
        raise BadInput(f"{file} has a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,} are read")


def _as_array(tensor: torch.Tensor, name: str, file: str) -> np.ndarray:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_nested or tensor.is_meta:
        raise BadInput(f"{file}: tensor '{name}' is sparse, quantised, nested or empty; save it as a plain dense one")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise BadInput(f"{file}: tensor '{name}' claims {tensor.numel():,} values, more than the file holds")
    if tensor.is_floating_point() and tensor.dtype not in _NUMPY_FLOATS:
        tensor = tensor.float()  # numpy has no bfloat16 and nothing smaller
    return tensor.numpy(force=True)


def _by_number(name: str) -> list[str | int]:
    return [int(piece) if piece.isdecimal() else piece for piece in re.split(r"(\d+)", name)]
