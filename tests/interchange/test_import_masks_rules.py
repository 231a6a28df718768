"""Zeros that are no pruning are left out with their reason, and whoever knows better chooses the tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.utils import prune

from rtl_core.interchange.import_masks_rules import FEWEST_ZEROS
from tests.interchange.pruned import joined, masks, network, pruned, refusal, saved


def layer(seed: int, keep: float = 0.1, shape: tuple[int, ...] = (64, 32)) -> torch.Tensor:
    """Random weights, pruned at random."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=draw) * (torch.rand(shape, generator=draw) < keep)


def dense(*shape: int) -> torch.Tensor:
    return torch.rand(shape) + 0.5


def without_rows(rows: int, *zero: int) -> torch.Tensor:
    weights = dense(rows, 16)
    weights[list(zero)] = 0
    return weights


def positions(length: int = 16, width: int = 8) -> torch.Tensor:
    angles = torch.arange(length)[:, None] / 100 ** (torch.arange(0, width, 2) / width)
    return torch.stack([angles.sin(), angles.cos()], -1).reshape(1, length, width)


def underflow() -> torch.Tensor:
    """A dense layer in half precision, in which a handful of weights became zero."""
    weights = dense(50, 40).half()
    weights.view(-1)[torch.arange(7) * 111] = 1e-9
    assert (weights == 0).sum() == 7
    return weights


SWIN = torch.where(layer(9, 0.5, (4, 49, 49)) == 0, 0.0, -100.0)
TOO_FEW = "too few for pruning"
NO_PRUNING = {
    "padding row of an embedding": ("embed.weight", without_rows(2000, 0), TOO_FEW),
    "padding row of a small embedding": ("embed.weight", without_rows(20, 0), "padding, or untrained"),
    "two rows never trained": ("head.weight", without_rows(40, 3, 17), "padding, or untrained"),
    "underflow": ("fc.weight", underflow(), TOO_FEW),
    "table of positions": ("pos.pe", positions(), "it is a buffer"),
    "attention mask": ("layers.0.attn_mask", SWIN, "it is a buffer"),
    "attention mask by another name": ("layers.0.shifted", SWIN, "zeros and one other number"),
    "causal mask of infinities": ("bank", torch.full((9, 9), -torch.inf).triu(1), "zeros and one other number"),
    "lower triangle": ("tril", torch.ones(9, 9).tril(), "zeros and one other number"),
    "whole numbers": ("index", torch.arange(9).reshape(3, 3), "a buffer"),
}


@pytest.mark.parametrize("kind", NO_PRUNING)
@pytest.mark.parametrize("files", [1, 2])
def test_zeros_that_are_no_pruning_are_left_out_with_the_reason(tmp_path, kind, files):
    name, values, words = NO_PRUNING[kind]
    paths = [saved(tmp_path / f"{i}.pt", {name: values, "body.weight": layer(i)}) for i in range(files)]
    tickets, left_out = joined(*paths)
    assert tickets.layout.names == ("body.weight",)
    assert np.array_equal(tickets.masks(), [(layer(i) != 0).flatten().numpy() for i in range(files)])
    assert words in left_out[name]


def test_the_pruned_layer_alone_gives_the_overlap(tmp_path):
    paths = []
    for i in range(2):
        extra = {"embed.weight": without_rows(2000, 0), "pos.pe": positions(), "layers.0.attn_mask": SWIN}
        paths.append(saved(tmp_path / f"{i}.pt", {**extra, "fc.weight": layer(i)}))
    tickets, left_out = joined(*paths)
    a, b = ((layer(i) != 0).numpy() for i in range(2))
    assert tickets.densities().tolist() == [pytest.approx(a.mean()), pytest.approx(b.mean())]
    both, either = tickets.masks().all(axis=0).sum(), tickets.masks().any(axis=0).sum()
    assert both / either == (a & b).sum() / (a | b).sum() < 0.1
    assert left_out.keys() == {"embed.weight", "pos.pe", "layers.0.attn_mask"}


MADE = {
    "rows of a table": without_rows(10, 0, 4, 7),
    "a layer that started at zero": torch.zeros(12, 16),
    "a band": torch.randn(30, 30).tril(2).triu(-2),
}


@pytest.mark.parametrize("kind", MADE)
def test_zeros_that_are_equal_in_all_files_while_others_differ_are_left_out(tmp_path, kind):
    paths = [saved(tmp_path / f"{i}.pt", {"a.weight": MADE[kind] * (i + 1), "b.weight": layer(i)}) for i in range(3)]
    tickets, left_out = joined(*paths)
    assert tickets.layout.names == ("b.weight",)
    assert left_out["a.weight"].startswith("its zeros are the same in all files while those of other tensors differ")
    same = [saved(tmp_path / f"{i}.pt", {"a.weight": MADE[kind] * (i + 1), "b.weight": layer(0)}) for i in range(3)]
    assert joined(*same)[0].layout.names == ("a.weight", "b.weight")  # networks pruned by one mask


def test_masks_that_a_file_holds_are_never_judged(tmp_path):
    """Equal in both files, a single weight pruned, a whole row pruned: as the masks say."""
    mask = torch.ones(50, 40)
    mask[0, 0] = 0
    rows = torch.ones(20, 5)
    rows[3] = 0
    paths = []
    for i in range(2):
        masks = {"few.weight_mask": mask, "embed.weight_mask": rows, "fc.weight_mask": (layer(i) != 0).float()}
        weights = {"few.weight": dense(50, 40), "embed.weight": dense(20, 5), "fc.weight": dense(64, 32)}
        paths.append(saved(tmp_path / f"{i}.pt", {**weights, **masks}))
    tickets, left_out = joined(*paths)
    assert tickets.layout.names == ("few.weight", "embed.weight", "fc.weight") and left_out == {}


def test_pruning_by_rows_and_by_filters_is_pruning(tmp_path):
    """Where all that is pruned is pruned by rows, or by more rows than padding has."""
    by_rows, mixed = network(), network(1)
    for layer_, amount in ((by_rows[0], 1), (by_rows[3], 1), (mixed[0], 3)):
        prune.ln_structured(layer_, "weight", amount=amount, n=2, dim=0)
        prune.remove(layer_, "weight")
    prune.l1_unstructured(mixed[3], "weight", amount=0.5)
    prune.remove(mixed[3], "weight")
    for module in (by_rows, mixed):
        tickets, _ = joined(saved(tmp_path / "a.pt", module.state_dict()))
        kept = [(module[i].weight != 0).flatten().numpy() for i in (0, 3)]
        assert np.array_equal(tickets.masks()[0], np.concatenate(kept))


def test_the_share_of_zeros_from_which_a_tensor_counts(tmp_path):
    number = int(FEWEST_ZEROS * 2000)
    for zeros in (number - 1, number):
        weights = dense(50, 40)
        weights.view(-1)[torch.randperm(2000)[:zeros]] = 0
        path = saved(tmp_path / "a.pt", {"a.weight": weights, "b.weight": layer(0)})
        assert ("a.weight" in joined(path)[0].layout.names) == (zeros == number)
        more = saved(tmp_path / "b.pt", {"a.weight": layer(1, 0.5, (50, 40)), "b.weight": layer(1)})
        assert "a.weight" in joined(path, more)[0].layout.names  # pruned in one file is enough


def test_a_dense_network_is_refused_with_what_its_zeros_are(tmp_path):
    path = saved(tmp_path / "a.pt", {"fc.weight": underflow(), "fc.bias": torch.zeros(50)})
    assert "'fc.weight': less than 1% of it is zero (at most 7 of 2,000): too few for pruning" in refusal(path)


def test_chosen_tensors_count_and_no_others(tmp_path):
    path = saved(tmp_path / "a.pt", {**pruned(), "embed.weight": without_rows(200, 0), "d.weight": dense(3, 3)})
    tickets, left_out = joined(path, tensors=("embed.*", "0.weight"))
    assert tickets.layout.names == ("0.weight", "embed.weight")
    expected = 1 - (16 + int((masks()["0.weight"] == 0).sum())) / (3200 + 216)
    assert tickets.densities()[0] == pytest.approx(expected)
    assert left_out["3.weight"] == "it is not among the tensors that were chosen"
    assert "fewer than two dimensions" in left_out["0.bias"]
    tickets, _ = joined(path, tensors=("d.weight", "3.weight"))  # dense, and counted as such
    assert tickets.layout.n == 2880 + 9
    assert "--tensors 'x.*' fits none of the 11 tensors, such as '0.weight'" in refusal(path, tensors=("0.*", "x.*"))
    assert "no pruned tensor" in refusal(path, tensors=("0.bias",))
