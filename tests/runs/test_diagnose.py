"""Diagnosis of finished runs: documents, a probe, and what going back gives."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rtl_core.config import parse
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.runs import diagnose as diagnosis
from rtl_core.runs import retrain, retraining_file
from rtl_core.runs.checkpoint import finished_run
from rtl_core.runs.training import train_new
from tests.toy_run import toy

BASE = toy(
    data={"spec": "bundled:digits"},
    task="one_vs_rest",
    partition={"by": "kmeans", "k": 3},
    sharing={"head": "ticket"},
    model={"name": "mlp", "width": 0.25},
    denser=[0.5],
    lighter=[0.05],
)


def trained(root, **changes):
    config = parse({**BASE, **changes})
    return finished_run(root / train_new(config, root)["run"])


@pytest.fixture(scope="module")
def one_shot(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"), density=0.2)


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    extract = {**BASE["extract"], "schedule": "fraction", "fraction": 0.5}
    return trained(
        tmp_path_factory.mktemp("runs"), density=0.1, extract=extract, collapse={"policy": "warn", "threshold": 0.001}
    )


def test_a_run_cut_in_one_go_gives_no_alarm_and_says_why(one_shot):
    result = diagnosis.diagnose(one_shot)
    assert not result.watched and result.alarm is None and result.last_safe_density is None
    assert "no alarm can be given" in result.advice
    assert [row.density for row in result.rounds] == pytest.approx([0.5, 0.2, 0.05], rel=1e-2)
    assert [row.measure for row in result.rounds] == ["extraction", "extraction", "final"]


def test_rounds_that_were_watched_are_read_off_the_run(rounds):
    result = diagnosis.diagnose(rounds)
    retrained = [row for row in result.rounds if row.measure == "retrained"]
    assert [round(row.density, 3) for row in retrained] == [1.0, 0.5, 0.25, 0.125, 0.1]
    best = np.maximum.accumulate([row.confidence for row in retrained])
    assert [row.drop for row in retrained] == pytest.approx(list(best - [row.confidence for row in retrained]))
    alarm = next((row for row in retrained if row.drop >= 0.001), None)
    assert (result.alarm and result.alarm.round) == (alarm and alarm.round)
    if alarm is not None:
        assert len(result.policy_events) == 1
        assert result.last_safe_density > alarm.density
    for row in result.rounds:
        low, high = row.ci["balanced_accuracy"]
        assert low <= row.figures["balanced_accuracy"] <= high


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """The same training as `rounds`, the alarm going by the Brier score."""
    extract = {**BASE["extract"], "schedule": "fraction", "fraction": 0.5}
    collapse = {"policy": "warn", "brier_threshold": 0.0001}
    return trained(tmp_path_factory.mktemp("runs"), density=0.1, extract=extract, collapse=collapse)


def test_the_alarm_goes_by_the_brier_score_where_it_was_kept(scored):
    result = diagnosis.diagnose(scored)
    retrained = [row for row in result.rounds if row.measure == "retrained"]
    brier = np.array([row.brier for row in retrained])
    assert result.signal == "brier" and result.threshold == 0.0001
    assert [row.off_best for row in retrained] == pytest.approx(list(brier - np.minimum.accumulate(brier)))
    first = next((row.round for row in retrained if row.off_best >= 0.0001), None)
    assert (result.alarm and result.alarm.round) == first
    at = [i for i, row in enumerate(retrained, 1) if row.round == first]
    assert [event.round for event in result.policy_events] == at
    for event in result.policy_events:
        assert event.signal == "brier" and event.threshold == 0.0001 and event.drop == pytest.approx(result.alarm.drop)


def test_what_the_alarm_goes_by_changes_no_bit_of_the_training(scored, rounds):
    assert diagnosis.diagnose(rounds).signal == "confidence"  # a threshold of its own has always been confidence's
    assert np.array_equal(scored.tickets.pruned_at, rounds.tickets.pruned_at)
    assert (scored.folder / "methods.safetensors").read_bytes() == (rounds.folder / "methods.safetensors").read_bytes()


def test_a_run_that_stopped_on_the_way_passed_the_same_rounds(scored, tmp_path):
    """What the study of the alarm rests on: a descent passes the rounds of the run that would have ended there."""
    config = scored.config.model_copy(update={"density": scored.tickets.levels[3].density})
    stopped = finished_run(tmp_path / train_new(config, tmp_path)["run"])
    of = [
        [{**record, "kind": None} for record in run.info["rungs"] if record["measure"] == "retrained"]
        for run in (scored, stopped)
    ]
    assert len(of[1]) == 4 * 3
    assert of[1] == [record for record in of[0] if record["rung"] <= of[1][-1]["rung"]]


def test_a_run_that_kept_no_brier_score_is_diagnosed_by_confidence_as_before(scored):
    records = [{k: v for k, v in record.items() if k != "brier"} for record in scored.info["rungs"]]
    old = diagnosis.diagnose(replace(scored, info={**scored.info, "rungs": records}))
    assert old.signal == "confidence" and old.threshold == 0.02
    assert [row.off_best for row in old.rounds] == [row.drop for row in old.rounds]
    assert (old.alarm and old.alarm.round) == next(
        (row.round for row in old.rounds if row.drop is not None and row.drop >= 0.02), None
    )


def test_a_probe_trains_every_rung_and_is_kept(one_shot, tmp_path):
    events = []
    probed = retrain.probe(one_shot, tmp_path, events.append)
    assert probed.watched and {row.measure for row in probed.rounds} == {"retrained"}
    assert probed.probe.steps == BASE["extract"]["steps"]
    assert events[-1].step == events[-1].steps == 3 * 3
    again = diagnosis.diagnose(one_shot, tmp_path)
    assert plain(again.rounds) == plain(probed.rounds)
    assert not diagnosis.diagnose(one_shot).watched  # kept where the user's runs are, not beside the sample


def test_going_back_is_training_the_denser_masks_from_the_start(one_shot, tmp_path):
    """The same as a run that never went further: masks of one extraction at .5, trained together."""
    relaxed = retrain.relax(one_shot, 0.5, tmp_path).relaxed
    never_further = trained(tmp_path, density=0.5, denser=[])
    level = next(r for r in diagnosis.diagnose(never_further).rounds if r.kind == "target")
    assert level.density == pytest.approx(relaxed.density)
    finals = [r for r in never_further.info["rungs"] if r["measure"] == "final" and r["kind"] == "target"]
    assert relaxed.after == pytest.approx(np.mean([r["balanced_accuracy"] for r in finals]))
    assert relaxed.ci.after[0] <= relaxed.after <= relaxed.ci.after[1]


def test_going_back_means_denser(one_shot, tmp_path):
    with pytest.raises(BadInput, match=r"denser masks.*nearest to 0.05 is 0.05; denser ones of this run: 0.5"):
        retrain.relax(one_shot, 0.05, tmp_path)


def test_a_stopped_run_says_that_it_is_where_it_is_safe(tmp_path):
    extract = {**BASE["extract"], "schedule": "fraction", "fraction": 0.5}
    run = trained(tmp_path, density=0.02, extract=extract, collapse={"policy": "stop", "threshold": 0.001}, lighter=[])
    result = diagnosis.diagnose(run)
    assert len(result.policy_events) == 1
    assert result.last_safe_density == pytest.approx(run.tickets.target.density)
    assert run.tickets.target.density == pytest.approx(result.policy_events[0].safe_density)
    assert "went back" in result.advice


RECORD = {
    **{"ticket": 0, "rung": 1, "measure": "retrained", "n": 5, "ci": {}},
    **{"accuracy": 0.5, "balanced_accuracy": 0.5, "confidence": 0.5},
}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("collapse-probe.json", "{"),
        ("collapse-probe.json", {}),
        ("collapse-probe.json", {"records": [], "steps": 1, "seconds": 1}),
        ("collapse-probe.json", {"records": [{}], "steps": 1, "seconds": 1}),
        ("collapse-probe.json", {"records": "x", "steps": 1, "seconds": 1}),
        ("collapse-probe.json", {"records": [RECORD], "steps": 1, "seconds": 1}),
        ("collapse-relax.json", "[]"),
        ("collapse-relax.json", {}),
        ("collapse-relax.json", {"density": 0.5, "metric": "nope", "before": 1, "after": None}),
    ],
)
def test_a_damaged_audit_is_said_and_not_taken_for_none(one_shot, tmp_path, name, content):
    folder = tmp_path / "audits" / one_shot.name
    folder.mkdir(parents=True)
    if isinstance(content, dict):
        content = json.dumps({"masks": retraining_file.masks_digest(one_shot), **content})
    (folder / name).write_text(content)
    with pytest.raises(BadInput, match=f"{name}.*; delete .* and measure again"):
        diagnosis.diagnose(one_shot, tmp_path)
    (folder / name).write_text('{"masks": "of other masks"}')
    assert not diagnosis.diagnose(one_shot, tmp_path).watched


def test_results_that_could_not_be_kept_are_not_trained_for(one_shot, tmp_path):
    (tmp_path / "audits").write_text("")
    for work in (lambda: retrain.probe(one_shot, tmp_path), lambda: retrain.relax(one_shot, 0.5, tmp_path)):
        with pytest.raises(BadInput, match="nothing could be kept there"):
            work()


@pytest.mark.parametrize("line", ["5", "null", '["a"]', '{"phase": "collapse"}'])
def test_metrics_that_are_no_alarm_are_passed_over(rounds, line):
    file = rounds.folder / "metrics.jsonl"
    whole, result = file.read_bytes(), plain(diagnosis.diagnose(rounds))
    file.write_bytes(whole + line.encode() + b"\n")
    try:
        assert plain(diagnosis.diagnose(rounds)) == result
    finally:
        file.write_bytes(whole)


@pytest.mark.parametrize("density", [float("nan"), float("inf"), 2.0, 0.0, -1.0])
def test_what_is_no_density_is_not_taken_for_the_nearest_rung(one_shot, tmp_path, density):
    with pytest.raises(BadInput, match="above 0 and at most 1"):
        retrain.relax(one_shot, density, tmp_path)
