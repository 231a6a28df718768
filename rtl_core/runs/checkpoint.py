"""The checkpoint of a run: two tensor files and `run.json`, which is written last and holds their digests.

    tickets.safetensors   bits (K, bytes) and pruned_at (K, N) of the tickets, the latter where there is more than
                          one level; theta_0/NAME; of the rtl method theta/NAME, private/K/NAME, buffers/K/NAME;
                          lighter/LEVEL/K/NAME; of the gate router/gate/NAME and router/features/NAME; of pictures
                          seen_rows (n, 8), digests of the train and validation rows (data/fingerprint.py); of
                          clusters assignment (n,), the subset of each row
    methods.safetensors   the other methods (weights_file.py)
    run.json              format, names, layout, rungs, manifest, sizes and SHA-256 of both files, its own digest

Reading the masks and the JSON needs no torch, so the app can show a run within milliseconds. The digests
find accidents and careless edits; they are no signature.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open

from rtl_core.config import Config, parse
from rtl_core.data.fingerprint import ROW_BYTES
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs.atomic import read_json, write_json
from rtl_core.runs.record import RunRecord, read_record
from rtl_core.runs.status import effective_status
from rtl_core.runs.store import CHECKPOINT_FILE, MASKS_ONLY, MAX_JSON_BYTES, read_config
from rtl_core.tickets.bits import pack, unpack
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

if TYPE_CHECKING:
    from rtl_core.events import Tensors
    from rtl_core.learning.subnetwork import TrainedMethod

FORMAT = "rtl-lab-run"
FORMAT_VERSION = 1
TICKETS_FILE = "tickets.safetensors"
METHODS_FILE = "methods.safetensors"
MAX_TENSOR_BYTES = 16 * 2**30
_ROUTER = "router/"
SEEN_ROWS, ASSIGNMENT = "seen_rows", "assignment"
_FOREIGN = {b"PK": "a zip archive, as torch.save writes it", b"\x80": "a pickle", b"\x89HDF": "an HDF5 file"}


@dataclass(frozen=True)
class Run:
    """A loaded checkpoint: its tickets and everything that was written about them.

    config    the settings; None for masks of networks trained elsewhere, of which nothing else is known
    info      what the pipeline recorded: evaluation, data, partition, model, rungs, environment, ...; of imported
              masks: kind, sources, left_out, ... (runs/imports.py)
    manifest  how the tensor files make up the methods; read by `load_learned`
    """

    folder: Path
    config: Config | None
    tickets: TicketSet
    info: dict[str, Any]
    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        return self.folder.name

    @cached_property
    def record(self) -> RunRecord:
        """`info` as an object. BadInput where it is not as it should be."""
        return read_record(self.info)

    @property
    def reading_notes(self) -> list[str]:
        """Sentences on what was left out of the data, or read otherwise than it stands there."""
        recorded = (self.info.get("data") or {}, self.info.get("partition") or {})
        return [note for record in recorded for note in record.get("notes", ())]

    @property
    def masks_only(self) -> bool:
        """Whether the run was imported: it has tickets, but no settings, weights, data or evaluation."""
        return self.config is None

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that the run has weights of."""
        return tuple(entry["method"] for entry in self.manifest["methods"])


@dataclass(frozen=True)
class Outcome:
    """What a run has come to: all that its checkpoint keeps. Masks alone are tickets and `info`.

    info             JSON-able; numpy values are converted, NaN becomes null. `info["config"]`: the settings,
                     where the folder has no config.json; `info["kind"]` is "masks" where there are none at all
    theta_0          the weights that every method started from
    lighter_buffers  (level index, ticket index) -> norm statistics of that lighter ticket
    gate             the gate's tensors, as `LinearGate.as_tensors` gives them
    rows             what is kept about the rows of the data, by name: `SEEN_ROWS` uint8 (n, 8), digests of those that
                     the run was trained and tuned on; `ASSIGNMENT` int16 (n,), the subset of each, where it cannot be
                     read off the data
    """

    tickets: TicketSet
    info: Mapping[str, Any]
    theta_0: Tensors = field(default_factory=dict)
    learned: Sequence[TrainedMethod] = ()
    lighter_buffers: Mapping[tuple[int, int], Tensors] = field(default_factory=dict)
    gate: Tensors = field(default_factory=dict)
    rows: Mapping[str, np.ndarray] = field(default_factory=dict)


@refused_in_public("writing a run")
def save_checkpoint(folder: Path, outcome: Outcome) -> None:
    """Writes the run's outcome into its folder."""
    import torch

    from rtl_core.runs.tensors import write_tensors
    from rtl_core.runs.weights_file import check_layout, pack_learned, prefixed

    tickets, theta_0 = outcome.tickets, outcome.theta_0
    if theta_0:
        check_layout(theta_0, tickets.layout, "theta_0")
    packed = pack_learned(outcome.learned, tickets, theta_0)
    tensors = {**_ticket_tensors(tickets), **prefixed("theta_0", theta_0), **packed.own}
    for (level, k), buffers in outcome.lighter_buffers.items():
        tensors.update(prefixed(f"lighter/{level}/{k}", buffers))
    tensors.update({f"{_ROUTER}{name}": tensor for name, tensor in outcome.gate.items()})
    tensors.update({name: torch.tensor(array) for name, array in outcome.rows.items()})
    # From here to the end the folder has no checkpoint rather than one that mixes old and new.
    (folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    write_tensors(folder / TICKETS_FILE, tensors)
    write_tensors(folder / METHODS_FILE, packed.others)
    document = plain(
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "tickets": {
                "names": tickets.names,
                "subsets": tickets.subsets,
                "layout": asdict(tickets.layout),
                "rungs": [asdict(level) for level in tickets.levels],
            },
            "methods": packed.methods,
            "lighter": list(outcome.lighter_buffers),
            "files": {name: _seal(folder / name) for name in (TICKETS_FILE, METHODS_FILE)},
            "info": outcome.info,
        }
    )
    write_json(folder / CHECKPOINT_FILE, {**document, "digest": _digest(document)})


def load_run(folder: Path) -> Run:
    """The run's tickets and records, checked, without torch; BadInput says what is wrong with the files."""
    try:
        document = read_json(folder / CHECKPOINT_FILE, MAX_JSON_BYTES)
        _check_document(document)
        for name, seal in document["files"].items():
            _check_file(folder / name, seal, content=name == TICKETS_FILE)
        tickets = _read_tickets(folder / TICKETS_FILE, document["tickets"])
    except BadInput as error:
        raise BadInput(f"run '{folder.name}' cannot be opened: {error}") from None
    info = document["info"]
    if info.get("kind") == MASKS_ONLY:
        config = None
    else:
        config = parse(info["config"]) if "config" in info else read_config(folder)
    manifest = {key: document[key] for key in ("methods", "lighter", "files")}
    return Run(folder, config, tickets, info, manifest)


def finished_run(folder: Path) -> Run:
    """The run in a folder; one that is not finished yet says in which state it is."""
    status = effective_status(folder)
    if status is not None and status.state != "done":
        raise BadInput(f"run '{folder.name}' has no tickets yet, it is {status.state}; resume or wait for it")
    return load_run(folder)


def load_theta_0(run: Run) -> Tensors:
    """Name -> the weights before Algorithm 1; BadInput for runs that have masks only."""
    from rtl_core.runs.weights_file import check_layout, under

    theta_0 = under("theta_0", _tensors(run, TICKETS_FILE))
    if not theta_0:
        raise BadInput(f"run '{run.name}' has masks only; what needs weights cannot be done with it")
    check_layout(theta_0, run.tickets.layout, "theta_0")
    return theta_0


def load_learned(run: Run) -> dict[str, TrainedMethod]:
    """Method -> what it learned; dictionaries that parts shared when saved are shared again."""
    from rtl_core.runs.weights_file import under, unpack_learned

    tensors = _tensors(run, TICKETS_FILE)
    theta_0 = under("theta_0", tensors)
    return unpack_learned(run.manifest["methods"], {**tensors, **_tensors(run, METHODS_FILE)}, run.tickets, theta_0)


def load_lighter(run: Run) -> dict[tuple[int, int], Tensors]:
    """(level index, ticket index) -> norm statistics of the lighter tickets."""
    from rtl_core.runs.weights_file import under

    tensors = _tensors(run, TICKETS_FILE)
    return {(level, k): under(f"lighter/{level}/{k}", tensors) for level, k in run.manifest["lighter"]}


def load_gate(run: Run) -> Tensors:
    """What `routing.gate` remakes the run's gate from; empty for runs without one."""
    tensors = _tensors(run, TICKETS_FILE)
    return {name.removeprefix(_ROUTER): t for name, t in tensors.items() if name.startswith(_ROUTER)}


def load_seen_rows(run: Run) -> np.ndarray | None:
    """uint8 (n, 8): digests of the rows that the run was trained and tuned on; None for runs that keep none."""
    return _load_rows(run, SEEN_ROWS, "U8", (ROW_BYTES,))


def load_assignment(run: Run) -> np.ndarray | None:
    """int64 (n,): the subset of each row of the run's data; None where it is read off the data instead."""
    kept = _load_rows(run, ASSIGNMENT, "I16", ())
    return None if kept is None else kept.astype(np.int64)


def _load_rows(run: Run, name: str, dtype: str, of_row: tuple[int, ...]) -> np.ndarray | None:
    path = run.folder / TICKETS_FILE
    _check_file(path, run.manifest["files"][TICKETS_FILE], content=True)
    with safe_open(path, framework="np") as file:
        if name not in file.keys():  # noqa: SIM118 (not a mapping)
            return None
        shape = file.get_slice(name).get_shape()
        return _array(file, name, (*shape[:1], *of_row), dtype)


def _tensors(run: Run, name: str) -> Tensors:
    from rtl_core.runs.tensors import read_tensors

    path = run.folder / name
    _check_file(path, run.manifest["files"][name], content=True)
    return read_tensors(path)[0]


def _ticket_tensors(tickets: TicketSet) -> Tensors:
    import torch

    arrays = {"bits": pack(tickets.masks())}
    if len(tickets.levels) > 1:
        arrays["pruned_at"] = tickets.pruned_at
    return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}


def _seal(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _digest(document: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True, allow_nan=False).encode()).hexdigest()


def _check_document(document: dict[str, Any]) -> None:
    """Refuses a `run.json` that is not ours, is of another version, was edited, or does not fit the schema."""
    if document.get("format") != FORMAT:
        raise BadInput(f"{CHECKPOINT_FILE} is not a run of this program (its format should be '{FORMAT}')")
    if document.get("format_version") != FORMAT_VERSION:
        version = document.get("format_version")
        raise BadInput(f"its format version is {version}; this program reads version {FORMAT_VERSION}")
    if document.get("digest") != _digest({key: value for key, value in document.items() if key != "digest"}):
        raise BadInput(f"{CHECKPOINT_FILE} was changed after it was written; take the original file")
    try:
        checked = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(f"{CHECKPOINT_FILE}, '{where}': {first['msg']}") from None
    if set(checked.files) != {TICKETS_FILE, METHODS_FILE}:
        raise BadInput(f"{CHECKPOINT_FILE} should list the files {TICKETS_FILE} and {METHODS_FILE}")


def _check_file(path: Path, seal: dict[str, Any], content: bool) -> None:
    """Refuses a tensor file by its size and first bytes before anything of it is read, then by its content."""
    if not path.is_file():
        raise BadInput(f"{path.name} is missing; copy the whole folder of the run")
    size = path.stat().st_size
    if size > MAX_TENSOR_BYTES:
        raise BadInput(f"{path.name} has {size:,} bytes; files of more than {MAX_TENSOR_BYTES:,} are not read")
    with open(path, "rb") as file:
        head = file.read(9)
    foreign = next((kind for magic, kind in _FOREIGN.items() if head.startswith(magic)), None)
    if foreign is not None and not head.endswith(b"{"):
        raise BadInput(f"{path.name} is {foreign}, not a safetensors file; nothing is unpickled or unpacked here")
    if size != seal["bytes"]:
        wrong = "truncated" if size < seal["bytes"] else "another file or was added to"
        raise BadInput(f"{path.name} is {wrong}: it has {size:,} bytes and was written with {seal['bytes']:,}")
    if len(head) < 9 or struct.unpack("<Q", head[:8])[0] > size - 8 or not head.endswith(b"{"):
        raise BadInput(f"{path.name} is not a safetensors file; it is another file renamed")
    if content and _seal(path) != seal:
        raise BadInput(f"{path.name} was changed after it was written; take the original file")


def _read_tickets(path: Path, stated: dict[str, Any]) -> TicketSet:
    """The ticket set, with everything about it that can contradict itself checked."""
    ticket = _Tickets.model_validate(stated)
    k, n = len(ticket.names), ticket.layout.n
    if not k or len(set(ticket.names)) != k or len(ticket.subsets) != k:
        raise BadInput(f"its {k} ticket names should be distinct, and as many as its {len(ticket.subsets)} subsets")
    indices = [level.index for level in ticket.rungs]
    if indices != list(range(1, len(indices) + 1)) or [r.kind for r in ticket.rungs].count("target") != 1:
        raise BadInput("its levels should be numbered from 1 on, and one of them should be the target")
    try:
        with safe_open(path, framework="np") as file:
            bits = _array(file, "bits", (k, -(-n // 8)))
            stored = len(indices) > 1 or "pruned_at" in file.keys()  # noqa: SIM118 (not a mapping)
            pruned_at = _array(file, "pruned_at", (k, n)) if stored else _one_level(bits, n)
            _check_weights(file, ticket.layout)
    except SafetensorError as error:
        raise BadInput(f"{path.name} is not a complete safetensors file ({error})") from None
    tickets = TicketSet(ticket.names, ticket.subsets, ticket.layout, pruned_at, ticket.rungs)
    if int(pruned_at.max(initial=0)) > len(indices):
        raise BadInput(f"pruned_at names level {pruned_at.max()}, but there are {len(indices)} levels")
    if stored and not np.array_equal(pack(tickets.masks()), bits):
        raise BadInput("the masks' bits disagree with pruned_at: the file was not written by this program")
    return tickets


def _one_level(bits: np.ndarray, n: int) -> np.ndarray:
    """`pruned_at` (K, n) of masks that one level made: 0 (`KEPT`) where the bit is 1, else level 1."""
    pruned_at = unpack(bits, n).view(np.uint8)
    pruned_at ^= 1
    return pruned_at


def _array(file: Any, name: str, shape: tuple[int, ...], dtype: str = "U8") -> np.ndarray:
    if name not in file.keys():  # noqa: SIM118 (not a mapping)
        raise BadInput(f"{TICKETS_FILE} has no tensor '{name}'")
    stored = file.get_slice(name)  # type and shape stand in the header: looked at before the values are read
    if stored.get_dtype() != dtype or tuple(stored.get_shape()) != shape:
        raise BadInput(
            f"tensor '{name}' is {stored.get_dtype()} of shape {tuple(stored.get_shape())}; "
            f"it should be {dtype} of {shape}"
        )
    return file.get_tensor(name)


def _check_weights(file: Any, layout: Layout) -> None:
    """The headers of theta_0 fit the layout that the masks cover (a run with masks only has none)."""
    names = set(file.keys())
    if not any(name.startswith("theta_0/") for name in names):
        return
    for name, shape in zip(layout.names, layout.shapes, strict=True):
        key = f"theta_0/{name}"
        stored_shape = tuple(file.get_slice(key).get_shape()) if key in names else None
        if stored_shape != shape:
            wrong = "is missing" if stored_shape is None else f"has shape {stored_shape}"
            raise BadInput(f"tensor '{key}' {wrong}; the masks cover one of shape {shape}")


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tickets(_Schema):
    names: tuple[str, ...]
    subsets: tuple[str, ...]
    layout: Layout
    rungs: tuple[Level, ...]


class _Subnetwork(_Schema):
    subset: str
    mask: str | None
    shared: str
    private: str
    buffers: str


class _Method(_Schema):
    method: str
    reads: Literal["per_subset", "argmax"]
    outputs: int
    output_shape: tuple[int, ...] | None = None
    steps_warm: int
    steps_extract: int
    steps_joint: int
    width: float | None = None
    parts: tuple[_Subnetwork, ...]


class _File(_Schema):
    bytes: int
    sha256: str


class _Document(_Schema):
    """`run.json`."""

    format: str
    format_version: int
    tickets: _Tickets
    methods: tuple[_Method, ...]
    lighter: tuple[tuple[int, int], ...]
    files: dict[str, _File]
    info: dict[str, Any]
    digest: str
