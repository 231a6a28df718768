"""Files of torch.save and of pickle: the object that they hold as plain data, and its tensors read one at a time.

Three ways to store values are known: torch's zip archives, torch's format before 1.6, and values inside the pickle, as
numpy's arrays are there. torch's own loader is not used. Every place of a value is checked against the file before it
is read, and values are read from the file where they are wanted.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.data.archives import DAMAGED as DAMAGED_ZIP
from rtl_core.data.archives import opened_zip
from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import Values
from rtl_core.interchange.pickle_reader import DAMAGED, MAX_PICKLE_BYTES, Budget, Shell, interpret
from rtl_core.interchange.torch_values import (
    NUMPY,
    ODD_TENSORS,
    RAW,
    NoTensor,
    array_of,
    as_float32,
    bytes_of,
    check_within,
    damaged,
    item_size,
    shown,
    storage_of,
    unwrapped,
    whole_numbers,
)

MAX_INLINE_BYTES = 256 * 2**20  # of a file whose values are inside the pickle, which is read whole
OLD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the first pickle of a file as torch wrote them before 1.6


@dataclass
class TorchFile:
    """The object in a file, and where the file keeps its values.

    places  key of a storage -> (first byte, bytes, CRC-32 or 0 where none is known)
    """

    file: str
    content: np.ndarray  # uint8
    tree: Any
    budget: Budget
    places: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    nested: dict[int, TorchFile] = field(default_factory=dict)

    def raw(self, key: str) -> np.ndarray:
        """The bytes of a storage; BadInput where they are not those that were written."""
        start, size, crc = self.places[key]
        values = self.content[start : start + size]
        if crc and key not in self.checked and zlib.crc32(values) != crc:
            raise damaged(self.file)
        self.checked.add(key)
        return values

    def value_of(self, shell: Shell) -> Values | NoTensor | None:
        """The tensor or array that a shell stands for; None where it is something else."""
        try:
            value = self._value_of(shell)
        except BadInput:
            raise
        except DAMAGED:
            raise damaged(self.file) from None
        return replace(value, read=partial(self._guarded, value.read)) if isinstance(value, Values) else value

    def _guarded(self, read: Callable[[], np.ndarray]) -> np.ndarray:
        try:
            return read()
        except BadInput:
            raise
        except DAMAGED:
            raise damaged(self.file) from None

    def _value_of(self, shell: Shell) -> Values | NoTensor | None:
        shell = unwrapped(shell)
        kind, _, name = shell.kind.rpartition(".")
        if name in ODD_TENSORS:
            size = shell.arguments[2] if name == "_rebuild_qtensor" else None
            return NoTensor(ODD_TENSORS[name] + (f", of shape {whole_numbers(size)}" if size else ""))
        if name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3") and kind == "torch._utils":
            dtype = shell.arguments[6].name.rpartition(".")[2] if name.endswith("v3") else None
            return self._tensor(*shell.arguments[:4], dtype)
        if shell.kind.startswith("numpy."):
            return array_of(shell)
        return None

    def _tensor(
        self, storage: Any, offset: Any, shape: Any, stride: Any, dtype: str | None
    ) -> Values | NoTensor | None:
        if not isinstance(storage, Shell):
            raise TypeError
        if storage.kind == "torch.storage._load_from_bytes":
            source = self._inside(storage)
            return source._tensor(source.tree, offset, shape, stride, dtype)
        key, type_, size, first = storage_of(storage, dtype)
        if type_ not in NUMPY | RAW:
            return NoTensor(f"a tensor of an unknown type ({shown(type_)})")
        numpy_type = np.dtype((NUMPY | RAW)[type_])
        if size * numpy_type.itemsize > len(self.content):
            raise _claims(self.file, size * numpy_type.itemsize)
        shape, stride = whole_numbers(shape), whole_numbers(stride)
        if len(shape) != len(stride):
            raise ValueError
        if prod(shape) > size:
            return NoTensor(f"a view that claims {prod(shape):,} values, more than the file holds")
        check_within(shape, stride, offset, size)
        start = first + offset
        span = sum((n - 1) * step for n, step in zip(shape, stride, strict=True)) + 1 if prod(shape) else 0
        read = partial(self._read, key, numpy_type, type_, start, shape, stride)
        return Values(shape, read, ((id(self), key), start, start + span, span == prod(shape)))

    def _read(self, key: str, dtype: np.dtype, type_: str, start: int, shape: tuple, stride: tuple) -> np.ndarray:
        raw = self.raw(key)
        values = raw[: len(raw) // dtype.itemsize * dtype.itemsize].view(dtype)
        check_within(shape, stride, start, len(values))
        if not prod(shape):
            return np.zeros(shape, dtype)
        steps = [step * dtype.itemsize for step in stride]
        view = np.lib.stride_tricks.as_strided(values[start:], shape, steps, writeable=False)
        return as_float32(np.array(view), type_) if type_ in RAW else view

    def _inside(self, storage: Shell) -> TorchFile:
        """A storage that was pickled without torch.save: its bytes are a file of torch's old format."""
        if id(storage) not in self.nested:
            content = np.frombuffer(bytes_of(storage.arguments[0]), np.uint8)
            self.budget.spend(100 + len(content) // 1_000)
            self.nested[id(storage)] = _old(content, self.file, self.budget)
        return self.nested[id(storage)]


def read_torch(path: Path, file: str) -> TorchFile:
    """The object in a file that torch.save or pickle wrote; `file`: its name for sentences.

    BadInput for anything else, for a damaged file, and for one that describes more than networks do.
    """
    try:
        content = np.memmap(path, np.uint8, "r")
        budget = Budget(file)
        if content[:4].tobytes() == b"PK\x03\x04":
            return _zip(path, content, file, budget)
        if content[: len(OLD)].tobytes() == OLD:
            return _old(content, file, budget)
        return _inline(content, file, budget)
    except BadInput:
        raise
    except (*DAMAGED, *DAMAGED_ZIP):
        raise damaged(file) from None


def _zip(path: Path, content: np.ndarray, file: str, budget: Budget) -> TorchFile:
    """torch's format since 1.6: the pickle and every storage are entries of a zip archive, stored as they are."""
    with opened_zip(path, file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise BadInput(
                f"{file} is a zip archive, but not one of torch.save, which has one data.pkl; "
                "unpack it and give the files in it"
            )
        root = pickles[0].removesuffix("data.pkl")
        wanted = [entry for name, entry in entries.items() if name == pickles[0] or name.startswith(f"{root}data/")]
        if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in wanted):
            raise BadInput(f"{file} is a packed zip archive, not a file of torch.save; save model.state_dict() again")
        order = entries.get(f"{root}byteorder")
        if order is not None and order.file_size < 100 and _stored(content, order).tobytes() == b"big":
            raise _big_endian(file)
        if entries[pickles[0]].file_size > MAX_PICKLE_BYTES:
            raise _long_pickle(file)
        program = _stored(content, entries[pickles[0]])
        if entries[pickles[0]].CRC not in (0, zlib.crc32(program)):
            raise damaged(file)
        places = {
            entry.filename.removeprefix(f"{root}data/"): (*_place(content, entry), entry.CRC)
            for entry in wanted
            if entry.filename != pickles[0]
        }
    return TorchFile(file, content, interpret(io.BytesIO(program.tobytes()), budget), budget, places)


def _place(content: np.ndarray, entry: zipfile.ZipInfo) -> tuple[int, int]:
    """(first byte, bytes) of an entry that is stored as it is."""
    head = content[entry.header_offset : entry.header_offset + 30].tobytes()
    if len(head) != 30 or head[:4] != b"PK\x03\x04":
        raise ValueError
    start = entry.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    if start + entry.file_size > len(content):
        raise ValueError
    return start, entry.file_size


def _stored(content: np.ndarray, entry: zipfile.ZipInfo) -> np.ndarray:
    start, size = _place(content, entry)
    return content[start : start + size]


def _old(content: np.ndarray, file: str, budget: Budget) -> TorchFile:
    """Five pickles (a number, the protocol, the system, the object, keys of storages), then the storages."""
    stream, persistent = io.BytesIO(content[: MAX_PICKLE_BYTES + 1].tobytes()), []
    try:
        _, _, system, tree, keys = (interpret(stream, budget, persistent) for _ in range(5))
    except DAMAGED:
        if stream.tell() > MAX_PICKLE_BYTES:
            raise _long_pickle(file) from None
        raise
    if not (isinstance(system, dict) and isinstance(keys, list)):
        raise TypeError
    if system.get("little_endian") is False:
        raise _big_endian(file)
    places, claims = {}, {key: (type_, size) for key, type_, size, _ in map(storage_of, persistent)}
    start = stream.tell()
    for key in keys:
        type_, size = claims[key]
        if int.from_bytes(content[start : start + 8].tobytes(), "little") != size:
            raise ValueError
        places[key] = (start + 8, size * item_size(type_), 0)
        start += 8 + size * item_size(type_)
    if start > len(content):
        raise _claims(file, sum(size for _, size, _ in places.values()))
    return TorchFile(file, content, tree, budget, places)


def _inline(content: np.ndarray, file: str, budget: Budget) -> TorchFile:
    """A pickle and nothing else: arrays stand in it with their values."""
    if len(content) > MAX_INLINE_BYTES:
        raise BadInput(
            f"{file} is a pickle of {len(content):,} bytes, at most {MAX_INLINE_BYTES:,} are read; "
            "save the arrays with numpy.savez_compressed or torch.save"
        )
    stream = io.BytesIO(content.tobytes())
    tree = interpret(stream, budget)
    if stream.tell() != len(content):
        raise BadInput(f"{file} holds more behind its first pickle; save all masks or weights as one object, or apart")
    return TorchFile(file, content, tree, budget)


def _claims(file: str, size: int) -> BadInput:
    return BadInput(f"{file} claims {size:,} bytes of values, more than the file holds; save the network again")


def _big_endian(file: str) -> BadInput:
    return BadInput(f"{file} was written on a big-endian machine, whose order of bytes is not read; save it again here")


def _long_pickle(file: str) -> BadInput:
    return BadInput(f"{file} describes too many objects to be a network's tensors; save model.state_dict() alone")
