"""A run with the controls at equal storage and a storage budget, from its settings to what is read back."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rtl_core.audit import evaluate as audit
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.config import merged, parse
from rtl_core.display_names import AT_EQUAL_STORAGE, method_words
from rtl_core.errors import BadInput
from rtl_core.runs import report, training
from rtl_core.runs.checkpoint import Run, load_learned, load_run
from rtl_core.runs.open_run import open_run
from rtl_core.runs.store import project_root
from rtl_core.runs.stored_methods import stored_methods
from rtl_core.tickets.storage import stored
from tests.toy_run import toy

QUICK = {
    "data": {"spec": "bundled:digits", "limit": 400},
    "task": "one_vs_rest",
    "partition": {"by": "class", "min_size": 8},
    "model": {"width": 0.5},
    "denser": [],
    "lighter": [],
    "density": 0.1,
    "workers": 1,
    "extract": {"steps": 4, "warm_steps": 10},
    "joint": {"steps": 3, "start": "merged"},
    "sharing": {"recalibrate_batches": 1},
    "controls": list(AT_EQUAL_STORAGE),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def run(root) -> Run:
    return load_run(Path(training.train_new(parse(QUICK), root)["folder"]))


def test_controls_store_what_the_tickets_store(run):
    rows = {row["method"]: row for row in run.info["evaluation"]["methods"] if row["applies"]}
    assert {*AT_EQUAL_STORAGE, "rtl", "imp_single_union_argmax_odds"} == set(rows)
    union = int(run.tickets.masks().any(axis=0).sum())
    for method in ("rtl", "random_same_storage", "imp_single_union_argmax"):
        assert rows[method]["params_total"] == union
    steps = {sum(row[f"steps_{phase}"] for phase in ("warm", "extract", "joint")) for row in rows.values()}
    assert len(steps) == 1
    for method in ("dense_small", "dense_small_multi"):
        assert 0 < rows[method]["params_total"] < run.tickets.n
        assert rows[method]["bits"] == 32 * rows[method]["params_total"]


def test_a_narrow_network_answers_as_it_did_after_it_was_kept(run):
    """Figures on the run's test split, measured again from the files, are those that were written down."""
    opened = open_run(run)
    eval_set = audit.evaluation_set(opened.dataset, opened.partition, opened.task, "test")
    rows = {row["method"]: row for row in run.info["evaluation"]["methods"]}
    for method in AT_EQUAL_STORAGE:
        one = opened.learned[method]
        answers = audit.method_answers(opened.network_of(one), one, opened.layout, eval_set)
        figures = audit.method_figures(eval_set, answers, run.config.seed)
        assert figures["balanced_accuracy"] == rows[method]["balanced_accuracy"]
    small = opened.network_of(opened.learned["dense_small"]).description["width"]
    assert small == opened.learned["dense_small"].width < run.config.model.width


def test_what_methods_store_is_read_off_the_files_without_a_weight(run):
    learned = load_learned(run)
    assert set(learned) > set(AT_EQUAL_STORAGE)
    assert stored_methods(run) == {name: one.stores(run.tickets.layout) for name, one in learned.items()}


@pytest.mark.parametrize("name", ["domains", "fashion10", "adult", "collapse"])
def test_the_samples_say_what_they_store(name):
    sample = load_run(project_root() / "sample_checkpoints" / name)
    assert stored_methods(sample) == {m: one.stores(sample.tickets.layout) for m, one in load_learned(sample).items()}


def test_a_damaged_file_of_methods_is_a_sentence(run, tmp_path):
    copied = shutil.copytree(run.folder, tmp_path / "copy")
    (copied / "methods.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BadInput, match=r"methods\.safetensors of run 'copy' cannot be read"):
        stored_methods(replace(run, folder=copied))


def test_what_the_tickets_store_is_written_down(run):
    masks, storage = run.tickets.masks(), run.info["storage"]
    assert storage["weights"] == int(masks.any(axis=0).sum())
    assert storage["bits"] == 32 * storage["weights"] + len(masks) * run.tickets.n
    assert storage["bits_union"] == (32 + len(masks)) * storage["weights"] + run.tickets.n
    for ticket, mask in zip(storage["tickets"], masks, strict=True):
        assert ticket["weights"] == mask.sum()
        assert ticket["bits_bound"] == pytest.approx(stored([mask], run.tickets.layout).bits_bound)
    assert sum(ticket["private"] for ticket in storage["tickets"]) == int((masks.sum(axis=0) == 1).sum())


def test_a_control_that_cannot_be_as_small_as_the_tickets_is_named(run):
    rows = {row["method"]: row for row in run.info["evaluation"]["methods"]}
    own = rows["rtl"]["params_total"]
    far = {method for method in AT_EQUAL_STORAGE if abs(rows[method]["params_total"] / own - 1) > 0.1}
    sentences = [warning for warning in run.info["warnings"] if "no control at equal storage" in warning]
    assert "dense_small_multi" in far and len(sentences) == len(far)
    for method in far:
        assert any(method_words(method)[0] in warning and f"{own:,}" in warning for warning in sentences)


def test_tickets_that_are_one_mask_say_so(run, root):
    same = load_run(
        Path(training.train_new(parse(merged(QUICK, {"controls": [], "extract": {"sharing": 1}})), root)["folder"])
    )
    assert [sum("they are one mask" in warning for warning in one.info["warnings"]) for one in (run, same)] == [0, 1]


def test_a_budget_is_kept_by_sharing(run, root):
    free = run.info["storage"]["weights"]
    most = round(0.7 * free)
    bounded = load_run(Path(training.train_new(parse({**QUICK, "controls": [], "storage": most}), root)["folder"]))
    assert run.info["sharing"] == 0.0 < bounded.info["sharing"] < 1.0
    assert 0.9 * most < bounded.info["storage"]["weights"] <= most
    assert np.array_equal(bounded.tickets.masks().sum(axis=1), run.tickets.masks().sum(axis=1))


def test_a_budget_that_cannot_be_kept_is_refused_before_training(root):
    with pytest.raises(BadInput, match=r"storage.*cannot hold tickets of this density"):
        training.train_new(parse({**QUICK, "storage": "1KB"}), root)


@pytest.mark.parametrize("method", ["random_same_storage", "dense_small", "dense_small_multi"])
def test_the_report_audits_a_control_of_another_width(adult, method):
    document = report.run_document(
        adult, report.ReportRequest(("race",), method, settings=AuditSettings(permutations=20))
    )
    rows = {row["method"]: row for row in adult.info["evaluation"]["methods"]}
    total = [row for row in document["fairness"]["overall"] if row["metric"] == "accuracy" and row["ticket"] is None]
    assert [row["n"] for row in total] == [rows[method]["n"]]
    assert {row["group"] for row in document["fairness"]["routing"]}


@pytest.fixture(scope="module")
def adult(root) -> Run:
    settings = toy(
        data={"spec": "bundled:adult", "limit": 400},
        partition={"by": "attribute", "column": "sex"},
        model={"name": "mlp"},
        density=0.2,
        controls=["random_same_storage", "dense_small", "dense_small_multi"],
    )
    return load_run(Path(training.train_new(parse(settings), root)["folder"]))
