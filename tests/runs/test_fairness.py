"""The Adult sample audited: every figure against boolean masks, and the questions that tickets raise."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.predictions import Predictions
from rtl_core.audit.fairness.thresholds import ThresholdRule
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.runs import store
from rtl_core.runs.checkpoint import Run, load_run
from rtl_core.runs.fairness import EXTRAS, Audited, audit, audit_table, what_if

QUICK = AuditSettings(metrics=("selection_rate", "accuracy", "tpr", "fpr"), permutations=100)
TO_MEN = replace(QUICK, reference=("sex=Male",))


@pytest.fixture(scope="module")
def run() -> Run:
    return load_run(store.samples()["adult"])


@pytest.fixture(scope="module")
def audited(run) -> Audited:
    return Audited.of(run)


@pytest.fixture(scope="module")
def predictions(audited) -> Predictions:
    return audited.predictions(audited.decisions())


@pytest.fixture(scope="module")
def result(audited) -> dict:
    return plain(audit(audited, ["sex"], settings=TO_MEN, extras=list(EXTRAS)))


def test_the_decisions_are_those_that_the_evaluation_counted(run, predictions):
    right = predictions.y_true == predictions.y_pred
    for k, ticket in enumerate(run.info["evaluation"]["tickets"]):
        own = predictions.ticket == k
        assert (own.sum(), right[own].mean()) == (ticket["n"], pytest.approx(ticket["accuracy"], abs=1e-12))
    assert predictions.classes == ("<=50K", ">50K")


@pytest.mark.parametrize(("method", "router"), [("rtl", "context"), ("dense", "context"), ("rtl", "min_entropy")])
def test_cells_equal_boolean_masks(audited, method, router):
    p = audited.predictions(audited.decisions(["sex", "race"]), method, router)
    y, predicted = p.y_true == 1, p.y_pred == 1
    rates = {
        "selection_rate": (predicted, predicted | True),
        "accuracy": (predicted == y, y | True),
        "tpr": (predicted, y),
        "fpr": (predicted, ~y),
    }
    document = plain(audit(audited, ["sex", "race"], method, router, QUICK))
    assert len(document["cells"]) == 4 * 7 * (2 + 5 + 10)
    for cell in document["cells"]:
        rows = np.ones(len(y), bool) if cell["ticket"] is None else p.ticket == p.tickets.index(cell["ticket"])
        for piece in cell["group"].split(","):
            column, _, value = piece.partition("=")
            rows &= (p.groups[column] == value).to_numpy()
        assert (cell["n"], cell["n_pos"]) == (rows.sum(), (rows & y).sum())
        hit, among = rates[cell["metric"]]
        if cell["status"] == "refused":
            assert cell["value"] is None and (rows & among).sum() < 10
        else:
            assert cell["value"] == pytest.approx(hit[rows & among].mean(), abs=1e-12)


def test_the_document_says_what_was_asked_and_is_json(result):
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    place = {name: result[name] for name in ("run", "method", "router", "split", "n")}
    assert place == {"run": "adult", "method": "rtl", "router": "context", "split": "test", "n": 16281}
    assert result["uses_label"] is True  # the context is the age group, which the subsets were made by
    assert result["references"] == {"sex": "sex=Male"}
    assert "age is cut" not in " ".join(result["notes"])  # not asked


def overall_gap(result: dict, metric: str) -> dict:
    return next(gap for gap in result["gaps"] if gap["ticket"] is None and gap["metric"] == metric)


def test_decomposition_adds_up_to_the_gap(result):
    records = {record["metric"]: record for record in result["decomposition"]}
    for metric, record in records.items():
        gap = overall_gap(result, metric)
        assert record["within"] + record["between"] == pytest.approx(gap["gap"], abs=1e-12)
        assert record["ci"]["gap"] == pytest.approx([gap["low"], gap["high"]])
    assert set(records) == {"selection_rate", "accuracy", "tpr", "fpr"}


def test_routing_gap_covers_every_ticket_and_group(result, predictions):
    records = {(record["ticket"], record["group"]): record for record in result["routing"]}
    assert len(records) == 7 * 2
    for (_, group), record in records.items():
        assert record["ci"]["lead_over_mean"][0] <= record["lead_over_mean"] <= record["ci"]["lead_over_mean"][1]
        assert record["lead_over_best"] <= record["accuracy"] and group.startswith("sex=")
    women = (predictions.groups["sex"] == "Female").to_numpy()
    right = (predictions.y_true == predictions.y_pred)[women].mean()
    assert records[None, "sex=Female"]["accuracy"] == pytest.approx(right, abs=1e-12)


def test_ablations_start_from_the_gap_that_was_found(result):
    where = result["where"]["changes"]
    assert {change["class"] for change in where} == {"all", "some", "private"}
    for change in where:
        if change["ticket"] is None and change["group"] == "sex=Female":
            assert change["gap_before"] == pytest.approx(overall_gap(result, change["metric"])["gap"], abs=1e-12)
            assert len(change["random_changes"]) == 5
    assert sum(row["taken"] for row in result["where"]["weights"] if row["ticket"] == "25-34") == 2189


def test_lighter_rungs_go_down_from_the_target(result):
    densities = list(dict.fromkeys(record["density"] for record in result["by_density"]))
    assert densities == [0.1, 0.07, 0.05, 0.035, 0.025, 0.015]
    women = [r for r in result["by_density"] if r["group"] == "sex=Female" and r["metric"] == "accuracy"]
    assert women[0]["change"] == 0 and women[-1]["ci"]["change"][1] < 0


def test_methods_stand_side_by_side(audited, result):
    rows = {row["method"]: row for row in result["methods"]}
    assert list(rows) == ["rtl", "dense", "imp_single", "imp_single_union"]
    assert rows["rtl"]["gaps"] == result["gaps"] and rows["rtl"]["changes"] == []
    alone = plain(audit(audited, ["sex"], "dense", settings=TO_MEN))
    assert rows["dense"]["gaps"] == alone["gaps"] and rows["dense"]["density"] == 1
    moved = next(c for c in rows["dense"]["changes"] if (c["metric"], c["group"]) == ("tpr", "sex=Female"))
    assert moved["gap_after"] == pytest.approx(overall_gap(alone, "tpr")["gap"])


def test_extras_that_do_not_apply_say_why(audited):
    document = plain(audit(audited, ["sex"], "dense", settings=QUICK, extras=["where", "by_density"]))
    assert "with a mask" in document["where"]["reason"]
    assert "several densities" in document["by_density"]["reason"]
    routed = plain(audit(audited, ["sex"], router="min_entropy", settings=QUICK, extras=["methods"]))
    assert "router 'context'" in routed["methods"]["reason"] and routed["uses_label"] is False


def test_thresholds_of_a_run_are_chosen_on_its_validation_rows(run):
    (one,) = plain(what_if(run, ["sex"], ThresholdRule("ticket", "tpr")))
    assert [row["stratum"] for row in one["thresholds"]] == list(run.tickets.names)
    assert max(row["n"] for row in one["thresholds"]) < 3256
    few = {row["stratum"]: row["reason"] for row in one["thresholds"] if row["threshold"] is None}
    assert set(few) == {"under 25"} and "validation rows" in few["under 25"]
    assert {row["n"] for row in one["changes"] if row["metric"] == "accuracy"} == {5421, 10860}


def test_a_table_of_the_runs_decisions_has_the_runs_audit(audited, predictions, tmp_path):
    names = np.array(predictions.classes)
    frame = pd.DataFrame(
        {
            "y_true": names[predictions.y_true],
            "y_pred": names[predictions.y_pred],
            "score": predictions.score,
            "ticket": np.array(predictions.tickets)[predictions.ticket],
            "sex": predictions.groups["sex"].astype(str),
        }
    )
    frame.to_csv(tmp_path / "mine.csv", index=False)
    table = plain(audit_table(tmp_path / "mine.csv", {}, ["sex"], QUICK, ["decomposition"]))
    document = plain(audit(audited, ["sex"], settings=QUICK, extras=["decomposition"]))

    def by_place(records: list[dict]) -> dict:
        return {(record["ticket"], record["group"], record["metric"]): record for record in records}

    assert by_place(table["cells"]) == by_place(document["cells"])
    assert by_place(table["gaps"]) == by_place(document["gaps"])
    for one, other in zip(table["decomposition"], document["decomposition"], strict=True):
        assert (one["within"], one["between"]) == pytest.approx((other["within"], other["between"]))


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        ({"groups": ["shoe"]}, "no group column 'shoe'; the data have: sex, race"),
        ({"groups": []}, "at least one group column"),
        ({"groups": ["sex"], "method": "magic"}, "no method 'magic'; it has: rtl"),
        ({"groups": ["sex"], "router": "coin"}, "context, min_entropy"),
        ({"groups": ["sex"], "extras": ["more"]}, "no extra 'more'"),
        ({"groups": ["sex"], "settings": AuditSettings(("sex=None",))}, "no group 'sex=None'"),
        ({"groups": ["sex"], "settings": AuditSettings(metrics=("luck",))}, "no metric 'luck'"),
    ],
)
def test_what_cannot_be_audited_is_refused(audited, ask, says):
    with pytest.raises(BadInput, match=says):
        audit(audited, **ask)


def test_data_that_do_not_fit_are_refused(run):
    with pytest.raises(BadInput, match="no group columns"):
        audit(Audited.of(load_run(store.samples()["fashion10"])), ["sex"])
    with pytest.raises(BadInput, match="inputs of shape"):
        Audited.of(run, "bundled:digits")


def test_a_threshold_and_predictions_are_one_too_many(tmp_path):
    rows = {"y_true": [0, 1] * 20, "y_pred": [0, 1] * 20, "score": [0.0, 0.4] * 20, "sex": ["F", "M", "M", "F"] * 10}
    pd.DataFrame(rows).to_csv(tmp_path / "mine.csv", index=False)
    zero = plain(audit_table(tmp_path / "mine.csv", {"threshold": 0}, ["sex"]))
    assert "predictions are score > 0" in zero["notes"]
    with pytest.raises(BadInput, match="leave out"):
        audit_table(tmp_path / "mine.csv", {"threshold": 0, "y_pred": "y_pred"}, ["sex"])
