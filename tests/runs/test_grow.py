"""Tickets added to, taken from and merged in finished runs: the old run untouched, the new one whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rtl_core.config import parse
from rtl_core.errors import BadInput
from rtl_core.interchange.ticket_file import read_ticket
from rtl_core.learning.subnetwork import as_module
from rtl_core.runs import change_tickets, exports, fairness, store, training
from rtl_core.runs.checkpoint import Run, load_gate, load_learned, load_lighter, load_run
from rtl_core.runs.grow import grow
from rtl_core.runs.merge import merge, redundancy_of, remove
from tests.toy_run import toy

pytestmark = pytest.mark.long

QUICK = toy(
    lighter=[0.05],
    controls=["random"],
    workers=1,
    sharing={"head": "ticket"},
    gated={"steps": 3, "batch_size": 8},
    optimiser={"batch_size": 8},
)
CLASSES = ("ant", "bee", "cow", "dog", "eel")


def archive(path: Path, classes: tuple[str, ...]) -> str:
    """Noisy 8 x 8 pictures with one bright column a class; the same pictures of a class in every archive."""
    arrays = {"classes": np.array(classes)}
    for split, n in (("train", 16), ("val", 6), ("test", 8)):
        x = [np.random.default_rng([CLASSES.index(c), n]).integers(0, 90, (n, 8, 8), np.uint8) for c in classes]
        for pictures, name in zip(x, classes, strict=True):
            pictures[:, :, CLASSES.index(name)] += 120
        arrays |= {f"x_{split}": np.concatenate(x), f"y_{split}": np.repeat(np.arange(len(classes)), n)}
    np.savez(path, **arrays)
    return f"npz:{path}"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def specs(root) -> dict[str, str]:
    return {
        name: archive(root / f"{name}.npz", classes)
        for name, classes in {
            "three": CLASSES[:3],
            "four": CLASSES[:4],
            "five": CLASSES,
            "other": ("ant", "dog"),
        }.items()
    }


@pytest.fixture(scope="module")
def old(root, specs) -> Run:
    """One-vs-rest tickets of three classes."""
    by_class = {"task": "one_vs_rest", "partition": {"by": "class", "min_size": 2}}
    values = {**QUICK, **by_class, "data": {"spec": specs["three"]}, "model": {"name": "convnet", "width": 0.25}}
    return load_run(Path(training.train_new(parse(values), root)["folder"]))


@pytest.fixture(scope="module")
def people(root) -> Run:
    """Multi-class tickets by an attribute of a table."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"a": draw.normal(size=240), "b": draw.normal(size=240), "town": np.arange(240) % 3})
    frame["town"] = frame["town"].map({0: "Aix", 1: "Bern", 2: "Cork"})
    frame["yes"] = np.where(frame["a"] > 0, "yes", "no")
    frame.to_csv(root / "people.csv", index=False)
    data = {"spec": f"csv:{root / 'people.csv'}", "target": "yes", "groups": ["town"]}
    partition = {"by": "attribute", "column": "town", "min_size": 2}
    values = {**QUICK, "data": data, "partition": partition, "model": {"name": "mlp", "width": 0.1}}
    return load_run(Path(training.train_new(parse(values), root)["folder"]))


@pytest.fixture(scope="module")
def grown(root, old, specs) -> tuple[dict, Run]:
    document = grow(old, specs["four"], root)
    return document, load_run(Path(document["folder"]))


def digests(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir() if file.is_file()}


def logits(run: Run, k: int, rows: np.ndarray) -> torch.Tensor:
    """Ticket k on the three old classes' test pictures, as the run's checkpoint has it."""
    state = change_tickets.open_tickets(run)
    module = as_module(state.setting.network, load_learned(run)["rtl"].subnetworks[k], run.tickets.layout)
    return module(state.setting.dataset.inputs(rows)).detach()


def test_the_document(grown, old):
    document, run = grown
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["run"], document["reused"], document["from"]) == (run.name, False, old.name)
    assert run.name.startswith(f"{store.slug(old.name)}-grown-")
    new = document["grown"]
    assert (new["ticket"], new["steps"], new["n"], new["n_pos"]) == ("dog", 3, 32, 8)
    assert new["params"] == round(0.1 * run.tickets.n) == run.tickets.masks()[3].sum()
    assert new["balanced_accuracy"] == run.info["evaluation"]["tickets"][3]["balanced_accuracy"]
    low, high = new["ci"]["balanced_accuracy"]
    assert low < new["balanced_accuracy"] < high
    assert document["forgetting"] == [0.0, 0.0, 0.0]
    assert {row["router"] for row in document["routers"]} == {"gate", "max_response"}
    assert {row["n"] for row in document["routers"]} == {24}
    assert document["routed_before"] == document["routers"][0]["before"]


def test_old_tickets_answer_with_the_same_bits(grown, old):
    _, run = grown
    rows = change_tickets.open_tickets(old).setting.dataset.rows("test")
    in_new = change_tickets.open_tickets(run).setting.dataset
    wanted = change_tickets.open_tickets(old).setting.dataset.x[rows]
    places = np.array([np.flatnonzero((in_new.x == x).all(axis=(1, 2, 3)))[0] for x in wanted])
    for k in range(3):
        assert torch.equal(logits(run, k, places), logits(old, k, rows))
    assert np.array_equal(run.tickets.pruned_at[:3], old.tickets.pruned_at)


def test_the_old_run_is_not_touched(old, root, specs):
    before = digests(old.folder)
    grow(old, specs["five"], root, name="eel")
    assert digests(old.folder) == before


def test_the_new_run_is_whole(grown, old, specs):
    """What other verbs ask of a run: evaluation again from its files, state, fairness, lighter tickets, a gate."""
    _, run = grown
    assert run.tickets.names == (*CLASSES[:4],) and run.methods == ("rtl",)
    assert training.evaluate_run(run, specs["four"])["tickets"] == run.info["evaluation"]["tickets"]
    assert store.run_state(run.folder) == "done" and training.headline(run)["tickets"][3]["name"] == "dog"
    assert set(load_lighter(run)) == {(3, k) for k in range(4)}
    assert tuple(load_gate(run)["gate/bias"].shape) == (4,)
    assert [r["ticket"] for r in run.info["rungs"]].count(3) == 2  # target and lighter
    assert old.name in run.info["notes"][0]
    assert fairness.Audited.of(run).opened.partition.k == 4


def test_growing_again_finds_the_run(grown, old, root, specs):
    document, run = grown
    again = grow(old, specs["four"], root)
    assert again["reused"] is True
    assert {**again, "reused": False, "seconds": document["seconds"]} == document
    other = grow(old, specs["four"], root, changes=["gated.steps=2"])
    assert other["run"] != run.name and other["grown"]["steps"] == 2


def test_a_grown_run_grows_on(grown, root, specs):
    document = grow(grown[1], specs["five"], root)
    assert (document["grown"]["ticket"], document["forgetting"]) == ("eel", [0.0] * 4)
    assert document["run"].count("-grown-") == 1


def test_data_without_the_old_classes_are_joined_to_them(old, root, specs):
    document = grow(old, specs["other"], root)
    run = load_run(Path(document["folder"]))
    assert run.config.data.spec == f"{specs['three']} + {specs['other']}"
    assert document["grown"]["n"] == 32  # the ants of both are counted once
    assert change_tickets.open_tickets(run).setting.dataset.fingerprint == run.info["data"]["fingerprint"]


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ("three", {}, "no class without a ticket"),
        ("five", {}, "several new ones .dog, eel.; say with --name"),
        ("five", {"name": "ant"}, "'ant' is no new class"),
        ("four", {"changes": ["density=0.5"]}, "grow takes the settings gated.steps"),
        ("four", {"changes": ["gated.steps=0"]}, "greater than or equal to 1"),
    ],
)
def test_refusals(old, root, specs, spec, arguments, message):
    with pytest.raises(BadInput, match=message):
        grow(old, specs[spec], root, **arguments)


def test_refusals_of_other_runs_and_inputs(old, people, root, specs):
    by_class = replace(old, config=old.config.model_copy(update={"task": "multiclass"}))
    with pytest.raises(BadInput, match="a ticket is grown for a new class of one-vs-rest tickets, or"):
        grow(by_class, specs["four"], root)
    with pytest.raises(BadInput, match="has masks only"):
        grow(replace(old, config=None), specs["four"], root)
    np.savez(root / "table.npz", x=np.random.default_rng(0).normal(size=(60, 5)), y=np.arange(60) % 4)
    with pytest.raises(BadInput, match="only the very same table"):
        grow(old, f"npz:{root / 'table.npz'}", root)
    with pytest.raises(BadInput, match="no value without a ticket"):
        grow(people, people.config.data.spec, root)


def test_a_run_whose_data_have_changed_is_refused(people, root, tmp_path):
    info = {**people.info, "data": {**people.info["data"], "fingerprint": "another"}}
    with pytest.raises(BadInput, match="no longer holds the data"):
        remove(replace(people, info=info), "Bern", tmp_path)


def test_a_removed_ticket_is_gone_and_can_be_grown_back(people, root):
    document = remove(people, "Bern", root)
    run = load_run(Path(document["folder"]))
    assert run.tickets.names == ("Aix", "Cork")
    assert document["routers"][0]["n"] == sum(t["n"] for t in run.info["evaluation"]["tickets"])
    assert {r["ticket"] for r in run.info["rungs"]} == {0, 1}
    was = {t["name"]: t["accuracy"] for t in people.info["evaluation"]["tickets"]}
    assert [t["accuracy"] for t in run.info["evaluation"]["tickets"]] == [was["Aix"], was["Cork"]]
    back = grow(run, run.config.data.spec, root)
    assert (back["grown"]["ticket"], back["forgetting"]) == ("Bern", [0.0, 0.0])
    assert {row["router"] for row in back["routers"]} == {"gate", "min_entropy"}


def test_a_ticket_file_is_measured_on_its_own_subset_where_another_was_removed(people, root, tmp_path):
    run = load_run(Path(remove(people, "Aix", root)["folder"]))
    path = exports.export(run, "Bern", ["ticket"], tmp_path)["ticket"]
    applied = exports.apply_ticket(run, read_ticket(path))
    own, row = applied.own, applied.row
    assert (applied.subset, row.n, row.accuracy) == ("Bern", own.n, own.accuracy)


def test_a_merged_ticket_has_both_subsets(people, root):
    document = merge(people, ["Aix", "Cork"], "union", root)
    run = load_run(Path(document["folder"]))
    assert run.tickets.subsets == ("Bern", "Aix + Cork")
    masks = people.tickets.masks()
    assert np.array_equal(run.tickets.masks()[1], masks[0] | masks[2])
    assert document["merged"]["params"] == (masks[0] | masks[2]).sum()
    assert [row["subset"] for row in document["subsets"]] == ["Aix", "Cork"]
    own = {t["name"]: t for t in people.info["evaluation"]["tickets"]}
    for row in document["subsets"]:
        assert row["before"] == pytest.approx(own[row["subset"]]["accuracy"])
    sizes = {row["subset"]: row["test"] for row in run.info["partition"]["sizes"]}
    assert sizes["Aix + Cork"] == own["Aix"]["n"] + own["Cork"]["n"]
    assert change_tickets.open_tickets(run).setting.partition.names == run.tickets.subsets
    assert document["reused"] is False and merge(people, ["Aix", "Cork"], "union", root)["reused"] is True


def test_one_vs_rest_tickets_merge_too(grown, root):
    document = merge(grown[1], ["ant", "bee", "dog"], "majority", root)
    assert [row["metric"] for row in document["subsets"]] == ["balanced_accuracy"] * 3
    assert load_run(Path(document["folder"])).tickets.names == ("cow", "ant + bee + dog")


def test_what_cannot_be_removed_or_merged(people, root):
    with pytest.raises(BadInput, match="no ticket 'Dover'; it has: Aix"):
        remove(people, "Dover", root)
    with pytest.raises(BadInput, match="at least two must be left"):
        merge(people, ["Aix", "Bern", "Cork"], "union", root)
    with pytest.raises(BadInput, match="not by 'mean'"):
        merge(people, ["Aix", "Bern"], "mean", root)


def test_redundancy_of_a_run(people):
    report = redundancy_of(people)
    assert (report.split, len(report.pairs)) == ("val", 6)
