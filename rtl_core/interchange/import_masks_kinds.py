"""What kind a file is, told by its content and not by its name; for `import_masks`."""

from __future__ import annotations

import zipfile
from pathlib import Path

from rtl_core.data.archives import opened_zip
from rtl_core.data.file_kinds import other_kind
from rtl_core.errors import BadInput
from rtl_core.interchange.torch_file import OLD

ENDINGS = {
    ".safetensors": "safetensors",
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".tar", ".th", ".pkl", ".pickle", ".pyt"), "torch"),
    ".npz": "npz",
    ".npy": "npy",
}
_TAR = slice(257, 262)


def kind_of(path: Path, file: str) -> str:
    """What a file is by its first bytes; by its ending only where these say nothing."""
    with open(path, "rb") as content:
        head = content.read(512)
    if head.startswith(b"PK\x03\x04"):
        kind = _kind_of_zip(path, file)
    elif head.startswith(b"\x93NUMPY"):
        kind = "npy"
    elif head.startswith(OLD) or (head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05"):
        kind = "torch"
    elif head[8:9] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        kind = "safetensors"
    else:
        kind = None
    other = "a tar archive" if head[_TAR] == b"ustar" else other_kind(head) if head else "empty"
    if other and not kind:
        raise BadInput(f"{file} is {other}; wanted are the network's own files, unpacked")
    kind = kind or ENDINGS.get(Path(file).suffix.lower())
    if kind is None:
        raise BadInput(f"{file} is of no kind that holds masks; wanted are {', '.join(ENDINGS)}")
    return kind


def _kind_of_zip(path: Path, file: str) -> str | None:
    try:
        with opened_zip(path, file) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return None
    if any(name.rpartition("/")[2] == "data.pkl" for name in names):
        return "torch"
    return "npz" if names and all(name.endswith(".npy") for name in names) else None
