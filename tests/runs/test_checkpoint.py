from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.numpy
import torch

from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import as_module
from rtl_core.runs import checkpoint
from rtl_core.runs.checkpoint import (
    METHODS_FILE,
    TICKETS_FILE,
    Outcome,
    load_learned,
    load_lighter,
    load_run,
    load_theta_0,
    save_checkpoint,
)


@pytest.fixture
def saved(tiny: SimpleNamespace, tmp_path: Path) -> Path:
    save_checkpoint(tmp_path, Outcome(tiny.tickets, tiny.info, tiny.theta_0, tiny.learned, tiny.lighter))
    return tmp_path


def edit_document(folder: Path, change) -> None:
    """Changes run.json and gives it a valid digest, as a careful forger would."""
    path = folder / "run.json"
    document = json.loads(path.read_text())
    change(document)
    document.pop("digest")
    path.write_text(json.dumps({**document, "digest": checkpoint._digest(document)}))


def edit_tensors(folder: Path, change) -> None:
    """Changes the tickets' file and seals it anew."""
    path = folder / TICKETS_FILE
    tensors = safetensors.numpy.load_file(path)
    change(tensors)
    safetensors.numpy.save_file(tensors, path)
    edit_document(folder, lambda document: document["files"].update({TICKETS_FILE: checkpoint._seal(path)}))


def same_bits(a: dict, b: dict) -> bool:
    return a.keys() == b.keys() and all(
        x.dtype == b[name].dtype and x.stride() == b[name].stride() and torch.equal(x, b[name]) for name, x in a.items()
    )


def test_tickets_and_records_come_back(saved, tiny):
    run = load_run(saved)
    assert np.array_equal(run.tickets.pruned_at, tiny.tickets.pruned_at)
    assert (run.tickets.names, run.tickets.layout, run.tickets.levels) == (
        tiny.tickets.names,
        tiny.tickets.layout,
        tiny.tickets.levels,
    )
    assert run.config.seed == 7
    assert run.methods == ("rtl", "random", "dense", "imp_multi")
    assert run.info["evaluation"] == {"accuracy": 0.5, "roc_auc": None}


def test_learned_comes_back_bit_for_bit(saved, tiny):
    run = load_run(saved)
    loaded = load_learned(run)
    for before in tiny.learned:
        after = loaded[before.method]
        assert (after.reads, after.output_shape, after.steps_warm, after.steps_extract, after.steps_joint) == (
            "per_subset",
            (4,),
            10,
            20,
            30,
        )
        for old, new in zip(before.subnetworks, after.subnetworks, strict=True):
            assert new.subset == old.subset
            assert (new.mask is None) == (old.mask is None) and (old.mask is None or np.array_equal(new.mask, old.mask))
            assert all(same_bits(getattr(old, role), getattr(new, role)) for role in ("shared", "private", "buffers"))
    assert same_bits(load_theta_0(run), tiny.theta_0)
    lighter = load_lighter(run)
    assert lighter.keys() == tiny.lighter.keys() and all(same_bits(lighter[key], tiny.lighter[key]) for key in lighter)


def test_what_was_shared_is_shared_again_and_nothing_else(saved):
    loaded = load_learned(load_run(saved))
    for method in ("rtl", "random", "dense"):
        assert len({id(subnetwork.shared) for subnetwork in loaded[method].subnetworks}) == 1
        assert len({id(subnetwork.private) for subnetwork in loaded[method].subnetworks}) == 3
    assert len({id(subnetwork.shared) for subnetwork in loaded["imp_multi"].subnetworks}) == 3


def test_loaded_ticket_gives_the_same_logits_bit_for_bit(saved, tiny):
    loaded = load_learned(load_run(saved))
    x = torch.randn(8, 2, 6, 6).to(memory_format=torch.channels_last)
    for before in tiny.learned:
        for old, new in zip(before.subnetworks, loaded[before.method].subnetworks, strict=True):
            layout = tiny.tickets.layout
            assert torch.equal(as_module(tiny.network, old, layout)(x), as_module(tiny.network, new, layout)(x))


def test_weights_trained_inside_a_mask_are_stored_sparsely(saved, tiny):
    names = safetensors.numpy.load_file(saved / METHODS_FILE)
    assert len(names["values/methods/imp_multi/shared/0/conv.weight"]) == tiny.tickets.masks()[0].sum()
    assert "methods/dense/shared/0/conv.weight" in names


def test_special_values_survive_sparse_storage(tiny, tmp_path):
    weights = tiny.learned[3].subnetworks[0].shared["conv.weight"]
    weights.copy_(tiny.theta_0["conv.weight"])
    tiny.theta_0["conv.weight"][0, 0, 0, 0] = 0.0
    weights[0, 0, 0, :2] = torch.tensor([-0.0, float("nan")])
    save_checkpoint(tmp_path, Outcome(tiny.tickets, tiny.info, tiny.theta_0, tiny.learned))
    loaded = load_learned(load_run(tmp_path))["imp_multi"].subnetworks[0].shared["conv.weight"]
    assert torch.equal(loaded.contiguous().view(torch.int32), weights.contiguous().view(torch.int32))


def test_masks_without_weights_are_a_run_too(tiny, tmp_path):
    save_checkpoint(tmp_path, Outcome(tiny.tickets, tiny.info))
    run = load_run(tmp_path)
    assert np.array_equal(run.tickets.masks(), tiny.tickets.masks())
    assert load_learned(run) == {}
    with pytest.raises(BadInput, match="masks only"):
        load_theta_0(run)


@pytest.mark.long
def test_opening_a_run_imports_no_torch(saved):
    code = (
        "import sys; from pathlib import Path\n"
        "import rtl_core.runs.worker, rtl_core.runs.store\n"
        "from rtl_core.runs.checkpoint import load_run\n"
        f"load_run(Path({str(saved)!r})).tickets.masks()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["run.json", TICKETS_FILE, METHODS_FILE])
def test_missing_file_is_named(saved, name):
    (saved / name).unlink()
    with pytest.raises(BadInput, match=f"{name} is missing"):
        load_run(saved)


@pytest.mark.parametrize(
    ("name", "words"), [("run.json", "truncated"), (TICKETS_FILE, "truncated"), (METHODS_FILE, "truncated")]
)
def test_truncated_file_is_refused(saved, name, words):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=f"{name} .*{words}"):
        load_run(saved)


def test_longer_file_is_refused_before_it_is_read(saved):
    with open(saved / METHODS_FILE, "ab") as file:
        file.write(b"more")
    with pytest.raises(BadInput, match=r"methods.safetensors is another file or was added to"):
        load_run(saved)


def test_oversized_files_are_refused_by_their_size(saved, monkeypatch):
    with monkeypatch.context() as m:
        m.setattr(checkpoint, "MAX_TENSOR_BYTES", 100)
        with pytest.raises(BadInput, match=r"more than 100 are not read"):
            load_run(saved)
    monkeypatch.setattr(checkpoint, "MAX_JSON_BYTES", 100)
    with pytest.raises(BadInput, match=r"run.json is larger than the 100 bytes"):
        load_run(saved)


def test_archives_and_pickles_under_our_name_are_refused_unopened(saved):
    with zipfile.ZipFile(saved / TICKETS_FILE, "w") as archive:
        archive.writestr("data.pkl", "x")
    with pytest.raises(BadInput, match=r"a zip archive, as torch.save writes it"):
        load_run(saved)
    (saved / TICKETS_FILE).write_bytes(pickle.dumps({"a": 1}, protocol=4))
    with pytest.raises(BadInput, match="a pickle"):
        load_run(saved)
    (saved / "run.json").write_bytes(b"\x80\x04")
    with pytest.raises(BadInput, match=r"run.json is not valid JSON"):
        load_run(saved)


def test_renamed_file_of_the_right_size_is_refused(saved):
    size = (saved / TICKETS_FILE).stat().st_size
    (saved / TICKETS_FILE).write_bytes(b"x" * size)
    with pytest.raises(BadInput, match="not a safetensors file"):
        load_run(saved)


def test_one_changed_byte_is_noticed_in_each_file(saved):
    run = load_run(saved)
    for name, use in ((METHODS_FILE, lambda: load_learned(run)), (TICKETS_FILE, lambda: load_run(saved))):
        content = bytearray((saved / name).read_bytes())
        content[-1] ^= 1
        (saved / name).write_bytes(content)
        with pytest.raises(BadInput, match=f"{name} was changed after it was written"):
            use()


def test_edited_document_is_noticed(saved):
    text = (saved / "run.json").read_text()
    (saved / "run.json").write_text(text.replace('"accuracy": 0.5', '"accuracy": 0.9'))
    with pytest.raises(BadInput, match=r"run.json was changed after it was written"):
        load_run(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.update(format="other"), "not a run of this program"),
        (lambda d: d.update(format_version=99), "format version is 99; this program reads version 1"),
        (lambda d: d.update(methods=[{"method": "rtl"}]), "methods.0.*Field required"),
        (lambda d: d["files"].pop(METHODS_FILE), "should list the files"),
        (lambda d: d["tickets"].update(names=["a", "a", "b"]), "distinct"),
        (lambda d: d["tickets"]["rungs"].pop(1), "levels should be numbered"),
    ],
)
def test_document_that_contradicts_itself_is_refused(saved, change, words):
    edit_document(saved, change)
    with pytest.raises(BadInput, match=words):
        load_run(saved)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.pop("bits"), "no tensor 'bits'"),
        (lambda t: t.update(pruned_at=t["pruned_at"].astype(np.int32)), "'pruned_at' is I32"),
        (lambda t: t.update(pruned_at=t["pruned_at"][:2].copy()), r"'pruned_at' is U8 of shape \(2, 90\)"),
        (lambda t: t.update(bits=t["bits"] ^ 1), "bits disagree with pruned_at"),
        (lambda t: t.update(pruned_at=np.full_like(t["pruned_at"], 9)), "names level 9, but there are 3"),
        (lambda t: t.pop("theta_0/conv.weight"), "'theta_0/conv.weight' is missing"),
        (lambda t: t.update({"theta_0/conv.weight": np.zeros((5, 2, 3, 2), np.float32)}), "has shape"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(saved, change, words):
    edit_tensors(saved, change)
    with pytest.raises(BadInput, match=words):
        load_run(saved)


def test_theta_of_another_type_is_refused(saved):
    edit_tensors(saved, lambda t: t.update({"theta/conv.weight": t["theta/conv.weight"].astype(np.int64)}))
    with pytest.raises(BadInput, match=r"'theta/conv.weight' is torch.int64"):
        load_learned(load_run(saved))


def test_manifest_that_names_an_unknown_mask_is_refused(saved):
    edit_document(saved, lambda d: d["methods"][1]["parts"][0].update(mask="mask/17"))
    with pytest.raises(BadInput, match="'mask/17'"):
        load_learned(load_run(saved))


def test_module_names_with_a_slash_are_refused_when_saving(tiny, tmp_path):
    tiny.theta_0["a/b"] = torch.zeros(1)
    with pytest.raises(BadInput, match="rename the module"):
        save_checkpoint(tmp_path, Outcome(tiny.tickets, {}, tiny.theta_0))
