"""Small files of masks that would fill the memory are refused, in one sentence, before they do."""

from __future__ import annotations

import io
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from rtl_core.errors import BadInput
from rtl_core.interchange import import_masks_files, import_masks_leaves, pickle_reader
from rtl_core.interchange.import_masks import join, read_masks

LITTLE = 20 * 2**20  # bytes; pickles have 16 MiB at most, and nothing above that is read


def refusal(path) -> tuple[str, int]:
    """The sentence, and the most memory that Python and numpy took at once to come to it."""
    tracemalloc.start()
    try:
        with pytest.raises(BadInput) as caught:
            join(read_masks(path))
        return str(caught.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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
def test_calls_that_make_more_than_the_file_holds(tmp_path, instructions, old):
    path = of_torch(tmp_path / "large.pth", instructions, old)
    assert path.stat().st_size < 10_000
    sentence, taken = refusal(path)
    assert "'w' is an object" in sentence and "never built" in sentence
    assert taken < LITTLE


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
def test_values_that_are_stored_nowhere(tmp_path, old):
    sentence, taken = refusal(of_torch(tmp_path / "large.pth", tensor(10**9), old))
    assert "claims 4,000,000,000 bytes of values" in sentence and taken < LITTLE


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old format"])
@pytest.mark.parametrize(
    "instructions",
    [
        b"(" + b"}" * 50_000 + b"t",
        b"]" * 25_000 + b"a" * 25_000,
        b")" + b"\x85" * 50_000,
        call("a", "b") + b"q\x07" + b"h\x07" * 50_000,
        b"(" + b"".join(text(f"{i:05}") + b"N" for i in range(25_001)) + b"d",
    ],
    ids=["dicts", "lists in lists", "tuples in tuples", "from the memo", "one dict"],
)
def test_what_a_pickle_builds_is_bounded_by_its_instructions(tmp_path, monkeypatch, instructions, old):
    monkeypatch.setattr(pickle_reader, "MAX_INSTRUCTIONS", 50_000)
    sentence, taken = refusal(of_torch(tmp_path / "large.pth", instructions, old))
    assert "too many objects" in sentence
    assert taken < 300 * 50_000 + 2 * len(instructions)  # 600 MB where the limit is 2,000,000


@pytest.mark.parametrize("levels", [30, 5_000])
def test_objects_that_hold_one_another_again_and_again(tmp_path, monkeypatch, levels):
    """Each list holds the one before it eight times: few instructions, and more paths than can be walked."""
    monkeypatch.setattr(import_masks_leaves, "MAX_NODES", 3_000)
    again = b"0](" + b"h\x00" * 8 + b"eq\x00"
    sentence, taken = refusal(of_torch(tmp_path / "large.pth", b"]q\x00" + again * levels))
    assert "nests objects too deeply or too often" in sentence and taken < LITTLE


def test_a_length_that_is_only_claimed(tmp_path):
    for instructions in (b"X\xff\xff\xff\x7f", b"\x8e\xff\xff\xff\xff\xff\xff\xff\x00", b"\x8b\xff\xff\xff\x7f"):
        for old in (False, True):
            sentence, taken = refusal(of_torch(tmp_path / "large.pth", instructions, old))
            assert "not an intact file" in sentence and taken < LITTLE


def test_a_large_pickle_is_not_read(tmp_path):
    path = tmp_path / "large.pth"
    with zipfile.ZipFile(path, "w") as archive, archive.open("archive/data.pkl", "w") as file:
        file.write(b"\x80\x02" + b"}" * pickle_reader.MAX_PICKLE_BYTES)
    sentence, taken = refusal(path)
    assert "too many objects" in sentence and taken < LITTLE / 10


def test_a_large_header(tmp_path, monkeypatch):
    """Refused by its length, before the library is asked, whose memory cannot be seen from here."""
    monkeypatch.setattr(import_masks_files, "safe_open", None)
    path = tmp_path / "large.safetensors"
    path.write_bytes(struct.pack("<Q", 17 * 2**20) + b"{" + bytes(17 * 2**20))
    sentence, taken = refusal(path)
    assert "has a header of" in sentence and taken < LITTLE / 10


def test_npz_of_zeros(tmp_path):
    path = tmp_path / "large.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, True, 1) as archive, archive.open("w.npy", "w") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10_000, 10_000)}
        np.lib.format.write_array_header_1_0(file, header)
        for _ in range(100):
            file.write(bytes(4_000_000))
    sentence, taken = refusal(path)
    assert "more than the 268,435,456 allowed" in sentence and taken < LITTLE


def test_the_archive_that_is_read_is_the_one_that_the_file_ends_with(tmp_path):
    """Two archives in one file: zipfile takes the last directory, another reader may follow what it says."""
    for name, instructions in (("a", tensor(4)), ("b", call("builtins", "bytearray", number(10)))):
        of_torch(tmp_path / name, instructions)
    both = io.BytesIO((tmp_path / "b").read_bytes() + (tmp_path / "a").read_bytes())
    path = tmp_path / "both.pth"
    path.write_bytes(both.getvalue())
    with pytest.raises(BadInput, match="is a zip archive"):
        read_masks(path)
