import dataclasses
import json
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from rtl_core.errors import BadInput
from rtl_core.interchange import ticket_file
from rtl_core.interchange.ticket_file import read_ticket, require_same_theta, theta_hash, write_ticket
from rtl_core.tickets import bits as packed
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet

DOCUMENT = Path(__file__).parents[2] / "docs" / "ticket-file.md"
CONTEXT = {"data": {"spec": "bundled:digits"}, "model": {"name": "tiny"}, "licence": "MIT"}


def two_tickets():
    layout = Layout(("conv.weight", "fc.weight"), ((2, 3), (5,)))
    levels = (Level(1, 0.8, "denser"), Level(2, 0.5, "target"), Level(3, 0.2, "lighter"))
    pruned_at = np.array([[0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2], [1, 1, 1, 0, 0, 0, 0, 0, 3, 3, 2]], dtype=np.uint8)
    return TicketSet(("day", "night"), ("taken by day", "taken at night"), layout, pruned_at, levels)


def theta_of_two_tickets():
    return {
        "conv.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fc.weight": -np.arange(5, dtype=np.float32),
        "fc.bias": np.zeros(1, dtype=np.float32),
    }


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "night.ticket.safetensors"
    write_ticket(path, two_tickets(), 1, theta_of_two_tickets(), CONTEXT)
    return path


def documented_file():
    """The file that the document's example writes, run as it stands there."""
    (example,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), flags=re.DOTALL)
    scope = {}
    exec(example, scope)
    return scope["content"]


def sections_of(content):
    """Header, JSON document and tensor bytes of a ticket file."""
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["rtl_ticket"]), content[8 + length :]


def assembled(header, document, tensors):
    header["__metadata__"] = {"rtl_ticket": document if isinstance(document, str) else json.dumps(document)}
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def edited(content, **changes):
    """The same file in version 1, which has no checksum, with some entries of its JSON document replaced."""
    header, document, tensors = sections_of(content)
    del document["checksum"]
    return assembled(header, {**document, "version": 1, **changes}, tensors)


def refusal(source):
    """The sentence with which a source is refused."""
    with pytest.raises(BadInput) as caught:
        read_ticket(source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_was_written_is_read_from_the_path_and_from_the_bytes(written):
    tickets = two_tickets()
    for read in (read_ticket(written), read_ticket(written.read_bytes())):
        assert (read.name, read.subset, read.version) == ("night", "taken at night", 2)
        assert read.layout == tickets.layout and read.levels == tickets.levels
        assert np.array_equal(read.pruned_at, tickets.pruned_at[1])
        assert np.array_equal(packed.unpack(read.bits[None], tickets.n)[0], tickets.masks()[1])
        assert {"data": read.data, "model": read.model, "licence": read.licence} == CONTEXT
        assert read.theta_hash == theta_hash(theta_of_two_tickets(), tickets.layout)


def test_equal_tickets_give_equal_bytes_and_nothing_is_left_beside_them(written):
    first = written.read_bytes()
    write_ticket(written, two_tickets(), 1, theta_of_two_tickets(), CONTEXT)
    assert written.read_bytes() == first
    assert list(written.parent.iterdir()) == [written]


def test_a_file_written_byte_by_byte_from_the_document_is_read():
    ticket = read_ticket(documented_file())
    assert ticket.name == "night" and ticket.layout == Layout(("conv.weight", "fc.weight"), ((2, 3), (4,)))
    mask = packed.unpack(ticket.bits[None], 10)[0]
    assert np.flatnonzero(mask).tolist() == [0, 3, 9]
    theta = {
        "conv.weight": np.array([[1, 0.5, 0.25], [-1, 0, 2]], dtype=np.float32),
        "fc.weight": np.array([1, 2, 3, 4], dtype=np.float32),
    }
    require_same_theta(ticket, theta, ticket.layout, {"name": "tiny"})


def test_hash_sees_values_names_and_shapes_but_not_the_memory_format():
    values = torch.arange(48, dtype=torch.float32).reshape(2, 3, 4, 2)
    layout = Layout(("w",), ((2, 3, 4, 2),))
    plain = theta_hash({"w": values}, layout)
    assert theta_hash({"w": values.contiguous(memory_format=torch.channels_last)}, layout) == plain
    assert theta_hash({"w": values.numpy().astype(">f4").astype("<f4")}, layout) == plain
    others = {
        theta_hash({"w": values + (values == 47) * 1e-5}, layout),
        theta_hash({"v": values}, Layout(("v",), layout.shapes)),
        theta_hash({"w": values.reshape(6, 8)}, Layout(("w",), ((6, 8),))),
    }
    assert len(others | {plain}) == 4


def test_hash_refuses_a_missing_tensor_another_shape_and_another_type():
    layout = Layout(("w",), ((2,),))
    with pytest.raises(BadInput, match="no tensor 'w'"):
        theta_hash({}, layout)
    with pytest.raises(BadInput, match=r"float32 \[3\]; the ticket is for float32 \[2\]"):
        theta_hash({"w": np.zeros(3, dtype=np.float32)}, layout)
    with pytest.raises(BadInput, match=r"float64 \[2\]"):
        theta_hash({"w": np.zeros(2)}, layout)


def test_a_ticket_is_for_its_own_weights_only(written):
    ticket, theta, layout = read_ticket(written), theta_of_two_tickets(), two_tickets().layout
    require_same_theta(ticket, theta, layout, {"name": "tiny"})
    theta["fc.bias"] = theta["fc.bias"] + 1  # not prunable: a ticket does not mask it
    require_same_theta(ticket, theta, layout, {"name": "tiny"})
    theta["fc.weight"] = theta["fc.weight"] + 1
    with pytest.raises(BadInput, match=r"'night' is for the network 'tiny' with weights .* 'mine' has other weights"):
        require_same_theta(ticket, theta, layout, {"name": "mine"})


def test_a_ticket_for_another_layout_is_refused_by_name(written):
    ticket, layout = read_ticket(written), two_tickets().layout
    swapped = Layout(layout.names[::-1], layout.shapes[::-1])
    with pytest.raises(BadInput, match=r"a network 'tiny' with 2 prunable tensors \(11 weights\).*'mine'.*order"):
        require_same_theta(ticket, theta_of_two_tickets(), swapped, {"name": "mine"})


def test_other_kinds_of_files_are_refused_with_their_kind(tmp_path):
    archive = tmp_path / "renamed.safetensors"
    torch.save({"w": torch.zeros(2)}, archive)
    assert "renamed.safetensors is not a ticket file" in refusal(archive) and "zip archive" in refusal(archive)
    assert "pickle" in refusal(b"\x80\x04" + bytes(20))
    assert "not a ticket file" in refusal(b"")
    assert "not a ticket file" in refusal(b"y_true,y_pred\n0,1\n")
    assert "no ticket file" in refusal(tmp_path / "absent")
    assert "no ticket file" in refusal(tmp_path)


def test_every_truncation_is_refused(written):
    content = written.read_bytes()
    for length in range(len(content)):
        refusal(content[:length])
    assert "cut short" in refusal(content[:100])
    assert "cut short" in refusal(content[:-1])
    assert "damaged" in refusal(content + b"\0")


def test_every_flipped_bit_is_refused(written):
    content = written.read_bytes()
    for position in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[position] ^= 1 << bit
            refusal(bytes(changed))


def test_a_file_of_version_1_is_read_without_a_checksum(written):
    old, new = read_ticket(edited(written.read_bytes())), read_ticket(written)
    assert old.version == 1 and (old.bits == new.bits).all() and old.theta_hash == new.theta_hash


@pytest.mark.parametrize("changes", [{"version": 2}, {"checksum": "0" * 64}])
def test_the_version_and_the_checksum_go_together(written, changes):
    assert "states a checksum" in refusal(edited(written.read_bytes(), **changes))


def test_an_oversized_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "huge.safetensors"
    with path.open("wb") as file:
        file.truncate(ticket_file.MAX_BYTES + 1)  # sparse: takes no room on the disk
    assert "too large" in refusal(path)


def test_a_header_that_claims_more_than_there_is_is_refused(written):
    content = written.read_bytes()
    assert "not a ticket file" in refusal(struct.pack("<Q", 2**60) + content[8:])
    assert "cut short" in refusal(struct.pack("<Q", ticket_file.MAX_HEADER_BYTES) + content[8:])
    huge = [{"name": "w", "shape": [2**28] * 8}]
    assert "need U8" in refusal(edited(content, tensors=huge))


def test_headers_that_are_not_json_or_no_ticket_are_refused(written):
    header, document, tensors = sections_of(written.read_bytes())
    bare = json.dumps({key: value for key, value in header.items() if key != "__metadata__"}).encode()
    assert "without a ticket" in refusal(struct.pack("<Q", len(bare)) + bare + tensors)
    assert "not valid JSON" in refusal(struct.pack("<Q", 4) + b"{{{{" + tensors)
    assert "not valid JSON" in refusal(assembled(header, "[" * 100_000, tensors))
    assert "not valid JSON" in refusal(assembled(header, '{"version": NaN}', tensors))
    assert "no format version" in refusal(assembled(header, "[]", tensors))
    del document["version"]
    assert "no format version" in refusal(assembled(header, document, tensors))


@pytest.mark.parametrize("key", ["name", "subset", "tensors", "rungs", "theta_hash", "data", "model", "licence"])
def test_a_missing_entry_is_named(written, key):
    header, document, tensors = sections_of(written.read_bytes())
    del document[key]
    assert f"'{key}'" in refusal(assembled(header, document, tensors))


TARGET = {"index": 1, "density": 0.5, "kind": "target"}
LIGHTER = {"index": 2, "density": 0.2, "kind": "lighter"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"version": 3}, "format version 3; this program reads versions 1 to 2"),
        ({"theta_hash": "abc"}, "'theta_hash'"),
        ({"surprise": 1}, "'surprise'"),
        ({"name": 3}, "'name'"),
        ({"tensors": [{"name": "w", "shape": [-11]}]}, r"'tensors\.0\.shape\.0'"),
        ({"tensors": [{"name": "w", "shape": [12]}]}, r"12 weights need U8 \[12\]"),
        ({"tensors": [{"name": "w", "shape": [5]}, {"name": "w", "shape": [6]}]}, "a tensor twice"),
        ({"rungs": [TARGET | {"kind": "final"}]}, r"'rungs\.0\.kind'"),
        ({"rungs": [TARGET | {"density": 1.5}]}, r"'rungs\.0\.density'"),
        ({"rungs": [TARGET | {"index": 2}]}, "numbered 1 to 1"),
        ({"rungs": [LIGHTER | {"index": 1}]}, "one target"),
        ({"rungs": [LIGHTER | {"index": 1}, TARGET | {"index": 2}]}, "one target"),
        ({"rungs": [TARGET, LIGHTER | {"density": 0.6}]}, "should fall"),
        ({"rungs": [TARGET, LIGHTER]}, "names level 3, but there are only 2"),
    ],
)
def test_wrong_entries_are_refused(written, changes, sentence):
    assert re.search(sentence, refusal(edited(written.read_bytes(), **changes)))


def test_bits_that_disagree_with_the_rungs_are_refused(written):
    header, document, tensors = sections_of(edited(written.read_bytes()))
    begin, end = header["bits"]["data_offsets"]
    mask = packed.unpack(np.frombuffer(tensors[begin:end], dtype=np.uint8)[None], 11)
    more, moved = mask.copy(), np.roll(mask, 1, axis=1)
    more[0, np.flatnonzero(~mask[0])[0]] = True
    for changed, sentence in ((more, "keep 8 weights, but pruned_at says 7"), (moved, "other weights")):
        content = tensors[:begin] + packed.pack(changed).tobytes() + tensors[end:]
        assert sentence in refusal(assembled(header, document, content))


def test_tensors_of_another_type_or_name_are_refused(written):
    header, document, tensors = sections_of(written.read_bytes())
    signed = {**header, "bits": header["bits"] | {"dtype": "I8"}}
    assert "'bits' is I8 [2]" in refusal(assembled(signed, document, tensors))
    renamed = {"mask": header["bits"], "pruned_at": header["pruned_at"]}
    assert "but holds: mask, pruned_at" in refusal(assembled(renamed, document, tensors))


def test_nothing_is_written_that_could_not_be_read(tmp_path):
    path = tmp_path / "bad.ticket.safetensors"
    nameless = dataclasses.replace(two_tickets(), names=("day", ""))
    with pytest.raises(BadInput, match="'name'"):
        write_ticket(path, nameless, 1, theta_of_two_tickets(), CONTEXT)
    with pytest.raises(BadInput, match="'licence'"):
        write_ticket(path, two_tickets(), 1, theta_of_two_tickets(), {"data": {}, "model": {}})
    assert list(tmp_path.iterdir()) == []
