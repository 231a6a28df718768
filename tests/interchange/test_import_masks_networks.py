"""Where the network and its masks stand in a file: every mask is used or the file refused, every choice is said."""

from __future__ import annotations

import argparse
import json
import pickle
import types
import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from rtl_core.errors import BadInput
from rtl_core.interchange import import_masks_arrays, import_masks_shards
from rtl_core.interchange.import_masks import read_source
from rtl_core.interchange.import_masks_shards import sources_of
from tests.interchange.pruned import LAYERS, flat, joined, keeps, masks, network, pruned, read, refusal, saved

SHAPES = {"0.weight": (8, 3, 3, 3), "3.weight": (10, 288)}


def test_masks_beside_a_state_dict_count_and_not_its_few_zeros(tmp_path):
    """173 of 216 and 2,304 of 2,880 pruned; the weights themselves are dense but for five zeros."""
    weights = network().state_dict()
    weights["3.weight"].view(-1)[:5] = 0
    exact = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    for name, number in (("0.weight", 173), ("3.weight", 2304)):
        exact[name].view(-1)[:number] = 0
    tickets, _, notes = read(saved(tmp_path / "a.pth", {"state_dict": weights, "masks": exact}))
    assert (tickets.densities()[0] * 3096).round() == 619 and tickets.layout.names == LAYERS
    assert "masks under 'masks' are used for 2 tensors" in notes and "'state_dict'" in notes


HELD = {
    "by name": lambda m: {"masks": m},
    "bool": lambda m: {"mask": {name: mask.bool() for name, mask in m.items()}},
    "whole numbers": lambda m: {"mask_dict": {name: mask.to(torch.uint8) for name, mask in m.items()}},
    "by layer": lambda m: {"masks": {name.removesuffix(".weight"): mask for name, mask in m.items()}},
    "torch's names": lambda m: {"pruning_masks": {f"{name}_mask": mask for name, mask in m.items()}},
    "in order": lambda m: {"mask": list(m.values())},
    "in order, with gaps": lambda m: {"mask": [m["0.weight"], None, m["3.weight"], None]},
    "numbered": lambda m: {"masks": dict(enumerate(m.values()))},
    "numbered by layer": lambda m: {"masks": {0: m["0.weight"], 3: m["3.weight"]}},
    "nested": lambda m: {"pruner": {"step": 3, "masks": {"final": m}["final"]}},
    "per layer": lambda m: {"masks": {"0": {"weight": m["0.weight"]}, "3": {"weight": m["3.weight"]}}},
    "wrapped": lambda m: {"masks": {f"module.{name}": mask for name, mask in m.items()}},
    "arrays": lambda m: {"masks": {name: mask.numpy().astype(bool) for name, mask in m.items()}},
    "of all parameters": lambda m: {"masks": [m.get(n, torch.ones_like(p)) for n, p in network().named_parameters()]},
    "under another word": lambda m: {"ticket": {name: mask.bool() for name, mask in m.items()}},
    "underscores": lambda m: {"masks": {name.replace(".", "_"): mask for name, mask in m.items()}},
}


@pytest.mark.parametrize("kind", HELD)
@pytest.mark.parametrize("holder", ["state_dict", "net"])
def test_masks_outside_the_state_dict_are_used(tmp_path, kind, holder):
    path = saved(tmp_path / "a.pt", {"epoch": 1, holder: network().state_dict(), **HELD[kind](masks())})
    assert keeps(joined(path)[0], 0)


@pytest.mark.parametrize("ending", [".mask", ".weight_mask", ".weight.mask", ".mask_weight"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32, torch.int64])
def test_masks_among_the_weights_are_used(tmp_path, ending, dtype):
    buffers = {name.removesuffix(".weight") + ending: mask.to(dtype) for name, mask in masks().items()}
    tickets, _, notes = read(saved(tmp_path / "a.pt", {**network().state_dict(), **buffers}))
    assert keeps(tickets, 0) and "masks among its tensors are used for 2 tensors" in notes


def test_flat_names_of_masks_are_used_in_other_formats_too(tmp_path):
    content = {**network().state_dict(), **{f"masks.{name}": mask for name, mask in masks().items()}}
    safetensors.torch.save_file(content, tmp_path / "a.safetensors")
    np.savez(tmp_path / "b.npz", **{name: values.numpy() for name, values in content.items()})
    assert keeps(joined(tmp_path / "a.safetensors", tmp_path / "b.npz")[0], 0, 0)


WRONG = {
    "no such tensor": ({"masks": {"9.weight": torch.ones(2, 2)}}, "'masks.9.weight', shape (2, 2), fits none"),
    "another shape": ({"masks": {"0.weight": torch.ones(8, 1, 1, 1)}}, "'masks.0.weight' has shape (8, 1, 1, 1)"),
    "too few": ({"mask": [torch.ones(3, 3)]}, "'mask.0' has shape (3, 3)"),
    "too many": ({"mask": [*masks().values(), torch.ones(3, 3)]}, "'mask.2', shape (3, 3), fits none"),
    "one vector": ({"mask": torch.ones(3096)}, "'mask', shape (3096,), fits none"),
    "one vector, deep": ({"pruner": {"mask": torch.ones(3096)}}, "'pruner.mask', shape (3096,), fits none"),
    "scores": ({"masks": {"0.weight": torch.rand(8, 3, 3, 3)}}, "'masks.0.weight' is no mask"),
    "sparse": (
        {"masks": {"0.weight": torch.ones(8, 3).to_sparse()}},
        "'masks.0.weight' should be a mask but is sparse",
    ),
    "numbers": ({"masks": {"0.weight": [1, 0, 1]}}, "should be a mask but is a list of numbers"),
    "objects": ({"masks": types.SimpleNamespace()}, "'masks' should be a mask but is an object"),
    "two of them": ({"masks": masks(), "mask": masks(1)}, "'masks.0.weight' and 'mask.0.weight' are both masks"),
    "turned over": ({"masks": {n: 1 - m for n, m in masks().items()}}, "is 1 exactly where its weights are zero"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_masks_that_cannot_be_used_are_named(tmp_path, kind):
    extra, words = WRONG[kind]
    assert words in refusal(saved(tmp_path / "a.pt", {"state_dict": pruned(), **extra}))


def test_masks_whose_numbers_mean_two_things_are_refused(tmp_path):
    twins = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    held = {i: torch.eye(4) for i in (2, 0, 1)}
    assert joined(saved(tmp_path / "a.pt", {"model": twins.state_dict(), "masks": held}))[0].layout.n == 48
    shifted = {i: torch.eye(4) for i in (1, 2, 3)}
    assert joined(saved(tmp_path / "b.pt", {"model": twins.state_dict(), "masks": shifted}))[0].layout.n == 48
    apart = nn.ModuleDict({"2": nn.Linear(4, 4), "0": nn.Linear(4, 4), "1": nn.Linear(4, 4)})
    path = saved(tmp_path / "c.pt", {"model": apart.state_dict(), "masks": held})
    assert "fit names of layers and their order" in refusal(path)


def test_a_mask_named_after_no_tensor_is_refused_and_a_mask_of_attention_is_a_buffer(tmp_path):
    path = saved(tmp_path / "a.pt", {**pruned(), "first_mask": masks()["3.weight"].bool()})
    assert "'first_mask' seems to be a mask, but no tensor is called so" in refusal(path)
    path = saved(tmp_path / "b.pt", {**pruned(), "attn_mask": torch.ones(10, 288).tril().bool()})
    assert "a buffer" in joined(path)[1]["attn_mask"]


def test_two_masks_of_one_tensor_have_to_be_equal(tmp_path):
    mask = masks()["0.weight"]
    both = {**pruned(), "0.mask": mask.bool(), "0.weight_mask": mask}
    assert keeps(joined(saved(tmp_path / "a.pt", both))[0], 0)
    both["0.mask"] = masks(1)["0.weight"]
    assert "'0.mask' and '0.weight_mask' of '0.weight' differ" in refusal(saved(tmp_path / "b.pt", both))


def test_masks_alone_in_a_dict_or_a_list(tmp_path):
    nested = saved(tmp_path / "a.pt", {"epoch": 3, "masks": masks()})
    assert keeps(joined(nested)[0], 0) and joined(nested)[0].layout.names == LAYERS
    with open(tmp_path / "b.pkl", "wb") as file:
        pickle.dump([mask.numpy() for mask in masks().values()], file)
    tickets, _ = joined(tmp_path / "b.pkl")
    assert keeps(tickets, 0) and tickets.layout.names == ("0", "1")
    path = saved(tmp_path / "c.pt", {"masks": {"w": torch.rand(3, 3)}})
    assert "'masks.w' is no mask" in refusal(path)


KEYS = st.sampled_from(["net", "params", "state_dict", "model_state_dict", "model", "network", "weights", "checkpoint"])
PREFIXES = st.lists(st.sampled_from(["module.", "_orig_mod.", "model.", "net."]), max_size=3).map("".join)
ENDINGS = st.sampled_from(["pt", "pth", "ckpt", "pth.tar", "th", "bin", "pkl", "pickle", "weights"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(KEYS, max_size=3), PREFIXES, PREFIXES, ENDINGS, st.booleans(), st.booleans())
def test_wrappers_prefixes_and_endings_do_not_matter(tmp_path, keys, prefix, other, ending, zipped, pickled):
    """The same network in two files that differ in all of them, one of them perhaps by pickle alone."""
    wrapped = {prefix + name: values for name, values in pruned().items()}
    for key in keys:
        wrapped = {"epoch": 3, key: wrapped, "optimizer": {"state": {0: {"exp_avg": torch.ones(3, 3)}}}}
    first = saved(tmp_path / f"a.{ending}", wrapped, _use_new_zipfile_serialization=zipped)
    arrays = {other + name: values.numpy() if pickled else values for name, values in pruned(1).items()}
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(arrays))
    tickets, left_out, notes = read(first, tmp_path / "b.pkl")
    assert keeps(tickets, 0, 1) and tickets.layout.names[0].endswith("0.weight")
    assert ("was taken off" in notes) == (prefix != other)
    assert ("the network is what stands under" in notes) == bool(keys)
    assert len(left_out) == 7


def test_prefixes_are_taken_off_where_files_differ_and_it_is_said(tmp_path):
    files = [
        saved(tmp_path / f"{name}.pt", {prefix + key: values for key, values in pruned(i).items()})
        for i, (name, prefix) in enumerate({"a": "module.", "b": "", "c": "_orig_mod.model."}.items())
    ]
    tickets, _, notes = read(*files)
    assert keeps(tickets, 0, 1, 2) and tickets.layout.names == LAYERS
    assert "a.pt: 'module.' was taken off the names of 2 tensors" in notes
    assert joined(*files, tensors=("module.3.*",))[0].layout.names == ("3.weight",)
    assert "c.pt: '_orig_mod.model.' was taken off" in notes and "b.pt" not in notes
    tickets, _, notes = read(files[0], files[0])
    assert tickets.layout.names[0] == "module.0.weight" and notes == ""


def test_a_wrapper_inside_the_name_is_taken_off_too(tmp_path):
    inner = {name.replace("0.", "features.module.0.", 1): values for name, values in pruned().items()}
    plain = {name.replace("0.", "features.0.", 1): values for name, values in pruned(1).items()}
    tickets, _, notes = read(saved(tmp_path / "a.pt", inner), saved(tmp_path / "b.pt", plain))
    assert keeps(tickets, 0, 1) and "a.pt: 'module.' was taken off the names of 1 tensor" in notes


def test_the_network_is_chosen_before_its_copies_and_it_is_said(tmp_path):
    for holder, copy in (("model", "ema"), ("state_dict", "ema_state_dict"), ("student", "teacher"), ("net", "init")):
        path = saved(tmp_path / "a.pt", {copy: network(5).state_dict(), holder: pruned()})
        tickets, _, notes = read(path)
        assert keeps(tickets, 0)
        assert f"the network is what stands under '{holder}'" in notes
        assert f"not read, with their numbers of tensors: '{copy}' (2)" in notes


def test_several_networks_are_asked_about_and_tensors_choose_one(tmp_path):
    path = saved(tmp_path / "a.pt", {"generator": pruned(), "discriminator": pruned(1)})
    assert "holds several networks (generator, discriminator); choose one by its tensors' names" in refusal(path)
    tickets, left_out = joined(path, tensors=("discriminator.*",))
    assert keeps(tickets, 1) and left_out["generator.0.weight"] == "it is not among the tensors that were chosen"
    other = saved(tmp_path / "b.pt", {"model": {"a.w": torch.eye(3)}, "net": {"b.w": torch.eye(3)}})
    assert "several networks (model, net)" in refusal(other)


def test_two_tensors_of_one_name_are_refused(tmp_path):
    path = saved(tmp_path / "a.pt", {"a.w": torch.eye(3), "a": {"w": torch.eye(2)}})
    assert "two tensors of one name" in refusal(path)


def test_what_is_read_outside_the_network_is_bounded(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.pt", {"state_dict": pruned(), "keep": masks()})
    monkeypatch.setattr(import_masks_arrays, "MAX_WEIGHTS", 3000)
    assert "at most 3,000 are taken in" in refusal(path)


def test_dicts_of_layers_are_one_network(tmp_path):
    weights = pruned()
    layers = {"conv": {"weight": weights["0.weight"]}, "fc": {"weight": weights["3.weight"], "bias": torch.ones(10)}}
    tickets, _ = joined(saved(tmp_path / "a.pt", {"params": layers}))
    assert keeps(tickets, 0) and tickets.layout.names == ("conv.weight", "fc.weight")


def test_tied_tensors_count_once(tmp_path):
    embedding, bias = torch.randn(20, 8) * (torch.rand(20, 8) < 0.5), torch.zeros(20)
    body = torch.randn(8, 8).tril()
    weights = {"emb.weight": embedding, "body.weight": body, "head.weight": embedding, "head.bias": bias}
    weights |= {"short.weight": embedding[:5]}
    for zipped in (True, False):
        path = saved(tmp_path / "a.pt", weights, _use_new_zipfile_serialization=zipped)
        tickets, left_out = joined(path)
        assert tickets.layout.names == ("emb.weight", "body.weight") and tickets.layout.n == 224
        kept = int((embedding != 0).sum()) + 36
        assert tickets.densities()[0] == pytest.approx(kept / 224)
        assert left_out["head.weight"] == "it has the same values as 'emb.weight' (tied), which counts once"
        assert "(tied)" in left_out["short.weight"]


def test_tied_tensors_with_one_mask_count_once(tmp_path):
    tied, mask = nn.Parameter(torch.randn(6, 8)), (torch.rand(6, 8) < 0.5).float()
    weights = {"a.weight_orig": tied, "a.weight_mask": mask, "b.weight_orig": tied, "b.weight_mask": mask.clone()}
    tickets, left_out = joined(saved(tmp_path / "a.pt", weights))
    assert tickets.layout.names == ("a.weight",) and "(tied)" in left_out["b.weight"]
    weights["b.weight_mask"] = 1 - mask
    assert joined(saved(tmp_path / "b.pt", weights))[0].layout.names == ("a.weight", "b.weight")


class Masked(nn.Linear):
    """A layer that keeps its mask as a plain attribute."""


def whole_modules() -> dict[str, nn.Module]:
    """Modules whose masks are those of seed 0, kept in every way that torch allows."""
    by_zeros, buffers, attributes, of_parameters, of_model, by_torch = (network() for _ in range(6))
    by_zeros.load_state_dict(pruned())
    for place, mask in zip((0, 3), masks().values(), strict=True):
        buffers[place].register_buffer("mask", mask.bool(), persistent=False)
        attributes[place].mask = mask
        of_parameters[place].weight.mask = mask
        prune.custom_from_mask(by_torch[place], "weight", mask)
    of_model.masks = list(masks().values())
    return {
        "zeros": by_zeros,
        "buffers": buffers,
        "attributes": attributes,
        "of parameters": of_parameters,
        "of the model": of_model,
        "torch's own": by_torch,
        "in parallel": nn.DataParallel(by_torch),
    }


@pytest.mark.parametrize("kind", whole_modules())
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old format"])
def test_whole_modules_are_read(tmp_path, kind, zipped):
    module = whole_modules()[kind]
    checkpoint = {"model": module, "args": argparse.Namespace(lr=0.1), "epoch": 3}
    for content in (module, checkpoint, argparse.Namespace(net=module, epoch=3)):
        path = saved(tmp_path / "a.pth.tar", content, _use_new_zipfile_serialization=zipped)
        assert keeps(joined(path)[0], 0)


def test_a_module_of_a_class_that_is_not_there_is_read(tmp_path):
    layer = Masked(6, 4)
    layer.weight.data *= torch.eye(4, 6)
    path = saved(tmp_path / "a.pt", {"model": layer})
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Masked", b"Absent"))
    assert "not an intact file" in refusal(path)  # the archive's checksum is not that of the content any more
    (tmp_path / "b.pkl").write_bytes(pickle.dumps(layer).replace(b"Masked", b"Absent"))
    tickets, left_out = joined(tmp_path / "b.pkl")
    assert tickets.layout.names == ("weight",) and tickets.densities()[0] == pytest.approx(4 / 24)
    assert left_out.keys() == {"bias"}


def test_a_compiled_script_is_read(tmp_path):
    module = network()
    module.load_state_dict(pruned())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(module), tmp_path / "a.pt")
    assert keeps(joined(tmp_path / "a.pt")[0], 0)


def quantised(*layers: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(nn.Sequential(*layers), {nn.Linear})


@pytest.mark.parametrize("whole", [True, False], ids=["module", "state dict"])
def test_what_is_quantised_is_listed_and_refused_where_it_is_all(tmp_path, whole):
    conv, linear = network()[0], nn.Linear(288, 10)
    conv.weight.data *= masks()["0.weight"]
    both, alone = quantised(conv, nn.Flatten(), linear), quantised(linear)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = saved(tmp_path / "a.pt", both if whole else both.state_dict())
        second = saved(tmp_path / "b.pt", alone if whole else alone.state_dict())
    tickets, left_out = joined(first)
    assert tickets.layout.names == ("0.weight",)
    assert tickets.densities()[0] == pytest.approx(float(masks()["0.weight"].mean()))
    reason = "it is packed by its layer (quantised, of shape (10, 288))"
    assert left_out["2._packed_params._packed_params"] == reason
    assert reason.removeprefix("it ") in refusal(second)


def test_sparse_tensors_and_objects_are_listed(tmp_path):
    content = {**pruned(), "s.weight": torch.eye(3).to_sparse(), "t.weight": torch.zeros(1).expand(9, 9)}
    tickets, left_out = joined(saved(tmp_path / "a.pt", {**content, "extra": argparse.Namespace()}))
    assert keeps(tickets, 0)
    assert left_out["s.weight"] == "it is sparse"
    assert left_out["t.weight"] == "it is a view that claims 81 values, more than the file holds"
    assert left_out["extra"] == "it is an object (argparse.Namespace), never built"


def shards(folder, kind: str, index: bool = True) -> list:
    """Two shards of the pruned network, and their index."""
    names = [f"model-0000{i}-of-00002.{kind}" for i in (1, 2)]
    weights = {name: values.contiguous() for name, values in pruned().items()}
    places = dict(zip(weights, [0, 0, 0, 0, 0, 0, 0, 1, 1], strict=True))
    for i, name in enumerate(names):
        own = {key: values for key, values in weights.items() if places[key] == i}
        safetensors.torch.save_file(own, folder / name) if kind == "safetensors" else torch.save(own, folder / name)
    (folder / f"model.{kind}.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": {key: names[i] for key, i in places.items()}})
    )
    return [folder / name for name in names] + ([folder / f"model.{kind}.index.json"] if index else [])


def of_sources(files, copies=False, titles=None):
    return [
        ticket
        for source in sources_of(files, titles or [file.name for file in files], copies)
        for ticket in read_source(source)
    ]


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
@pytest.mark.parametrize("index", [True, False], ids=["index", "no index"])
def test_shards_are_one_network(tmp_path, kind, index):
    (ticket,) = of_sources(shards(tmp_path, kind, index))
    assert ticket.name == "model" and ticket.masks.keys() == set(LAYERS)
    assert np.array_equal(np.concatenate([ticket.masks[name].flat() for name in LAYERS]), flat(masks()))
    assert ticket.notes == ("its 9 tensors were read from 2 shards",)
    if index:
        (alone,) = of_sources([tmp_path / f"model.{kind}.index.json"])
        assert alone.masks.keys() == set(LAYERS)


def test_shards_that_are_missing_doubled_or_not_as_listed_are_refused(tmp_path, monkeypatch):
    first, second, index = shards(tmp_path, "safetensors")
    with pytest.raises(BadInput, match="is one of 2 files of a network, of which 1 was given"):
        of_sources([first])
    with pytest.raises(BadInput, match="lists 2 files, but model-00002"):
        of_sources([first, index], copies=True)
    with pytest.raises(BadInput, match="two files are called"):
        of_sources([first, second, first.rename(tmp_path / "copy"), second], titles=[first.name, second.name] * 2)
    (tmp_path / "copy").rename(first)
    listed = json.loads(index.read_text())
    index.write_text(json.dumps({"weight_map": {**listed["weight_map"], "9.weight": first.name}}))
    with pytest.raises(BadInput, match=r"lists the tensor '9\.weight', but none"):
        of_sources([first, second, index])
    for wrong in ("[]", "{", '{"weight_map": {"a": "../a.bin"}}', '{"weight_map": {}}', '{"weight_map": {"a": 3}}'):
        index.write_text(wrong)
        with pytest.raises(BadInput, match="is no index of shards"):
            of_sources([first, second, index])
    monkeypatch.setattr(import_masks_shards, "MAX_INDEX_BYTES", 3)
    with pytest.raises(BadInput, match="too large for an index"):
        of_sources([index])


def test_the_content_tells_the_kind_and_not_the_name(tmp_path):
    safetensors.torch.save_file(pruned(), tmp_path / "a.pth")
    np.savez(tmp_path / "b.npz", **{name: values.numpy() for name, values in pruned(1).items()})
    (tmp_path / "b.npz").rename(tmp_path / "b.bin")
    saved(tmp_path / "c.safetensors", pruned(2))
    saved(tmp_path / "d", pruned(3))
    assert keeps(joined(*(tmp_path / name for name in ("a.pth", "b.bin", "c.safetensors", "d")))[0], 0, 1, 2, 3)
    for content, words in ((b"\x89HDF\r\n", "an HDF5 file"), (b"\x1f\x8b\x08", "packed with gzip")):
        (tmp_path / "e.pth").write_bytes(content * 9)
        assert words in refusal(tmp_path / "e.pth")


def test_rows_or_a_layer_is_asked_and_the_answer_counts(tmp_path):
    mask = masks()["0.weight"].reshape(72, 3).numpy()
    np.save(tmp_path / "a.npy", mask)
    sentence = refusal(tmp_path / "a.npy")
    assert "72 rows and 3 columns" in sentence and "--as tickets" in sentence and "--as layers" in sentence
    tickets, _ = joined(tmp_path / "a.npy", arrays="layers")
    assert tickets.names == ("a",) and np.array_equal(tickets.masks()[0], mask.ravel() != 0)
    np.save(tmp_path / "c.npy", masks()["3.weight"].numpy())  # 288 columns in 10 rows
    assert "10 rows and 288 columns" in refusal(tmp_path / "c.npy")
    np.save(tmp_path / "b.npy", np.eye(4))
    tickets, _, notes = read(tmp_path / "b.npy", arrays="tickets")
    assert np.array_equal(tickets.masks(), np.eye(4)) and "each of its 4 rows is a ticket over 4 weights" in notes


@pytest.mark.parametrize("flat_arrays", [True, False], ids=["flat", "as they are"])
def test_arrays_without_telling_names_are_asked_about(tmp_path, flat_arrays):
    arrays = [mask.numpy().ravel() if flat_arrays else mask.numpy() for mask in masks().values()]
    np.savez(tmp_path / "a.npz", *arrays)
    sentence = refusal(tmp_path / "a.npz")
    assert "2 arrays (arr_0, arr_1)" in sentence and "--as layers" in sentence and "--as tickets" in sentence
    assert keeps(joined(tmp_path / "a.npz", arrays="layers")[0], 0)
    np.savez(tmp_path / "b.npz", cat=flat(masks(0)), dog=flat(masks(1)))
    tickets, _ = joined(tmp_path / "b.npz", arrays="tickets")
    assert tickets.names == ("cat", "dog") and np.array_equal(tickets.masks(), [flat(masks(0)), flat(masks(1))])
