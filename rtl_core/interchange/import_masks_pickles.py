"""What a file of `torch.save` would build, looked through before torch builds it.

torch's `weights_only` runs no code, but it builds whatever sizes a file asks for, such as `bytearray(10**10)`. So the
instructions of its pickles are followed first without building anything, and a file that calls for more than stored
tensors and plain containers is refused.
"""

from __future__ import annotations

import io
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rtl_core.data.archives import DAMAGED, opened_zip
from rtl_core.errors import BadInput

MAX_PICKLE_BYTES = 16 * 2**20
MAX_INSTRUCTIONS = 2_000_000  # a pickle may build a container with each, of some hundred bytes
_ZIP = b"PK\x03\x04"
_OLD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the first pickle of a file as torch wrote them before 1.6
_OLD_PICKLES = 5  # that number, the protocol, the system, the tensors without values, the keys of their values
# What these make is no larger than the values that the file stores, or than the pickle.
_HARMLESS = {
    "builtins complex",
    "builtins set",
    "collections Counter",
    "collections OrderedDict",
    "torch Size",
    "torch device",
    "torch.nn.parameter Parameter",
    "torch.serialization _get_layout",
    "torch._utils _rebuild_meta_tensor_no_storage",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
    "torch._utils _rebuild_qtensor",
    "torch._utils _rebuild_sparse_tensor",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_tensor_v3",
}


def check_pickles(path: Path, file: str) -> None:
    """BadInput for a file that torch.save has not written, or that would build more than the tensors it stores."""
    damaged = BadInput(f"{file} is not an intact file of torch.save; save model.state_dict() again")
    with open(path, "rb") as content:
        head = content.read(len(_OLD))
        content.seek(0)
        if not head.startswith(_ZIP) and head != _OLD:
            raise damaged
        try:
            if head == _OLD:
                for _ in range(_OLD_PICKLES):
                    _check(content, file)
            else:
                with opened_zip(content, file) as archive:
                    _check(io.BytesIO(_only_pickle(archive, file)), file)
        except BadInput:
            raise
        except (*DAMAGED, LookupError):
            raise damaged from None


def _only_pickle(archive: zipfile.ZipFile, file: str) -> bytes:
    """The archive's `data.pkl`; torch stores it and all values as they are."""
    pickles = [entry for entry in archive.infolist() if entry.filename.rpartition("/")[2] == "data.pkl"]
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()) or len(pickles) != 1:
        raise BadInput(f"{file} is a packed zip archive, not a file of torch.save; save model.state_dict() again")
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        raise _too_many(file)
    return archive.read(pickles[0])


def _check(pickle: BinaryIO, file: str) -> None:
    """Follows one pickle to its end."""
    start = pickle.tell()
    for number, called in enumerate(_calls(pickle)):
        if called is not None and called not in _HARMLESS:
            raise BadInput(
                f"{file} holds more than tensors ({called.replace(' ', '.'):.80}), and objects or code are never "
                "loaded; save model.state_dict() alone"
            )
        if number > MAX_INSTRUCTIONS or pickle.tell() - start > MAX_PICKLE_BYTES:
            raise _too_many(file)


def _calls(pickle: BinaryIO) -> Iterator[str | None]:
    """For each instruction what it calls ("module name"; "" for what is no global), None where it calls nothing.

    The stack holds the names of globals, and "" for anything else. Nothing can take a global out of a container again.
    """
    mark = object()
    stack: list[object] = []
    memo: dict[int, object] = {}
    for operation, argument, _ in pickletools.genops(pickle):
        called = None
        match operation.name:
            case "MARK":
                stack.append(mark)
            case "GLOBAL":
                stack.append(argument)
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case name:
                called = str(stack[-2]) if name in ("REDUCE", "NEWOBJ") else None
                takes = len(operation.stack_before)
                if pickletools.markobject in operation.stack_before:
                    while stack.pop() is not mark:
                        pass
                    takes -= 2  # the mark, and all above it
                del stack[len(stack) - takes :]
                stack += [""] * len(operation.stack_after)
        yield called


def _too_many(file: str) -> BadInput:
    return BadInput(f"{file} describes too many objects to be a network's tensors; save model.state_dict() alone")
