"""Files that people give beside networks: states of optimizers, sets of masks of several rounds, pointers, pages."""

import numpy as np
import pytest
import torch

from tests.interchange.pruned import flat, joined, masks, network, pruned, refusal, saved


def test_the_state_of_an_optimizer_is_no_network(tmp_path):
    """Its running means are zero where weights were pruned."""
    net = network()
    optimizer = torch.optim.Adam(net.parameters())
    for parameter in net.parameters():
        parameter.grad = (torch.rand_like(parameter) < 0.3).float()
    optimizer.step()
    sentence = "a.pth holds the state of an optimizer and no network; give the network's own file"
    assert refusal(saved(tmp_path / "a.pth", optimizer.state_dict())) == sentence
    both = saved(tmp_path / "b.pth", {"model": pruned(1), "adam": optimizer.state_dict()})
    assert np.array_equal(joined(both)[0].masks(), [flat(masks(1))])


@pytest.mark.parametrize("model", [{}, {"model": network().state_dict()}], ids=["masks", "model"])
@pytest.mark.parametrize("held", [[masks(1), masks(2)], {"first": masks(1), "second": masks(2)}], ids=["list", "dict"])
def test_masks_of_several_rounds_are_no_network(tmp_path, model, held):
    sentence = refusal(saved(tmp_path / "a.pth", {**model, "masks": held}))
    assert "'masks' holds 2 masks of each tensor" in sentence and sentence.endswith("give each set a file of its own")


def test_one_of_several_rounds_can_be_chosen(tmp_path):
    tickets, _ = joined(saved(tmp_path / "a.pth", {"masks": {"r0": masks(1), "r1": masks(2)}}), tensors=("r1.*",))
    assert np.array_equal(tickets.masks(), [flat(masks(2))])


def test_masks_of_equal_blocks_are_one_network(tmp_path):
    mask = masks(1)["3.weight"]
    tickets, _ = joined(saved(tmp_path / "a.pth", {"masks": {"0.fc.weight": mask, "1.fc.weight": 1 - mask}}))
    assert np.array_equal(tickets.masks(), [np.concatenate([mask.flatten() != 0, mask.flatten() == 0])])


def test_arrays_with_slashes_are_layers_where_that_is_said(tmp_path):
    layers = {name: masks(1)[name].numpy() * 1.5 for name in masks(1)}
    np.savez(tmp_path / "a.npz", **{f"{name.replace('.', '/')}:0": array for name, array in layers.items()})
    tickets, _ = joined(tmp_path / "a.npz", arrays="layers")
    assert tickets.layout.names == ("0/weight:0", "3/weight:0")
    assert np.array_equal(tickets.masks(), [flat(masks(1))])


def test_a_table_of_confusions_is_no_pruned_layer(tmp_path):
    tickets, left_out = joined(saved(tmp_path / "a.pth", {**pruned(1), "accuracy.confmat": torch.zeros(10, 10)}))
    assert np.array_equal(tickets.masks(), [flat(masks(1))]) and "a buffer" in left_out["accuracy.confmat"]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS and not the file itself"),
        (b"\x1f\x8b\x08" + bytes(99), "packed with gzip"),
    ],
)
def test_files_that_are_no_networks_are_called_what_they_are(tmp_path, content, what):
    (tmp_path / "a.pth").write_bytes(content)
    assert f"a.pth is {what}" in refusal(tmp_path / "a.pth")
