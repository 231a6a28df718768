"""The example of docs/overlap.md, run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import prune

DOCUMENT = Path(__file__).parents[2] / "docs" / "overlap.md"


def pruned_network(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3))
    prune.global_unstructured([(network[0], "weight"), (network[2], "weight")], prune.L1Unstructured, amount=0.6)
    return network.state_dict()


def test_the_example_computes_the_matrix_of_two_files(tmp_path, monkeypatch, capsys):
    states = [pruned_network(seed) for seed in (0, 1)]
    for state, name in zip(states, ("first.pt", "second.pt"), strict=True):
        torch.save(state, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    rows: dict = {}
    exec(re.search(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL).group(1), rows)
    a, b = (np.concatenate([s[f"{layer}.weight_mask"].numpy().ravel() > 0 for layer in ("0", "2")]) for s in states)
    shared = (a & b).sum()
    assert rows["counts"].shared.sum(axis=0).tolist() == [[a.sum(), shared], [shared, b.sum()]]
    assert rows["tickets"].names == ("first", "second") and rows["matrix"].shape == (2, 2)
    assert {row["tensor"] for row in rows["left_out"]} == {"0.bias", "2.bias"}
    assert "iou_mean" in capsys.readouterr().out
