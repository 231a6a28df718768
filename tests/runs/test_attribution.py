"""Attribution of runs: inputs that are no rows, audits as documents, and what is kept of them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from rtl_core.audit.attribution import aggregate
from rtl_core.audit.attribution.attribute import attribute
from rtl_core.audit.attribution.explain import explain
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.runs import attribution
from rtl_core.runs.attribution import Explained
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.report import ReportRequest as Report
from rtl_core.runs.report import run_document
from rtl_core.runs.store import audits_folder, samples

QUICK = MapRequest("input_x_gradient", baseline="black")
HERE = {"class": "Bag"}


@pytest.fixture(scope="module")
def explained() -> Explained:
    return Explained.of(load_run(samples()["fashion10"]))


@pytest.fixture(scope="module")
def many(explained):
    return attribution.audit_many(explained, ("Bag", "Sandal"), explained.rows("Bag")[:6], QUICK, HERE)


def deaf(explained: Explained, ticket: str) -> Explained:
    """The same run with a ticket whose head has lost its weights, so that it says the same to everything."""
    subnetwork = explained.subject.subnetworks[ticket]
    silent = {name: torch.zeros_like(tensor) for name, tensor in subnetwork.private.items()}
    subnetworks = {
        **explained.subject.subnetworks,
        ticket: Subnetwork(subnetwork.subset, subnetwork.mask, subnetwork.shared, silent, subnetwork.buffers),
    }
    return replace(explained, subject=replace(explained.subject, subnetworks=subnetworks))


def test_rows_are_test_rows_of_the_subset_and_of_the_class(explained):
    dataset = explained.subject.dataset
    rows = explained.rows("Bag")
    assert len(rows) == 200 and set(dataset.y[rows]) == {dataset.classes.index("Bag")}
    assert set(dataset.split[rows]) == {"test"}
    assert np.array_equal(explained.rows(class_="Bag"), rows)
    assert len(explained.rows("Bag", class_="Dress")) == 0 and len(explained.rows()) == 2000


def test_other_data_than_those_of_the_training_are_refused(explained):
    changed = {**explained.run.info, "data": {**explained.run.info["data"], "fingerprint": "0"}}
    with pytest.raises(BadInput, match="put them back"):
        Explained.of(replace(explained.run, info=changed))


def test_an_input_that_is_no_row_gets_the_checks_that_the_row_gets(explained):
    subject, request = explained.subject, MapRequest("integrated_gradients")
    document, _ = attribute(subject, "Dress", [3], request)
    x = subject.dataset.inputs(explained.rows()[3:4]).clone()
    question = request.question(subject, x)
    maps = attribution.check(subject, "Dress", x, explain(subject.module("Dress"), x, question), question)
    (sample,) = document["samples"]
    assert (maps.verdict, maps.reason) == (sample["verdict"], sample["reason"])
    for name in ("mask_swap", "random_mask", "weight_randomisation", "infidelity", "sensitivity"):
        assert getattr(maps.scores, name)[0] == pytest.approx(sample["sanity"][name], abs=1e-6)


def test_a_dead_ticket_is_not_to_be_trusted(explained):
    broken = deaf(explained, "Coat")
    assert attribution.constant_output(broken.subject, "Coat")
    assert not attribution.constant_output(broken.subject, "Bag")
    x = broken.subject.dataset.inputs(broken.rows()[:1])
    question = QUICK.question(broken.subject, x)
    maps = explain(broken.subject.module("Coat"), x, question)
    result = attribution.check(broken.subject, "Coat", x, maps, question)
    assert result.verdict == "do not trust" and "dead" in result.reason


def test_an_audit_is_json_and_says_where_it_comes_from(explained, many):
    audit, evidence = many
    document = plain(audit)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert (document["run"], document["n"], document["of"]) == ("fashion10", 6, HERE)
    assert audit.hashes["data"] == explained.subject.dataset.fingerprint
    assert [ticket["name"] for ticket in document["tickets"]] == ["Bag", "Sandal"]
    for ticket in audit.tickets:
        assert sum(ticket.regions) == pytest.approx(1)
        assert all(low <= share <= high for share, (low, high) in zip(ticket.regions, ticket.ci.regions, strict=True))
        faithful = ticket.faithfulness
        lead = faithful.deletion - faithful.random_deletion
        assert faithful.deletion_difference == pytest.approx(lead, abs=1e-12)
        assert list(document["tickets"][0]["faithfulness"]) == list(aggregate.FAITHFULNESS)
    assert evidence.shape == (2, 1, 28, 28)


def test_an_audit_opens_again_as_it_was_saved(explained, many, tmp_path):
    audit, evidence = many
    folder = audits_folder(explained.run.folder, tmp_path)
    assert folder == tmp_path / "audits" / "fashion10"
    file = attribution.save_audit(folder, audit, {"evidence": evidence})
    assert attribution.saved_audits(explained.run, tmp_path) == [(file, audit)]
    assert np.array_equal(attribution.load_arrays(file)["evidence"], evidence)
    assert attribution.save_audit(folder, replace(audit, seconds=9.0), {"evidence": evidence}) == file  # the same


@pytest.mark.parametrize("changed", [{"seed": 1}, {"baseline": "mean"}, {"of": {"class": "Coat"}}, {"n": 7}])
def test_another_question_is_another_file(many, changed):
    audit, _ = many
    assert attribution.audit_name(plain(replace(audit, **changed))) != attribution.audit_name(plain(audit))


@pytest.mark.parametrize("content", ["{", "[]", '{"kind": "samples"}', '{"kind": "many"}'])
def test_audits_of_other_weights_and_damaged_ones_are_passed_over(explained, many, tmp_path, content):
    audit, evidence = many
    folder = audits_folder(explained.run.folder, tmp_path)
    other = replace(audit, hashes={**audit.hashes, "data": "0"})
    attribution.save_audit(folder, other, {"evidence": evidence})
    (folder / "broken.json").write_text(content)
    assert attribution.saved_audits(explained.run, tmp_path) == []
    (folder / "broken.npz").write_bytes(b"PK")
    with pytest.raises(BadInput, match="missing or damaged"):
        attribution.load_arrays(folder / "broken.json")


def test_own_runs_keep_their_audits_and_the_report_counts_them(explained, tmp_path):
    import shutil

    folder = tmp_path / "mine"
    shutil.copytree(explained.run.folder, folder)
    own = Explained.of(load_run(folder))
    document, arrays = attribution.explain_samples(own, "Bag", [0, 8], QUICK)
    kept = attribution.save_audit(audits_folder(own.run.folder, tmp_path), document, arrays)
    assert kept.parent == folder / "audits"
    (counted,) = run_document(own.run, Report(), tmp_path)["attribution"]
    assert (counted["ticket"], counted["n"]) == ("Bag", 2) and sum(counted["verdicts"].values()) == 2


def test_a_folder_that_cannot_be_written_to_is_said(many, tmp_path):
    (tmp_path / "audits").write_text("a file stands here")
    with pytest.raises(BadInput, match="cannot be saved"):
        attribution.save_audit(tmp_path / "audits" / "fashion10", many[0], {"evidence": many[1]})
