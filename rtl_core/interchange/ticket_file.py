"""One ticket as one portable file: what it keeps, how that came about, and which network it is for.

A safetensors file with two uint8 tensors, `bits` and `pruned_at`, and one JSON document in its header. The format,
byte by byte, is in docs/ticket-file.md. A file is never trusted: every size is checked before it is used, and every
refusal is one sentence.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtl_core.errors import BadInput
from rtl_core.files import replacing
from rtl_core.tickets import bits as packed
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import KEPT, Level, TicketSet

VERSION = 2
_ZEROS = "0" * 64  # what stands in place of the checksum while it is computed
METADATA_KEY = "rtl_ticket"
MAX_BYTES = 256 * 2**20  # about 200 million weights
MAX_HEADER_BYTES = 4 * 2**20


@dataclass(frozen=True)
class TicketFile:
    """What a ticket file holds, checked.

    bits        uint8 (ceil(N / 8),): the final mask, packed as `bits.pack` does
    pruned_at   uint8 (N,): as in `TicketSet`
    theta_hash  `theta_hash` of the weights that the ticket is for
    data, model, licence  what it was made from and may be used for, as its maker described them
    """

    name: str
    subset: str
    layout: Layout
    bits: np.ndarray
    pruned_at: np.ndarray
    levels: tuple[Level, ...]
    theta_hash: str
    data: dict[str, Any]
    model: dict[str, Any]
    licence: str
    version: int


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Tensor(_Strict):
    name: Annotated[str, Field(min_length=1, max_length=300)]
    shape: Annotated[list[Annotated[int, Field(ge=1, le=MAX_BYTES)]], Field(min_length=1, max_length=8)]


class _Level(_Strict):
    index: Annotated[int, Field(ge=1, le=255)]
    density: Annotated[float, Field(gt=0, le=1)]
    kind: Literal["denser", "target", "lighter"]


class _Description(_Strict):
    """The JSON document in the header."""

    version: Literal[1, 2]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    subset: Annotated[str, Field(max_length=200)]
    tensors: Annotated[list[_Tensor], Field(min_length=1, max_length=10_000)]
    rungs: Annotated[list[_Level], Field(min_length=1, max_length=255)]
    theta_hash: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    data: dict[str, Any]
    model: dict[str, Any]
    licence: Annotated[str, Field(max_length=20_000)]
    checksum: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None


def theta_hash(arrays: Mapping[str, Any], layout: Layout) -> str:
    """SHA-256 of the prunable weights, as 64 hexadecimal digits.

    arrays  name -> numpy array, or torch tensor on the CPU that needs no gradient; float32, any memory format

    Hashed per tensor, in the layout's order: the line `["name",[shape],"float32"]` and the values as little-endian
    float32 in logical (row-major) order. BadInput: a tensor is missing or has another shape or type.
    """
    digest = hashlib.sha256()
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        if name not in arrays:
            raise BadInput(f"the network has no tensor '{name}'; the ticket masks {', '.join(layout.names)}")
        values = np.asarray(arrays[name])
        if values.shape != shape or values.dtype != np.float32:
            given = f"{values.dtype} {list(values.shape)}"
            raise BadInput(f"tensor '{name}' of the network is {given}; the ticket is for float32 {list(shape)}")
        digest.update(json.dumps([name, list(shape), "float32"], separators=(",", ":")).encode() + b"\n")
        digest.update(np.ascontiguousarray(values, dtype="<f4").tobytes())
    return digest.hexdigest()


def write_ticket(
    path: str | Path, tickets: TicketSet, index: int, theta: Mapping[str, Any], context: Mapping[str, Any]
) -> None:
    """Write ticket `index` of a set; the file appears whole or not at all, and equal input gives equal bytes.

    theta    the shared weights it is for, as `theta_hash` takes them
    context  {"data": JSON-able dict, "model": JSON-able dict, "licence": text}
    """
    pruned_at = np.ascontiguousarray(tickets.pruned_at[index])
    layout = tickets.layout
    description = {
        "version": VERSION,
        "name": tickets.names[index],
        "subset": tickets.subsets[index],
        "tensors": [{"name": n, "shape": list(s)} for n, s in zip(layout.names, layout.shapes, strict=True)],
        "rungs": [asdict(level) for level in tickets.levels],
        "theta_hash": theta_hash(theta, layout),
        **context,
        "checksum": _ZEROS,
    }
    tensors = {"bits": packed.pack(_final_mask(pruned_at, tickets.levels)[None])[0], "pruned_at": pruned_at}
    text = json.dumps(description, allow_nan=False)
    head, _, tail = text.rpartition(_ZEROS)
    # One metadata key only: safetensors writes several in an order that changes from run to run.
    content = safetensors.numpy.save(tensors, {METADATA_KEY: f"{head}{_checksum(text, tensors)}{tail}"})
    read_ticket(content)  # nothing is written that could not be read
    with replacing(Path(path)) as draft:
        draft.write_bytes(content)


def read_ticket(source: str | Path | bytes) -> TicketFile:
    """The ticket in a file, or in a file's bytes. BadInput, in one sentence, whatever is wrong with it."""
    if isinstance(source, bytes):
        called = "the ticket file"
        _check_size(len(source), called)
        content = source
    else:
        called = Path(source).name
        if not Path(source).is_file():
            raise BadInput(f"there is no ticket file {source}")
        _check_size(Path(source).stat().st_size, called)
        content = Path(source).read_bytes()
    return _parse(content, called)


def _parse(content: bytes, called: str) -> TicketFile:
    text, document = _description(content, called)
    described = _check_description(document, called)
    layout = Layout(tuple(t.name for t in described.tensors), tuple(tuple(t.shape) for t in described.tensors))
    levels = tuple(Level(r.index, r.density, r.kind) for r in described.rungs)
    if len(set(layout.names)) < len(layout.names):
        raise BadInput(f"{called} names a tensor twice; every prunable tensor has a name of its own")
    _check_levels(levels, called)
    arrays = _tensors(content, layout.n, called)
    _check_checksum(described, text, arrays, called)
    _check_masks(arrays, levels, called)
    return TicketFile(
        name=described.name,
        subset=described.subset,
        layout=layout,
        bits=arrays["bits"],
        pruned_at=arrays["pruned_at"],
        levels=levels,
        theta_hash=described.theta_hash,
        data=described.data,
        model=described.model,
        licence=described.licence,
        version=described.version,
    )


def require_same_theta(ticket: TicketFile, theta: Mapping[str, Any], layout: Layout, model: Mapping[str, Any]) -> None:
    """BadInput that names both networks unless the ticket was made for these very weights.

    theta, layout  the network's weights and its prunable tensors; model  its description (`Network.description`)
    """
    theirs, ours = ticket.model.get("name", "unnamed"), model.get("name", "unnamed")
    if ticket.layout != layout:
        raise BadInput(
            f"ticket '{ticket.name}' is for a network '{theirs}' with {len(ticket.layout.names)} prunable tensors "
            f"({ticket.layout.n:,} weights); this network '{ours}' has {len(layout.names)} ({layout.n:,} weights), "
            "with other names, shapes or order"
        )
    here = theta_hash(theta, layout)
    if ticket.theta_hash != here:
        raise BadInput(
            f"ticket '{ticket.name}' is for the network '{theirs}' with weights {ticket.theta_hash[:12]}; "
            f"this network '{ours}' has other weights, {here[:12]}"
        )


def _check_size(size: int, called: str) -> None:
    if size > MAX_BYTES:
        raise BadInput(f"{called} is too large: it has {size:,} bytes, a ticket file has at most {MAX_BYTES:,}")


def _description(content: bytes, called: str) -> tuple[str, Any]:
    """The JSON document in the header, as it stands there and parsed, not yet checked."""
    looks_like_safetensors = len(content) > 8 and content[8:9] == b"{"
    length = int.from_bytes(content[:8], "little")
    if not looks_like_safetensors or length > MAX_HEADER_BYTES:
        kind = "a zip archive" if content[:2] == b"PK" else "a pickle" if content[:1] == b"\x80" else "something else"
        raise BadInput(f"{called} is not a ticket file: it should be in safetensors format but is {kind}")
    if length > len(content) - 8:
        raise BadInput(f"{called} is cut short: its header has {length:,} bytes, only {len(content) - 8:,} are there")
    try:
        header = json.loads(content[8 : 8 + length])
        text = header["__metadata__"][METADATA_KEY]
        return text, json.loads(text, parse_constant=_no_constant)
    except (KeyError, TypeError):
        raise BadInput(f"{called} is a safetensors file without a ticket: its metadata lack '{METADATA_KEY}'") from None
    except (ValueError, RecursionError):
        raise BadInput(f"{called} is damaged: its header is not valid JSON") from None


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _check_description(document: Any, called: str) -> _Description:
    if not isinstance(document, dict) or "version" not in document:
        raise BadInput(f"{called} has no format version; this program reads versions 1 to {VERSION}")
    if document["version"] not in (1, VERSION):
        version = repr(document["version"])[:20]
        raise BadInput(f"{called} has format version {version}; this program reads versions 1 to {VERSION}")
    try:
        return _Description.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where, wrong = ".".join(map(str, first["loc"])), first["msg"]
        raise BadInput(f"{called} has a wrong entry '{where:.100}': {wrong[0].lower()}{wrong[1:]}") from None


def _tensors(content: bytes, n: int, called: str) -> dict[str, np.ndarray]:
    """`bits` and `pruned_at`, of the type and the sizes that n weights need."""
    try:
        tensors = dict(safetensors.deserialize(content))
    except safetensors.SafetensorError as error:
        reason = str(error).rpartition(": ")[2]
        raise BadInput(
            f"{called} is cut short or damaged: its tensors should fill the file exactly ({reason})"
        ) from None
    wanted = {"bits": (n + 7) // 8, "pruned_at": n}
    if tensors.keys() != wanted.keys():
        names = ", ".join(sorted(tensors)) or "none"
        raise BadInput(f"{called} should hold the tensors bits and pruned_at, but holds: {names:.200}")
    for name, size in wanted.items():
        dtype, shape = tensors[name]["dtype"], tensors[name]["shape"]
        if dtype != "U8" or shape != [size]:
            raise BadInput(f"{called}: tensor '{name}' is {dtype} {shape}, but {n:,} weights need U8 [{size}]")
    return {name: np.frombuffer(tensors[name]["data"], dtype=np.uint8) for name in wanted}


def _check_checksum(described: _Description, text: str, arrays: Mapping[str, np.ndarray], called: str) -> None:
    """Files of version 1 have none: of them only what contradicts itself is found."""
    stated = described.checksum
    if (stated is None) != (described.version == 1):
        raise BadInput(f"{called} is damaged: a file of version 2 states a checksum, one of version 1 has none")
    if stated is not None and (text.count(stated) != 1 or stated != _checksum(text.replace(stated, _ZEROS), arrays)):
        raise BadInput(f"{called} is damaged or was edited: its content does not give the checksum that it states")


def _checksum(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 of the JSON document with zeros for the checksum, then of `pruned_at` and `bits`."""
    return hashlib.sha256(text.encode() + arrays["pruned_at"].tobytes() + arrays["bits"].tobytes()).hexdigest()


def _check_levels(levels: tuple[Level, ...], called: str) -> None:
    if [level.index for level in levels] != list(range(1, len(levels) + 1)):
        raise BadInput(f"{called}: the levels should be numbered 1 to {len(levels)}, densest first")
    kinds = [level.kind for level in levels]
    if kinds.count("target") != 1 or kinds != sorted(kinds, key=("denser", "target", "lighter").index):
        raise BadInput(f"{called}: the levels should be denser ones, then one target, then lighter ones")
    if any(above.density < below.density for above, below in pairwise(levels)):
        raise BadInput(f"{called}: the densities of the levels should fall from each to the next")


def _check_masks(arrays: dict[str, np.ndarray], levels: tuple[Level, ...], called: str) -> None:
    """`pruned_at` knows only these levels, and `bits` is the mask that it gives at the target."""
    last = int(arrays["pruned_at"].max())
    if last > len(levels):
        raise BadInput(f"{called}: pruned_at names level {last}, but there are only {len(levels)}")
    expected = packed.pack(_final_mask(arrays["pruned_at"], levels)[None])
    kept, kept_by_levels = int(packed.counts(arrays["bits"][None])[0]), int(packed.counts(expected)[0])
    if kept != kept_by_levels:
        raise BadInput(f"{called}: its bits keep {kept:,} weights, but pruned_at says {kept_by_levels:,}")
    if not np.array_equal(arrays["bits"], expected[0]):
        raise BadInput(f"{called}: its bits keep other weights than pruned_at says, though as many")


def _final_mask(pruned_at: np.ndarray, levels: tuple[Level, ...]) -> np.ndarray:
    target = next(level for level in levels if level.kind == "target")
    return (pruned_at == KEPT) | (pruned_at > target.index)
