"""Files of torch.save and pickle are read as torch and pickle would, and nothing in them is looked up or called."""

from __future__ import annotations

import argparse
import collections
import io
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.fuzz_masks import Sentinel
from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks import read_masks
from rtl_core.interchange.import_masks_arrays import Values
from rtl_core.interchange.import_masks_leaves import leaves_of
from rtl_core.interchange.pickle_reader import Budget, Shell, interpret
from rtl_core.interchange.torch_file import read_torch

WRITERS = {
    "zip": lambda content, path: torch.save(content, path),
    "old format": lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
    **{
        f"pickle {protocol}": lambda content, path, protocol=protocol: path.write_bytes(pickle.dumps(content, protocol))
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    },
}
SHARED = torch.randn(6, 8)
TYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32", "float64", "complex64"]


def network() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(4, 5), nn.Linear(4, 5))
    module[4].weight = module[3].weight
    return module


CONTENTS = {
    "state dict": network().state_dict(),
    "module": network(),
    "checkpoint": {"model": network(), "args": argparse.Namespace(lr=0.1), "epoch": 3, "best": None},
    "types": {name: torch.tensor([[0, 1], [1, 2]]).to(getattr(torch, name)) for name in TYPES},
    "views": {"a": SHARED[:3], "b": SHARED[:, ::2], "c": SHARED.t(), "d": SHARED[2:4, 3:5], "e": SHARED},
    "memory formats": {"w": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)},
    "parameters": {"w": nn.Parameter(torch.randn(3, 3)), "l": nn.ParameterList([torch.randn(2, 2)])},
    "nothing": {"w": torch.zeros(0, 3), "s": torch.tensor(3.0)},
    "containers": collections.OrderedDict(a=[torch.eye(2), (torch.eye(3),)], b={"c": {4: torch.eye(4)}}),
    "numpy": {
        "w": np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4),
        "fortran": np.asfortranarray(np.linspace(-1, 1, 12).reshape(3, 4)),
        "mask": np.eye(3, dtype=bool),
        "big-endian": np.arange(6, dtype=">i4").reshape(2, 3),
        "objects": np.array([np.eye(2), np.eye(3)], object),
    },
}


def plain(content: object, path: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """All tensors in what torch or pickle has read, by the same names."""
    if isinstance(content, nn.Module):
        return {
            ".".join((*path, name)): value for name, values in content.state_dict().items() for value in [_np(values)]
        }
    if isinstance(content, torch.Tensor) or (isinstance(content, np.ndarray) and content.dtype != object):
        return {".".join(path): _np(content)}
    if isinstance(content, dict):
        pairs = [(str(key), value) for key, value in content.items()]
    else:
        pairs = (
            [(str(i), value) for i, value in enumerate(content)]
            if isinstance(content, list | tuple | np.ndarray)
            else []
        )
    return {name: array for key, value in pairs for name, array in plain(value, (*path, key)).items()}


def _np(values: torch.Tensor | np.ndarray) -> np.ndarray:
    if isinstance(values, np.ndarray):
        return values.astype(values.dtype.newbyteorder("="))
    return (values.float() if values.dtype == torch.bfloat16 else values).detach().numpy()


def ours(path: Path) -> dict[str, np.ndarray]:
    leaves = leaves_of(read_torch(path, path.name))
    return {".".join(leaf.path): leaf.value.read() for leaf in leaves if isinstance(leaf.value, Values)}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_values_are_those_that_torch_and_pickle_read(tmp_path, kind, writer):
    path = tmp_path / "a.pt"
    WRITERS[writer](CONTENTS[kind], path)
    if writer.startswith("pickle"):
        theirs = plain(pickle.loads(path.read_bytes()))
    else:
        theirs = plain(torch.load(path, weights_only=False))
    read = ours(path)
    assert list(read) == list(theirs) and theirs
    for name, values in theirs.items():
        assert read[name].shape == values.shape and read[name].dtype.newbyteorder("=") == values.dtype, name
        assert np.array_equal(read[name], values), name


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64"])
def test_types_that_only_the_zip_format_has(tmp_path, name):
    values = torch.tensor([[0, 1], [2, 0]]).to(getattr(torch, name))
    torch.save({"w": values}, tmp_path / "a.pt")
    assert np.array_equal(ours(tmp_path / "a.pt")["w"], [[0, 1], [2, 0]])


def test_what_shares_its_values_says_so(tmp_path):
    for writer in ("zip", "old format"):
        WRITERS[writer](CONTENTS["views"] | {"f": SHARED[:3], "g": torch.randn(2, 2)}, tmp_path / "a.pt")
        places = {leaf.path[0]: leaf.value.place for leaf in leaves_of(read_torch(tmp_path / "a.pt", "a.pt"))}
        assert places["a"] == places["f"] and places["e"][0] == places["d"][0] != places["g"][0]
        assert [places[name][3] for name in "abcde"] == [True, False, True, False, True]


def test_an_unknown_object_keeps_what_it_was_given_and_nothing_else():
    content = pickle.dumps({"x": Sentinel(Path("nowhere")), "y": argparse.Namespace(a=[1, 2]), 3: {4, 5}})
    tree = interpret(io.BytesIO(content), Budget("a.pkl"))
    assert tree.keys() == {"x", "y", "3"} and set(tree["3"]) == {4, 5}
    x, y = tree["x"], tree["y"]
    assert isinstance(x, Shell) and (x.kind, x.arguments) == (f"{os.name}.mkdir", ("nowhere",))
    assert (y.kind, y.state) == ("argparse.Namespace", {"a": [1, 2]}) and not Path("nowhere").exists()


def test_files_of_big_endian_machines_are_refused(tmp_path):
    torch.save({"w": torch.eye(3)}, tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"big" if name.endswith("byteorder") else old.read(name))
    WRITERS["old format"]({"w": torch.eye(3)}, tmp_path / "c.pt")
    content = (tmp_path / "c.pt").read_bytes()
    (tmp_path / "c.pt").write_bytes(re.sub(rb"(little_endianq.)\x88", lambda match: match[1] + b"\x89", content))
    for name in ("b.pt", "c.pt"):
        with pytest.raises(BadInput, match="big-endian machine"):
            read_masks(tmp_path / name)


def test_values_that_were_changed_after_writing_are_refused(tmp_path):
    values = torch.full((8, 8), 3.0).tril()
    torch.save({"w": values}, tmp_path / "a.pt")
    content = (tmp_path / "a.pt").read_bytes()
    place = content.index(values.numpy().tobytes())
    (tmp_path / "a.pt").write_bytes(content[:place] + b"\x01" + content[place + 1 :])
    with pytest.raises(BadInput, match="not an intact file"):
        read_masks(tmp_path / "a.pt")


def test_files_without_checksums_are_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": torch.eye(3)}, tmp_path / "a.pt")
    finally:
        torch.serialization.set_crc32_options(True)
    assert np.array_equal(ours(tmp_path / "a.pt")["w"], np.eye(3))


def test_a_second_object_in_a_pickle_is_not_lost(tmp_path):
    (tmp_path / "a.pkl").write_bytes(2 * pickle.dumps([np.eye(3)]))
    with pytest.raises(BadInput, match="holds more behind its first pickle"):
        read_masks(tmp_path / "a.pkl")


HOSTILE = {
    "a list in itself": b"\x80\x02]q\x00h\x00a.",
    "an endless memo": b"\x80\x02N" + b"".join(b"p%d\n" % ((2**61 - 1) * i) for i in range(1, 2_000)) + b".",
    "a key of tuples": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "parameters in parameters": b"\x80\x02ctorch._utils\n_rebuild_parameter\nq\x000N"
    + b"\x85q\x010h\x00h\x01R" * 9_000
    + b".",
    "objects in objects": b"\x80\x02ca\nb\nq\x000N" + b"\x85q\x010h\x00h\x01R" * 9_000 + b".",
    "a mark too few": b"\x80\x02u.",
    "an empty stack": b"\x80\x02.",
    "no end": b"\x80\x02}",
    "an extension": b"\x80\x02\x82\x01.",
    "a buffer from outside": b"\x80\x05\x97.",
    "names with line breaks": b"\x80\x04}\x8c\x03a\nbN\x8c\x03x\ny\x8c\x02\nz\x93)R\x8c\x01c]s0.",
    "an integer of a million digits": b"\x80\x02L" + b"9" * 1_000_000 + b"L\n.",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_pickles_are_refused_in_a_sentence(tmp_path, kind):
    (tmp_path / "a.pkl").write_bytes(HOSTILE[kind])
    with pytest.raises(BadInput, match=r"^a\.pkl") as caught:
        read_masks(tmp_path / "a.pkl")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300
