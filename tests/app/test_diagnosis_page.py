"""The Diagnosis page: what it says of documents with figures known on paper, and of runs without an alarm."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from app import colours
from app.diagnosis import advice, calibration, curves, findings, flags, layers
from app.diagnosis.view import View
from rtl_core.audit import collapse
from rtl_core.errors import BadInput
from rtl_core.runs import retrain
from rtl_core.runs.checkpoint import Outcome, load_run, save_checkpoint
from rtl_core.runs.diagnose import diagnose
from rtl_core.runs.diagnosis import Alarm, Diagnosis, Flag, LayerRound, Place, Round
from rtl_core.runs.retraining_file import BeforeAndAfter, Relaxed
from rtl_core.runs.store import samples
from rtl_core.tickets.ticket_set import Level, TicketSet

ROOT = Path(__file__).resolve().parents[2]
CONFIDENCE = (0.60, 0.64, 0.63, 0.60)  # the best is the second: drops 0, 0, .01, .04
ACCURACY = (0.70, 0.72, 0.72, 0.69)
DENSITIES = (1.0, 0.5, 0.25, 0.1)


def diagnosis(**changed) -> Diagnosis:
    """Four retrained levels of two tickets; the last layer is empty in the last one."""
    rounds = [
        Round(
            round=i,
            density=density,
            kind="target" if i == len(DENSITIES) else "denser",
            iou_mean=density,
            chance_mean=density / 2,
            chance_low=density / 2 - 0.01,
            chance_high=density / 2 + 0.01,
            excess_mean=np.nan if density == 1 else 0.3,
            figures={"accuracy": accuracy, "balanced_accuracy": accuracy},
            ci={m: [accuracy - 0.02, accuracy + 0.02] for m in ("accuracy", "balanced_accuracy")},
            confidence=confidence,
            drop=(off := max(CONFIDENCE[:i]) - confidence),
            off_best=off,
            measure="retrained",
        )
        for i, (density, accuracy, confidence) in enumerate(zip(DENSITIES, ACCURACY, CONFIDENCE, strict=True), 1)
    ]
    by_layer = [
        LayerRound(
            row.round,
            row.density,
            layer,
            iou_mean=np.nan if (gone := layer == "conv2.weight" and row.density == 0.1) else row.density,
            chance_mean=np.nan if gone else 0.1,
            excess_mean=np.nan if gone or row.density == 1 else 0.2,
            density_mean=0.0 if gone else row.density,
            empty_tickets=2 if gone else 0,
        )
        for row in rounds
        for layer in ("conv1.weight", "conv2.weight")
    ]
    known = Diagnosis(
        run="known-run",
        k=2,
        metric="accuracy",
        watched=True,
        threshold=0.02,
        n=1000,
        rounds=rounds,
        layers=by_layer,
        flags=[
            Flag(4, 0.1, "down", "confidence", None, True, "Rings."),
            Flag(4, 0.1, "up", "excess", "conv2.weight", False, "Rises."),
        ],
        alarm=Alarm(4, 0.1, drop=0.04, threshold=0.02),
        fall=Place(4, 0.1),
        lead=0,
        last_safe_density=0.25,
        policy="warn",
        policy_events=[],
        relaxed=None,
        probe=None,
        advice="Go back.",
    )
    return replace(known, **changed)


def view_of(masks_only: bool = False, mode: str = "paper", **changed) -> View:
    target = SimpleNamespace(density=0.1)
    config = None if masks_only else SimpleNamespace(mode=mode)
    run = SimpleNamespace(config=config, masks_only=masks_only, tickets=SimpleNamespace(target=target))
    return View(run, diagnosis(**changed))


def open_diagnosis(**query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in {"run": "known-run", **query}.items():
        app.query_params[name] = value
    return app.run().switch_page("pages/diagnosis.py").run()


def charts(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def texts(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "error")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def shown(monkeypatch, result: Diagnosis, **query) -> AppTest:
    monkeypatch.setattr("app.diagnosis.view.diagnose", lambda run, root: result)
    return open_diagnosis(**query)


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (view_of(), "The alarm comes at 10 % density; the last safe one is 25 %"),
        (view_of(alarm=None, last_safe_density=0.1), "No alarm down to 10 % density"),
        (
            view_of(alarm=None, last_safe_density=0.25, policy_events=[SimpleNamespace(density=0.1)]),
            "The alarm came at 10 % density while it trained; it went back, to tickets that are safe at 25 %",
        ),
        (view_of(watched=False), "This run was cut in one go"),
        (view_of(masks_only=True, watched=False), "Masks alone ring no alarm"),
        (view_of(mode="gated", watched=False), "These masks were not pruned level by level"),
    ],
)
def test_the_headline_is_the_answer(view, message):
    assert findings.headline(view).startswith(message)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({}, "At 10 % confidence lies 4.0 points below its best, in the round in which accuracy falls"),
        ({"lead": 1}, "At 10 % confidence lies 4.0 points below its best, 1 round before accuracy falls"),
        ({"lead": -2}, "At 10 % confidence lies 4.0 points below its best, 2 rounds after accuracy fell"),
        (
            {"fall": None, "lead": None},
            "At 10 % confidence lies 4.0 points below its best; accuracy has not fallen yet",
        ),
        ({"alarm": None, "lead": None}, "Accuracy falls at 10 % without an alarm: it was missed"),
        ({"alarm": None, "fall": None, "lead": None}, "Confidence stays within 4.0 points of its best"),
        ({"watched": False}, "At 10 % density tickets share 10 %, where chance gives 5 %"),
    ],
)
def test_the_chart_says_when_confidence_fell_and_whether_it_was_early(changed, message):
    assert findings.curves_title(view_of(**changed), None) == message


def test_only_what_has_no_rounds_yet_can_be_retrained():
    assert view_of(watched=False).could_be_retrained
    assert not view_of().could_be_retrained
    assert not view_of(masks_only=True, watched=False).could_be_retrained
    assert not view_of(mode="gated", watched=False).could_be_retrained


def test_the_figure_has_both_rows_over_one_reversed_axis_and_names_the_alarm():
    drawn = curves.figure(view_of(), None, colours.LIGHT)
    by_name = {trace.name: trace for trace in drawn.data if trace.name}
    assert list(by_name["confidence"].y) == pytest.approx([60, 64, 63, 60])
    assert list(by_name["accuracy"].error_y.array) == pytest.approx([2] * 4)
    assert list(by_name["overlap (IoU)"].y) == list(DENSITIES)
    assert drawn.layout.xaxis.range[0] > 2 > 1 > drawn.layout.xaxis.range[1]  # 100 % on the left, 10 % on the right
    message = {note.text: note.x for note in drawn.layout.annotations}
    assert message["<b>alarm: 10 %</b>"] == pytest.approx(1) and message["last safe: 25 %"] == pytest.approx(
        np.log10(25)
    )


def test_names_of_lines_that_end_together_are_moved_apart():
    rounds = [replace(row, confidence=row.figures["accuracy"]) for row in diagnosis().rounds]
    drawn = curves.figure(view_of(rounds=rounds), None, colours.LIGHT)
    ends = {note.text: note.y for note in drawn.layout.annotations}
    low, high = drawn.layout.yaxis2.range
    assert abs(ends["accuracy"] - ends["confidence"]) >= 0.08 * (high - low)


def test_the_overlap_of_one_layer_has_no_band_and_leaves_the_lower_row_alone():
    whole, one = (curves.figure(view_of(), layer, colours.LIGHT) for layer in (None, "conv2.weight"))
    assert sum(trace.fill == "toself" for trace in whole.data) == 1
    assert not any(trace.fill == "toself" for trace in one.data)
    overlap = next(trace for trace in one.data if trace.name == "overlap (IoU)")
    assert np.isnan(overlap.y[-1]) and list(overlap.y[:-1]) == [1.0, 0.5, 0.25]
    assert next(t for t in one.data if t.name == "confidence").y == pytest.approx([60, 64, 63, 60])


def test_flags_name_layer_direction_and_which_one_is_the_alarm():
    table = flags.table(view_of().flags)
    assert list(table[""]) == ["⚠ alarm", "sign"]
    assert list(table.direction) == ["↓ down", "↑ up"] and list(table.layer) == ["all", "conv2"]
    assert findings.flags_title(view_of().flags) == "The alarm, and other signs: 1 up, 0 down"


def test_empty_layers_are_marked_in_the_heatmap_and_named_in_its_title():
    view = view_of()
    for kind in layers._SHOWN.values():
        drawn = layers.figure(view.layers, kind, colours.DARK)
        marks = [(note.x, note.y) for note in drawn.layout.annotations if note.text == "✕"]
        assert marks == [(3, 1)]
    assert (
        findings.kept_title(view.layers)
        == "Some tickets keep nothing in conv2 at 10 % density, where conv1 still keeps 10 %"
    )
    assert findings.excess_title(view.layers) == "At 10 % density tickets agree most in conv1 (+0.20)"


def test_going_back_is_shown_beside_what_it_was_and_each_ticket_alone():
    relaxed = Relaxed(
        masks="",
        density=0.25,
        metric="accuracy",
        before=0.70,
        after=0.76,
        ci=BeforeAndAfter([0.68, 0.72], [0.74, 0.78]),
        n=1000,
        steps=600,
        seconds=12.0,
    )
    rows = advice.compared(view_of(), relaxed)
    assert list(rows.value) == [0.70, 0.76, 0.72] and list(rows.alone) == [False, False, True]
    assert rows.low.iloc[2] == pytest.approx(0.70)
    assert findings.relaxed_title(relaxed) == "Going back to 25 % changes accuracy by +6.0 points"
    closer = replace(relaxed, after=0.71, ci=BeforeAndAfter([0.68, 0.72], [0.69, 0.73]))
    assert findings.relaxed_title(closer) == "Going back to 25 % changes accuracy by +1.0 points; the intervals overlap"


def held_out(confidence: list[float], accuracy: list[float]) -> dict:
    return {"part": "held_out", "metric": "accuracy", "rounds": {"confidence": confidence, "accuracy": accuracy}}


CALIBRATED = {
    "domains / deep / seed 31": held_out([0.6, 0.58, 0.57, 0.5], [0.7, 0.7, 0.6, 0.6]),  # one round early
    "domains / deep / seed 32": held_out([0.6, 0.6, 0.57, 0.5], [0.7, 0.6, 0.6, 0.6]),  # one round late
    "digits / deep / seed 31": held_out([0.6, 0.6, 0.6, 0.6], [0.7, 0.6, 0.6, 0.6]),  # not at all
    "digits / mild / seed 31": held_out([0.6, 0.5, 0.5, 0.5], [0.7, 0.7, 0.7, 0.7]),  # for nothing
    "digits / mild / seed 32": held_out([0.6, 0.6, 0.6, 0.6], [0.7, 0.7, 0.7, 0.7]),
    "domains / deep / seed 0": {**held_out([0.6, 0.5], [0.7, 0.7]), "part": "tuning"},
}


def test_the_alarm_is_judged_on_held_out_runs_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(calibration, "RESULTS", tmp_path)
    assert calibration.read() is None
    (tmp_path / "collapse.json").write_text(json.dumps(CALIBRATED))
    runs = calibration.judged(calibration.read(), 0.02).set_index("run")
    verdicts = [collapse.IN_TIME, collapse.TOO_LATE, collapse.MISSED, collapse.FALSE_ALARM, collapse.SILENT]
    assert list(runs.verdict) == verdicts
    assert list(runs.lead[:2]) == [1, -1] and runs.lead[2:].isna().all()
    message = calibration.summary(runs)
    assert message["Warned in time"] == "1 of 3 runs that collapsed (6 to 79 %)"  # Wilson: .0615 to .7923
    assert message["False alarms"] == "1 of 2 runs that did not collapse (9 to 91 %)"
    assert message["Lead"] == "median 0 rounds, from −1 to 1"
    assert len(message) == 4
    assert len(calibration.figure(runs.reset_index(), colours.LIGHT).data) == 3


def test_an_alarm_by_the_brier_score_is_judged_once_more_shortly_before_the_fall(tmp_path, monkeypatch):
    """Seven rounds that fall in the sixth: it stops in the third, after which nothing must have rung before."""
    rounds = {"confidence": [0.6] * 7, "accuracy": [0.7, 0.7, 0.7, 0.7, 0.7, 0.6, 0.6]}
    early = {
        "part": "held_out",
        "metric": "accuracy",
        "rounds": {**rounds, "brier": [0.4, 0.4, 0.43, 0.4, 0.4, 0.5, 0.5]},
    }
    good = {
        "part": "held_out",
        "metric": "accuracy",
        "rounds": {**rounds, "brier": [0.4, 0.4, 0.4, 0.4, 0.43, 0.5, 0.5]},
    }
    monkeypatch.setattr(calibration, "RESULTS", tmp_path)
    (tmp_path / "alarm.json").write_text(json.dumps({"a / seed 1": early, "b / seed 1": good}))
    runs = calibration.judged(calibration.read("brier"), 0.02, "brier").set_index("run")
    assert list(runs.verdict) == [collapse.IN_TIME, collapse.FALSE_ALARM, collapse.IN_TIME, collapse.SILENT]
    assert list(runs.index[1::2]) == ["a / seed 1, stopped in round 3", "b / seed 1, stopped in round 3"]


def scored(**changed) -> View:
    """The same levels with a Brier score, of which the alarm goes: .50, .46, .47 and .49."""
    brier = (0.50, 0.46, 0.47, 0.49)
    rounds = [
        replace(row, brier=value, off_best=value - min(brier[: i + 1]))
        for i, (row, value) in enumerate(zip(diagnosis().rounds, brier, strict=True))
    ]
    return view_of(
        **{"rounds": rounds, "signal": "brier", "threshold": 0.019, "alarm": Alarm(4, 0.1, 0.03, 0.019), **changed}
    )


def test_an_alarm_by_the_brier_score_is_called_that():
    view = scored()
    assert findings.curves_title(view, None).startswith("At 10 % the Brier score lies 0.030 above its least")
    assert findings.facts(view).startswith("The alarm rings where the Brier score lies 0.019 above its least so far")
    assert findings.EXPLAINED[view.explained].startswith("Brier score")
    silent = scored(alarm=None, fall=None, lead=None)
    assert findings.curves_title(silent, None) == "The Brier score stays within 0.030 of its least"
    drawn = curves.figure(view, None, colours.LIGHT)
    (line,) = [trace for trace in drawn.data if trace.name == "Brier score"]
    assert list(line.y) == [0.50, 0.46, 0.47, 0.49]


@pytest.mark.parametrize("detail", ["Flags", "What to do", "How the alarm was calibrated"])
def test_every_view_of_a_run_watched_by_the_brier_score(known_run, monkeypatch, detail):
    app = shown(monkeypatch, scored().diagnosis, detail=detail)
    assert not app.exception and not app.error
    assert "At the bottom: the Brier score, which the alarm goes by" in texts(app)
    message = {"Flags": "Only the Brier score is an alarm", "What to do": "Go back."}
    assert message.get(detail, "as if it had stopped 3 rounds before its fall") in texts(app)


def test_an_alarm_by_doubt_is_given_in_spreads():
    view = view_of(signal="doubt", confidence_unit="", threshold=0.2, alarm=Alarm(4, 0.1, 0.31, 0.2))
    assert "doubt lies 0.31 of its spread over the inputs above its least" in findings.curves_title(view, None)
    assert "doubt lies 0.2 of its spread" in findings.facts(view)


def test_a_run_without_a_brier_score_says_so():
    assert "this run kept no Brier score" in findings.facts(view_of())


@pytest.mark.parametrize("detail", ["Flags", "Layers", "What to do", "How the alarm was calibrated"])
def test_every_view_of_a_watched_run(known_run, monkeypatch, detail):
    monkeypatch.setattr(calibration, "RESULTS", known_run / "none")
    app = shown(monkeypatch, diagnosis(), detail=detail)
    assert not app.exception and not app.error
    assert app.title[0].value == "The alarm comes at 10 % density; the last safe one is 25 %"
    message = {"Flags": "other signs: 1 up, 0 down", "Layers": "keep nothing in conv2", "What to do": "Go back."}
    assert message.get(detail, "they are made by `python -m benchmarks.collapse`") in texts(app)
    assert "Overlap is shown and rings nothing" in texts(app)


def test_an_alarm_before_anything_was_safe_offers_no_way_back(known_run, monkeypatch):
    at_first = diagnosis(alarm=Alarm(0, 1.0, drop=0.04, threshold=0.02), fall=Place(0, 1.0), last_safe_density=None)
    app = shown(monkeypatch, at_first, detail="What to do")
    assert not app.exception and "Go back." in texts(app)
    assert not [button for button in app.button if button.key == "relax"]


def test_the_layer_is_chosen_by_the_address(known_run, monkeypatch):
    app = shown(monkeypatch, diagnosis(), **{"overlap-in": "conv2"})
    assert app.selectbox(key="overlap-in").value == "conv2"
    assert not any(trace.get("fill") == "toself" for trace in charts(app)[0]["data"])


def test_a_run_cut_in_one_go_is_retrained_on_request_and_then_heard(known_run, monkeypatch):
    calls = []
    result = [diagnosis(watched=False, alarm=None, fall=None, lead=None, flags=[], last_safe_density=None)]
    monkeypatch.setattr("app.diagnosis.view.diagnose", lambda run, root: result[-1])
    monkeypatch.setattr(retrain, "cost", lambda run: retrain.Cost(2400, 40.0))

    def probe(run, root, report):
        calls.append(run.name)
        (run.folder / "audits").mkdir()
        (run.folder / "audits" / "collapse-probe.json").write_text("{}")
        result.append(diagnosis())

    monkeypatch.setattr(retrain, "probe", probe)
    app = open_diagnosis()
    button = app.button(key="probe")
    assert (
        button.label == "Retrain every level and watch for the alarm: about 40 s"
        and "2,400 gradient steps" in button.help
    )
    button.click().run()
    assert calls == ["known-run"] and not app.exception
    assert app.title[0].value == "The alarm comes at 10 % density; the last safe one is 25 %"
    assert not [button for button in app.button if button.key == "probe"]


def test_what_cannot_be_retrained_says_why(known_run, monkeypatch):
    def refuse(run, root, report):
        raise BadInput("the data have changed; put them back")

    monkeypatch.setattr(retrain, "cost", lambda run: retrain.Cost(1, 1.0))
    monkeypatch.setattr(retrain, "probe", refuse)
    app = shown(monkeypatch, diagnosis(watched=False, alarm=None, fall=None, lead=None, last_safe_density=None))
    app.button(key="probe").click().run()
    assert not app.exception and app.warning[0].value == "the data have changed; put them back."


def save_masks(folder: Path, tickets: TicketSet) -> None:
    folder.mkdir()
    info = {"kind": "masks", "sources": [], "left_out": [], "warnings": []}
    save_checkpoint(folder, Outcome(tickets, info))


def test_masks_alone_show_their_overlap_and_offer_no_retraining(runs_folder, known_tickets):
    save_masks(runs_folder / "masks-run", known_tickets)
    app = open_diagnosis(run="masks-run")
    assert not app.exception
    assert app.title[0].value.startswith("Masks alone ring no alarm")
    assert "need a network" in texts(app)
    names = {trace.get("name") for trace in charts(app)[0]["data"]}
    assert "overlap (IoU)" in names and "confidence" not in names
    assert not [button for button in app.button if button.key in ("probe", "relax")]


def test_one_mask_alone_has_nothing_to_draw_but_its_layers(runs_folder, known_tickets):
    alone = TicketSet(("a",), ("a",), known_tickets.layout, known_tickets.pruned_at[:1], (Level(1, 0.5, "target"),))
    alone = replace(alone, pruned_at=np.minimum(alone.pruned_at, 1))
    save_masks(runs_folder / "one-mask", alone)
    app = open_diagnosis(run="one-mask", detail="Layers")
    assert not app.exception
    assert "no pair whose overlap could be looked at" in texts(app)
    assert len(charts(app)) == 1


def test_the_document_of_a_real_run_is_drawn(runs_folder):
    app = open_diagnosis(run="adult", detail="Layers")
    assert not app.exception
    rounds = diagnose(load_run(samples()["adult"])).rounds
    drawn = next(trace for trace in charts(app)[0]["data"] if trace.get("name") == "overlap (IoU)")
    values = np.frombuffer(base64.b64decode(drawn["y"]["bdata"]), drawn["y"]["dtype"])
    assert values == pytest.approx([row.iou_mean for row in rounds])
    assert [button.label for button in app.button if button.key == "probe"]


@pytest.mark.parametrize("query", [{"detail": ""}, {"detail": "Layers", "heat": ""}])
def test_a_choice_that_the_address_leaves_empty_is_the_first_one(known_run, monkeypatch, query):
    app = shown(monkeypatch, diagnosis(), **query)
    assert not app.exception and not app.error


def test_a_damaged_audit_is_said_in_place_of_the_page(known_run):
    (known_run / "audits").mkdir()
    (known_run / "audits" / "collapse-relax.json").write_text("{")
    app = open_diagnosis()
    assert not app.exception and not app.title
    assert "not valid JSON" in app.error[0].value and "measure again (diagnose --relax)" in app.error[0].value
