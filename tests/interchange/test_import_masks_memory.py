"""Small files of masks that would fill the memory are refused, in one sentence, before they do."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.interchange import import_masks_pickles
from rtl_core.interchange.import_masks import read_masks
from tests.peak import measured, refused

READ = "from rtl_core.interchange.import_masks import join, read_masks"


def judged(small, large):
    return measured(READ, "join(read_masks(path))", small, large)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.pth"
    torch.save({"w": torch.tensor([[1.0, 0.0]])}, path)
    return path


def call(module: str, name: str, *arguments: bytes) -> bytes:
    """Instructions of a pickle that call a global with what the arguments' instructions make."""
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(arguments) + b"tR"


def number(value: int) -> bytes:
    return pickle.dumps(value, 2)[2:-1]


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def of_torch(path, instructions: bytes, old: bool = False):
    """A file as torch.save writes it, whose pickle holds {"w": what the instructions make}."""
    content = b"\x80\x02}" + text("w") + instructions + b"s."
    if old:
        head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        path.write_bytes(b"".join(head) + content + pickle.dumps([], 2))
        return path
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/version", b"3\n")
    return path


def tensor(values: int) -> bytes:
    """A tensor of (1, `values`) whose values are stored nowhere."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(values) + b"NtQ"
    shape, stride = (b"(" + number(first) + number(last) + b"t" for first, last in ((1, values), (values, 1)))
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", storage, number(0), shape, stride, b"\x89", hooks)


HEX = call("_codecs", "encode", text("x" * 1000), text("latin1"))
for _ in range(22):  # each time twice as long
    HEX = call("_codecs", "encode", HEX, text("hex"))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
@pytest.mark.parametrize(
    "instructions",
    [
        call("builtins", "bytearray", number(3 * 10**9)),
        call("torch", "FloatTensor", number(1), number(10**9)),
        call("torch.storage", "UntypedStorage", number(3 * 10**9)),
        b"ctorch.storage\nUntypedStorage\nq\x070" + b"h\x07(" + number(3 * 10**9) + b"tR",
        HEX,
    ],
    ids=["bytes", "tensor", "storage", "storage from the memo", "codec"],
)
def test_calls_that_make_more_than_the_file_holds(tmp_path, small, instructions, old):
    path = of_torch(tmp_path / "large.pth", instructions, old)
    assert path.stat().st_size < 10_000
    refused(judged(small, path), "holds more than tensors")


def test_values_that_are_stored_nowhere(tmp_path, small):
    path = of_torch(tmp_path / "large.pth", tensor(10**9), old=True)
    refused(judged(small, path), "claims 4,000,000,000 bytes of values")


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_many_empty_containers(tmp_path, small, old):
    path = of_torch(tmp_path / "large.pth", b"(" + b"}" * 12_000_000 + b"t", old)
    refused(judged(small, path), "too many objects")


def test_a_large_pickle_is_not_read(tmp_path, small):
    path = tmp_path / "large.pth"
    with zipfile.ZipFile(path, "w") as archive, archive.open("archive/data.pkl", "w") as file:
        file.write(b"\x80\x02" + b"}" * import_masks_pickles.MAX_PICKLE_BYTES)
    refused(judged(small, path), "too many objects")


def test_a_large_header(tmp_path, small):
    header = json.dumps(
        {f"t{i}": {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for i in range(400_000)}
    ).encode()
    path = tmp_path / "large.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    refused(judged(small, path), "has a header of")


def test_npz_of_zeros(tmp_path, small):
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("w.npy", "w") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10_000, 10_000)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(100):
            file.write(bytes(4_000_000))
    refused(judged(small, path), "more than the 268,435,456 allowed")


def test_the_pickle_that_is_looked_through_is_the_one_that_torch_reads(tmp_path):
    """Two archives in one file: zipfile takes the last directory, another reader may follow what it says."""
    for name, instructions in (("a", tensor(4)), ("b", call("builtins", "bytearray", number(10)))):
        of_torch(tmp_path / name, instructions)
    both = io.BytesIO((tmp_path / "b").read_bytes() + (tmp_path / "a").read_bytes())
    path = tmp_path / "both.pth"
    path.write_bytes(both.getvalue())
    with pytest.raises(BadInput, match="not an intact file"):
        read_masks(path)


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
@pytest.mark.parametrize(
    "kind", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn, torch.uint16, torch.bool]
)
def test_tensors_of_any_kind_are_read(tmp_path, kind, old):
    if old and kind in (torch.float8_e4m3fn, torch.uint16):
        pytest.skip("torch does not write these in its old format")
    values = {"a": torch.tensor([[1, 0], [0, 1]]).to(kind), "b": torch.nn.Parameter(torch.tensor([[0.0, 2.0]]))}
    extra = {
        "epoch": 3,
        "schedule": {"milestones": torch.optim.lr_scheduler.Counter([1, 2])},
        "device": torch.device("cpu"),
    }
    torch.save({"state_dict": values, **extra}, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    (ticket,) = read_masks(tmp_path / "a.pth")
    assert ticket.masks["b"].flat().tolist() == [False, True]
