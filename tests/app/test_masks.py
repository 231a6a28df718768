"""The Masks page: its views over a run with figures that are known, and the parts that need no page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import bitmaps, colours
from app.masks import controls, core, dendrogram, findings, matrix, pair, semantic_alignment
from app.masks.view import Compared
from rtl_core.events import Event
from rtl_core.overlap import chance_level, clustering, ownership
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import layer_profile, similarity
from rtl_core.overlap.twins import count_twins
from rtl_core.runs import retrain, twins
from rtl_core.runs.atomic import write_json
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.retraining_file import masks_digest
from rtl_core.runs.twins_file import TWINS, KeptTwins, as_kept
from rtl_core.statistics.multiple_tests import holm
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet
from tests.app.conftest import NAMES

ROOT = Path(__file__).resolve().parents[2]


def open_masks(**query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in {"run": "known-run", **query}.items():
        app.query_params[name] = value
    return app.run().switch_page("pages/masks.py").run()


def cells(app: AppTest) -> np.ndarray:
    """The numbers in the matrix as it is drawn; NaN where a cell has none."""
    data = json.loads(app.get("echarts_chart")[0].proto.spec)["series"][0]["data"]
    k = int(len(data) ** 0.5)
    return np.array([np.nan if cell["value"][2] == "-" else cell["value"][2] for cell in data]).reshape(k, k)


def titles(app: AppTest) -> list[str]:
    return [element.value for element in app.subheader]


def compared(tickets: TicketSet, layer: str | None = None) -> Compared:
    counts = overlap(tickets).only(None if layer is None else [layer])
    by_chance = chance_level.chance_interval(counts)
    i, j = np.triu_indices(tickets.k, 1)
    p = np.full((tickets.k, tickets.k), np.nan)
    p[i, j] = p[j, i] = holm(by_chance.p[i, j])
    return Compared(counts, similarity(counts), by_chance, p)


def masks_of(*rows: list[int]) -> TicketSet:
    """Tickets a, b, ... that keep the weights marked 1, of one layer."""
    kept = np.array(rows)
    names = tuple("abcdefgh"[: len(rows)])
    layout = Layout(("fc.weight",), ((1, kept.shape[1]),))
    return TicketSet(names, names, layout, (1 - kept).astype(np.uint8), (Level(1, float(kept.mean()), "target"),))


def test_headline_and_matrix(known_run):
    app = open_masks()
    assert app.title[0].value.startswith("Tickets share 5") and "in conv1" in app.title[0].value
    shown = cells(app)
    assert np.isnan(np.diagonal(shown)).all()
    assert np.array_equal(shown, shown.T, equal_nan=True)
    spec = json.loads(app.get("echarts_chart")[0].proto.spec)
    assert len({cell["name"] for cell in spec["series"][0]["data"]}) == 25
    assert spec["visualMap"]["min"] == -spec["visualMap"]["max"]


def test_the_view_is_restored_from_the_address(known_run):
    app = open_masks(rung="10 %", layer="conv2", a="noisy", b="rotated", show="overlap", detail="The pair")
    assert app.selectbox(key="layer").value == "conv2"
    assert (app.selectbox(key="a").value, app.selectbox(key="b").value) == ("noisy", "rotated")
    assert app.select_slider(key="rung").value == "10 %"
    assert any("noisy and rotated share" in title for title in titles(app))
    framed = json.loads(app.get("echarts_chart")[0].proto.spec)["series"][1]["data"]
    assert framed == [[1, 3, 0], [3, 1, 0]]
    assert "in conv2" in titles(app)[0] and "in conv2" in titles(app)[-1]


def test_every_measure_is_the_one_that_is_computed(known_run, known_tickets):
    measures = similarity(overlap(known_tickets))
    for measure in controls.MEASURES:
        shown = cells(open_masks(show=measure.label))
        assert shown[0, 1] == round(float(getattr(measures, measure.field)[0, 1]), 2)


def test_order_by_similarity_moves_rows_and_columns_together(known_run, known_tickets):
    leaves = clustering.tree(similarity(overlap(known_tickets))).leaves
    assert np.array_equal(cells(open_masks(order="by similarity")), cells(open_masks())[np.ix_(leaves, leaves)], True)


def test_the_same_ticket_twice_asks_for_another(known_run):
    app = open_masks(a="noisy", b="noisy", detail="The pair")
    assert not app.exception
    assert all("two different tickets" in element.value for element in app.info) and app.info


@pytest.mark.parametrize(
    ("level", "message"),
    [
        (
            "50 %",
            "accuracy **65.0 %**, mean of 5 tickets (65.0 % to 65.0 %), n = 1,000 validation rows each · measured "
            "during extraction",
        ),
        (
            "10 %",
            "accuracy **61.0 %**, mean of 5 tickets (61.0 % to 61.0 %), n = 1,000 validation rows each · measured "
            "on the final shared weights",
        ),
    ],
)
def test_the_accuracy_of_a_density_says_how_it_was_measured(known_run, level, message):
    assert any(message in element.value for element in open_masks(rung=level).caption)


def test_play_starts_at_the_densest_and_pauses(known_run):
    app = open_masks()
    app.button(key="play").click().run()
    assert app.select_slider(key="rung").value == "50 %"
    assert app.button(key="play").label == "❚❚ Pause"
    app.button(key="play").click().run()
    assert app.button(key="play").label == "▶ Play" and not app.exception


@pytest.mark.parametrize(
    ("detail", "title", "charts"),
    [
        ("Layer by layer", "Tickets share no more than chance in conv", 1),
        ("The pair", "keeps in conv1 is common to both", 1),
        ("Who owns the weights", "of the weights serve no ticket", 2),
        ("Tree and map", "the most similar, are within 2 % of chance", 2),
        ("Density by density", "From 25 % to 10 % density the tickets lose 1.5 points", 1),
    ],
)
def test_each_detail_draws_its_charts(known_run, detail, title, charts):
    app = open_masks(detail=detail)
    assert not app.exception
    assert any(title in message for message in titles(app)[2:])
    assert len(app.get("plotly_chart")) == charts


def test_pairs_beyond_chance_are_found_in_the_shared_layer_only(known_tickets):
    for layer, expected in (("conv1.weight", 10), ("conv3.weight", 0)):
        above, _, pairs = findings.beyond_chance(compared(known_tickets, layer))
        assert (above, pairs) == (expected, 10)


def test_full_and_empty_masks_leave_nothing_to_say():
    for row in ([1, 1, 1, 1], [0, 0, 0, 0]):
        tickets = masks_of(row, row)
        assert findings.matrix_title(compared(tickets), "") == "Every mask is full or empty: overlap says nothing"
        assert findings.headline(layer_profile(overlap(tickets)), 2).startswith("No layer leaves room")


def test_matrix_frames_the_pair_and_labels_only_what_fits(known_tickets):
    measures = compared(known_tickets)
    spec = matrix.cells_spec(measures, controls.MEASURES[0], [4, 2, 0], (0, 4), colours.LIGHT)
    cells, frame = spec["series"]
    assert [cell["name"] for cell in cells["data"][:3]] == [
        "blurred ∩ blurred",
        "blurred ∩ inverted",
        "blurred ∩ original",
    ]
    assert frame["data"] == [[0, 2, 0], [2, 0, 0]]  # column, row: original stands third, blurred first
    assert matrix.cells_spec(measures, controls.MEASURES[0], [1, 2], (0, 4), colours.LIGHT)["series"][1]["data"] == []


def test_around_a_ticket_are_its_neighbours_in_the_tree():
    leaves = list(range(100))[::-1]
    for a in (0, 50, 99):
        around = matrix._around(leaves, a)
        assert len(around) == 40 and a in around
        assert np.array_equal(np.diff(around), np.full(39, -1))


def test_two_colours_can_always_be_told_apart():
    names = tuple(map(str, range(100)))
    view = SimpleNamespace(tickets=SimpleNamespace(k=100), names=names)
    palette = colours.of_tickets(100)
    for j in range(1, 100):
        a, b = pair._two_colours(view, 0, j)
        assert a == palette[0] and pair._apart(a, b) >= pair._TELLABLE


def test_bars_of_a_pair_add_up_to_all_that_either_keeps(known_run, known_tickets):
    figure = json.loads(open_masks(detail="The pair", a="original", b="noisy").get("plotly_chart")[0].proto.spec)
    counted = np.array([[int(n.replace(",", "")) for n in bar["text"]] for bar in figure["data"]])
    a, b = known_tickets.masks()[[0, 3]]
    union = [int((a | b)[span].sum()) for span in known_tickets.layout.slices().values()]
    assert counted.sum(axis=0).tolist() == union


def test_tree_is_drawn_from_the_joins_and_a_leaf_bears_its_ticket():
    tickets = masks_of([1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0])
    measures = clustering.tree(similarity(overlap(tickets)))
    assert (
        findings.tree_title(measures, "")
        == "a and b are most similar, 100 % more than chance; c stands apart from all others"
    )
    x, y = dendrogram._branches(measures)
    assert (len(x), len(y)) == (10, 10) and x[:5] == [0, 0, 0, 0, None]


def test_sets_are_named_in_the_title_where_some_tickets_keep_enough():
    both, third = [1] * 12 + [0] * 20, [0] * 12 + [1] * 4 + [0] * 16
    message = findings.sets_title(ownership.intersections(masks_of(both, both, third)), 3, " in fc")
    assert message == "Exactly a and b keep 12 weights in fc, where chance gives 4"
    few = masks_of([1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0])
    assert findings.sets_title(ownership.intersections(few), 3, "").startswith("The largest sets")


def test_names_on_the_map_stand_away_from_the_nearest_point():
    points = pd.DataFrame({"name": list("abc"), "x": [0.0, 0.0, 5.0], "y": [0.0, 1.0, -1.0]})
    assert dendrogram._name_positions(points) == ["bottom center", "top center", "bottom center"]


def write_masks(root: Path, tickets: TicketSet) -> None:
    """A run that has masks only."""
    from rtl_core.runs.checkpoint import Outcome, save_checkpoint

    folder = root / "masks-run"
    folder.mkdir()
    sources = [{"ticket": name, "file": name, "format": "npz", "sha256": "", "bytes": 1} for name in tickets.names]
    info = {"kind": "masks", "sources": sources, "left_out": [], "warnings": []}
    save_checkpoint(folder, Outcome(tickets, info))


@pytest.mark.parametrize("detail", ["The pair", "Density by density"])
def test_a_run_with_masks_only_says_what_needs_a_model(runs_folder, known_tickets, detail):
    write_masks(runs_folder, known_tickets)
    app = open_masks(run="masks-run", detail=detail)
    message = [element.value for kind in ("caption", "info") for element in app.get(kind)]
    assert not app.exception
    assert any("masks only" in sentence for sentence in message)
    assert "exchange" not in {button.key for button in app.button}


def test_one_ticket_has_no_matrix(runs_folder):
    write_masks(runs_folder, masks_of([1, 1, 0, 0]))
    app = open_masks(run="masks-run", detail="The pair")
    assert not app.exception
    assert app.title[0].value.startswith("One ticket")
    assert not app.get("echarts_chart") and len(app.get("plotly_chart")) == 1


def test_more_tickets_than_can_be_clicked_are_an_overview_and_a_part(runs_folder):
    draw = np.random.default_rng(0)
    layout, names = Layout(("fc.weight",), ((8, 40),)), tuple(f"t{k}" for k in range(130))
    pruned_at = (draw.random((130, layout.n)) < 0.7).astype(np.uint8)
    write_masks(runs_folder, TicketSet(names, names, layout, pruned_at, (Level(1, 0.3, "target"),)))
    app = open_masks(run="masks-run", a="t7", b="t8")
    assert not app.exception
    shown = json.loads(app.get("echarts_chart")[0].proto.spec)
    assert "t7" in shown["xAxis"]["data"] and len(shown["series"][0]["data"]) == 40 * 40
    overview = json.loads(app.get("plotly_chart")[0].proto.spec)["data"][0]
    assert overview["type"] == "heatmap" and len(overview["x"]) == 130


def test_names_that_no_taxonomy_knows_lead_to_one_that_does(known_run):
    app = open_masks(detail="Meaning")
    assert "No taxonomy knows these tickets' names" in titles(app)
    example = json.loads(app.code[0].value)
    example["paths"] = json.loads(semantic_alignment._example(("original", "rotated", "inverted", "noisy", "blurred")))[
        "paths"
    ]
    app.file_uploader[0].set_value([("own.json", json.dumps(example).encode(), "application/json")]).run()
    assert not app.exception and not app.error
    assert titles(app)[-1].startswith(("Overlap does not visibly", "Tickets of related classes"))
    app.file_uploader[0].set_value([("own.json", b"[]", "application/json")]).run()
    assert "taxonomy" in app.error[0].value


def test_an_exchange_is_judged_by_its_random_control():
    row = pd.Series({"difference": -0.05, "diff_low": -0.07, "diff_high": -0.03, "decisions_changed": 0.1, "n": 2000})
    like = pd.concat([row, pd.Series({"control_mean": 0.74, "control_low": 0.7, "control_high": 0.78})])
    unlike = pd.concat([row, pd.Series({"control_mean": 0.6, "control_low": 0.5, "control_high": 0.7})])
    message = findings.exchange_sentence(like, own=0.8)
    assert message == (
        "−5.0 points (−7.0 to −3.0 points), 10 % of 2,000 decisions change; as many random weights: −6.0 points "
        "(−10.0 to −2.0 points): which weights they are makes no visible difference."
    )
    assert findings.exchange_sentence(unlike, own=0.8).endswith("which weights they are matters.")


def keep_twins(folder: Path, tickets: TicketSet) -> None:
    """Twins as a measurement would keep them: each of the ticket's own ranking, so that they share a lot."""
    draw = np.random.default_rng(3)
    noisy = [np.clip(tickets.pruned_at + (draw.random(tickets.pruned_at.shape) < 0.1), 0, 3) for _ in range(4)]
    levels = []
    for level in tickets.levels:
        sides = np.stack([replace(tickets, pruned_at=of_side).masks(level) for of_side in noisy])
        levels.append(as_kept(level, count_twins(tickets.layout, tickets.masks(level), sides)))
    rows = [1000 + k for k in range(tickets.k)]
    kept = KeptTwins(masks_digest(load_run(folder)), rows, [one // 2 for one in rows], levels, 2_400, 40.0)
    (folder / "audits").mkdir()
    write_json(folder / "audits" / TWINS, kept)


def test_twins_are_measured_on_request_and_every_pair_is_placed(known_run, known_tickets, monkeypatch):
    calls = []
    monkeypatch.setattr(twins, "cost", lambda run: retrain.Cost(2400, 40.0))

    def measure(run, root, report):
        calls.append(run.name)
        report(Event("warm_start", "rtl", 1, 2))
        report(Event("extract", "rtl", 1, 2))
        keep_twins(run.folder, known_tickets)

    monkeypatch.setattr(twins, "measure_twins", measure)
    app = open_masks(detail="Luck and data")
    assert titles(app)[-1] == "How much of this is luck?" and not app.get("plotly_chart")
    assert app.button(key="twins").label == "Measure the twins: about 40 s"
    assert "2,400 gradient steps" in app.button(key="twins").help
    app.button(key="twins").click().run()
    assert calls == ["known-run"] and not app.exception
    assert "share less than twins do" in titles(app)[2] and titles(app)[3].startswith("Luck alone: two halves of one")
    positions = json.loads(app.get("plotly_chart")[0].proto.spec)
    assert len(positions["data"]) == 1 + 3 + 1  # dots for all layers and for each, and the diamonds
    assert positions["layout"]["yaxis"]["ticktext"] == ["all layers", "conv1", "conv2", "conv3"]
    assert any(element.value.startswith("Between chance (0) and what twins share (1)") for element in app.caption)
    assert "twins" not in {button.key for button in app.button}


def test_masks_alone_have_no_twins_and_no_core(runs_folder, known_tickets):
    write_masks(runs_folder, known_tickets)
    app = open_masks(run="masks-run", detail="Luck and data")
    assert not app.exception and "masks only" in app.info[0].value
    app = open_masks(run="masks-run", detail="Who owns the weights")
    assert not app.exception and any("masks only" in element.value for element in app.caption)
    assert not {"twins", "core"} & {button.key for button in app.button}


def test_a_damaged_file_of_twins_is_said(known_run):
    (known_run / "audits").mkdir()
    (known_run / "audits" / TWINS).write_text("{")
    app = open_masks(detail="Luck and data")
    assert "measure again (similarity --twins)" in app.error[0].value


def test_core_and_specialists_are_measured_on_request(known_run, monkeypatch):
    def row(ticket, variant, kept, value, control):
        return {
            **{"ticket": ticket, "variant": variant, "kept": kept, "dead_layers": [], "n": 400, "metric": "accuracy"},
            **{"value": value, "low": value - 0.02, "high": value + 0.02},
            **{"control_mean": control, "control_low": control - 0.03, "control_high": control + 0.03},
        }

    measured = pd.DataFrame(
        [
            row(name, variant, *numbers)
            for name in NAMES
            for variant, *numbers in (
                ("own", 2_700, 0.8, np.nan),
                ("core", 90, 0.5, 0.4),
                ("without private", 2_000, 0.75, 0.77),
            )
        ]
    )
    monkeypatch.setattr(core, "_measured", lambda run: measured)
    app = open_masks(detail="Who owns the weights")
    assert app.button(key="core").label == "Measure core and specialists" and len(app.get("plotly_chart")) == 2
    app.button(key="core").click().run()
    assert not app.exception and len(app.get("plotly_chart")) == 3
    assert titles(app)[-1] == (
        "Alone the weights that all tickets keep reach 50.0 %, whole tickets 80.0 %; without its private weights a "
        "ticket loses 5.0 points, without as many random ones it loses 3.0 points"
    )
    sentence = "All tickets keep 90 weights, of the 2,700 of one; as many random ones of a ticket reach 40.0 %."
    assert any(element.value.startswith(sentence) for element in app.caption)


def test_kernels_count_what_the_masks_say():
    draw = np.random.default_rng(0)
    a, b = draw.random(6 * 4 * 9) < 0.3, draw.random(6 * 4 * 9) < 0.6
    codes = bitmaps.kernels(a, b, (6, 4, 3, 3))
    assert codes.shape == (4 * 4, 6 * 4)
    counts = [(codes == code).sum() for code in range(4)]
    assert counts == [(~a & ~b).sum(), (a & ~b).sum(), (b & ~a).sum(), (a & b).sum()]
    first = (a.astype(int) + 2 * b).reshape(6, 4, 3, 3)
    assert np.array_equal(codes[4:7, 8:11], first[2, 1])  # input 1, output 2
