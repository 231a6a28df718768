"""The verb `attribute` on the samples."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def rtl(rtl, tmp_path):
    """The same for the verb `attribute`, with runs of its own."""
    return lambda *arguments: rtl("attribute", *arguments, "--runs", tmp_path / "runs")


def document(result: tuple[int, str, str]) -> dict:
    code, out, err = result
    assert code == 0, err
    assert out.count("\n") == 1
    return json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))


def test_the_agreed_fields_and_the_maps(rtl, tmp_path):
    ask = ("fashion10", "--ticket", "Bag", "--method", "input_x_gradient", "--samples", "8,18-19")
    result = document(rtl(*ask, "--out", tmp_path / "maps.npz", "--json"))
    assert {"ticket", "method", "baseline", "target", "seconds", "samples"} <= set(result)
    assert (result["ticket"], result["baseline"], result["target"]) == ("Bag", "zeros", "Bag")
    assert [sample["index"] for sample in result["samples"]] == [8, 18, 19]
    checks = {"mask_swap", "random_mask", "weight_randomisation", "infidelity", "sensitivity"}
    for sample in result["samples"]:
        assert {"y_true", "output", "baseline_output", "sum", "delta", "verdict", "reason"} <= set(sample)
        assert set(sample["sanity"]) == checks and sample["verdict"] in ("ok", "doubtful", "do not trust")
    maps = np.load(tmp_path / "maps.npz", allow_pickle=False)["attributions"]
    assert maps.shape == (3, 1, 28, 28)
    assert maps.sum(axis=(1, 2, 3)) == pytest.approx([sample["sum"] for sample in result["samples"]], rel=1e-4)


def test_settings_target_and_baseline_are_taken(rtl):
    ask = ("adult", "--ticket", "25-34", "--method", "integrated_gradients", "--target", ">50K", "--seed", "3")
    result = document(rtl(*ask, "--set", "steps=16", "--set", "max_steps=16", "--baseline", "row:4", "--json"))
    assert result["parameters"] == {"steps": 16, "max_steps": 16}
    assert (result["target"], result["baseline"], result["seed"]) == (">50K", "row:4", 3)


def test_people_read_the_verdict_and_where_it_is_kept(rtl, tmp_path):
    code, out, _ = rtl("fashion10", "--ticket", "Bag", "--method", "saliency", "--samples", "8", "--save")
    assert code == 0 and "verdict" in out and "saliency of ticket Bag" in out
    (kept,) = (tmp_path / "runs" / "audits" / "fashion10").glob("bag-saliency-*.json")
    assert kept.name in out and kept.with_suffix(".npz").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("fashion10", "--ticket", "Hat"), "no ticket 'Hat'"),
        (("fashion10", "--ticket", "Bag", "--method", "magic"), "no attribution method 'magic'"),
        (("fashion10", "--ticket", "Bag", "--samples", "one"), "wants numbers such as"),
        (("fashion10", "--ticket", "Bag", "--samples", "2000"), "no test sample 2000"),
        (("fashion10", "--ticket", "Bag", "--method", "kernel_shap"), "too many numbers"),
        (("fashion10", "--ticket", "Bag", "--target", "Coat"), "leave the target out"),
        (("fashion10", "--ticket", "Bag", "--set", "steps"), "wants NAME=VALUE"),
        (("fashion10", "--ticket", "Bag", "--set", "steps=3"), "greater than or equal to 8"),
        (("fashion10", "--ticket", "Bag", "--baseline", "median"), "no baseline 'median'"),
        (("fashion10", "--ticket", "Bag", "--out", "maps.txt"), "wants an .npz file"),
        (("nothing", "--ticket", "Bag"), "there is no run 'nothing'"),
    ],
)
def test_bad_input_is_one_line(rtl, arguments, says):
    code, out, err = rtl(*arguments)
    assert (code, out) == (2, "") and says in err and err.count("\n") == 1
