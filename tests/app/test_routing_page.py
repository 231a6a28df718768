"""The Routing page: counts, budget and reasons against the core's own document, over the sample of ten classes."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import colours
from app.routing import choice_explained, findings, router_table, samples, sankey, view
from app.routing.view import View
from rtl_core.data.class_folders import KINDS
from rtl_core.runs.checkpoint import Outcome, load_run, save_checkpoint
from rtl_core.runs.routing import Route, Routing, route
from rtl_core.runs.store import samples as sample_folders

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


def open_routing(run: str = "fashion10", **query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in {"run": run, **query}.items():
        app.query_params[name] = value
    return app.run().switch_page("pages/routing.py").run()


def texts(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "error", "info", "warning")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def cells(app: AppTest) -> np.ndarray:
    """The counts in the matrix as it is drawn."""
    data = json.loads(app.get("echarts_chart")[0].proto.spec)["series"][0]["data"]
    return np.array([cell["value"][3] for cell in data]).reshape(10, 10)


@pytest.fixture(scope="module")
def routing() -> Routing:
    return view.routing_of(load_run(sample_folders()["fashion10"]))  # the one that the page asks


@pytest.fixture(scope="module")
def routed(routing) -> Route:
    return route(routing, "gate", 0.5)


def test_the_page_shows_the_counts_of_the_command_line(runs_folder, routed):
    app = open_routing()
    assert not app.exception
    assert cells(app).tolist() == routed.report.counts
    own = f"{100 * routed.report.row.agreement_with_oracle:.1f} %"
    assert (
        app.title[0].value == f"The gate sends {own} of the pictures to their own ticket; by chance it would be 10.0 %"
    )
    counts = np.array(routed.report.counts)
    worst = int((np.diag(counts) / counts.sum(axis=1)).argmin())
    assert app.subheader[0].value.startswith(f"{routed.report.classes[worst]} is misrouted most often")


def test_a_click_on_a_cell_shows_whom_it_counts(runs_folder, routed):
    app = open_routing()
    (i, k), classes, tickets = (6, 0), routed.report.classes, routed.report.tickets
    app.session_state["class"], app.session_state["to"] = classes[i], tickets[k]
    app.run()
    assert f"**{classes[i]} sent to {tickets[k]}: {routed.report.counts[i][k]} pictures**" in texts(app)
    frame = json.loads(app.get("echarts_chart")[0].proto.spec)["series"][1]["data"]
    assert frame == [[k, i, 0]]


def test_half_the_budget_is_the_command_lines_and_the_command_is_shown(runs_folder, routed):
    app = open_routing(budget="50", detail="Budget")
    assert not app.exception
    point = routed.budget
    assert f"{100 * point.accuracy:.1f} % of the pictures are answered rightly" in app.title[0].value
    assert cells(app).sum(axis=0).tolist() == point.tickets
    chosen = next(
        trace
        for trace in json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
        if trace.get("name") == "your budget"
    )
    assert chosen["x"] == pytest.approx([100 * point.cost / routed.full_cost])
    assert chosen["y"] == pytest.approx([100 * point.accuracy])
    assert app.code[0].value == "python -m rtl_core route fashion10 --router gate --budget 0.5 --curve 12 --json"
    assert "Dense kernels execute the same FLOPs" in texts(app)


def test_low_power_is_the_budget_of_the_lightest_rungs(routing):
    looked = View(routing, "gate")
    cost = routing.offered.cost("macs")
    chosen = routing.routed("gate").choice.ticket
    expected = sum(int(cost[k].min()) for k in chosen) / sum(int(cost[k, 0]) for k in chosen)
    assert looked.lightest_share == pytest.approx(expected)
    low = View(routing, "gate", looked.lightest_share)
    assert cost[low.ticket, low.level].mean() <= expected * looked.full_cost + 1e-6


def test_a_budget_counts_a_claim_and_the_page_compares_like_with_like(routing):
    looked = View(routing, "oracle")
    predicted = np.array([routing.answers.kept[k, i, 0] > 0 for i, k in enumerate(routing.eval_set.subset)])
    assert looked.credit_alone.tolist() == predicted.tolist()


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ({"detail": "Routers compared"}, "Best without being told"),
        ({"detail": "Sure and right"}, "calibration error"),
        ({"detail": "Sure and right", "router": "Oracle (told the subset)"}, "gives no probability for its choice"),
        ({"detail": "By group"}, "there are no groups to compare"),
        ({"detail": "Map of inputs"}, "two axes show"),
        ({"detail": "Your own picture"}, "Choose a picture"),
        ({"router": "Oracle (told the subset)"}, "reads the label"),
        ({"router": "Oracle (told the subset)"}, "nothing is shown by it"),
        ({"low": "true"}, "of the tickets' own cost"),
    ],
)
def test_each_view_says_its_finding(runs_folder, query, title):
    app = open_routing(**query)
    assert not app.exception and title in texts(app)


def test_routers_that_read_the_label_say_so_in_every_row(routing):
    looked = View(routing, "gate")
    rows = router_table.frame(looked.compared(), looked.worth)
    table = router_table.table(rows, looked).set_index("router")
    oracles = [name for name in table.index if "told the label" in name]
    assert len(oracles) == rows.uses_label.sum() == 1
    assert np.isnan(table.right[oracles[0]]) and table["own ticket"][oracles[0]] == 100


def test_the_reason_is_the_gates_and_adds_up(routing):
    looked = View(routing, "gate")
    gate, row = routing.scene.gate, routing.eval_set.rows[7]
    reason = looked.reason(7)
    assert reason.probability == pytest.approx(gate.probabilities(np.array([row]))[0])
    assert reason.probability.sum() == pytest.approx(1)
    x = gate.features(gate.inputs(np.array([row])))[0]
    centroids = routing.scene.centroids.parameters["weight"]
    assert reason.distance == pytest.approx([float(((x - c) ** 2).sum()) ** 0.5 for c in centroids], rel=1e-4)
    claims = routing.answers.kept[:, 7, 0]
    assert reason.answer.tolist() == (claims > 0).astype(int).tolist()
    assert reason.confidence == pytest.approx(1 / (1 + np.exp(-np.abs(claims))), abs=1e-4)
    own = looked.names[routing.eval_set.subset[7]]
    table = choice_explained.frame(looked, reason, choice_explained.Known(own, own))
    assert table["gate, %"].is_monotonic_decreasing and table.set_index("ticket")[""][own] == "sent here, its own"


def listed(app: AppTest) -> pd.DataFrame:
    """The list of those misrouted."""
    return next(frame.value for frame in app.dataframe if "confidence, %" in frame.value)


def test_the_list_of_those_astray_is_in_the_chosen_order(runs_folder, routing):
    app = open_routing()
    table = listed(app)
    assert len(table) == samples.MOST
    assert table["confidence, %"].is_monotonic_decreasing
    assert (table["sent to"] != table["own ticket"]).all()
    n = int((View(routing, "gate").ticket != routing.eval_set.subset).sum())
    assert f"The first 50 of {n}." in texts(app)
    app.segmented_control(key="astray-order").set_value("Least sure first").run()
    assert listed(app)["confidence, %"].is_monotonic_increasing


def test_an_own_picture_is_routed_and_a_file_that_is_none_is_one_sentence(runs_folder):
    app = open_routing(detail="Your own picture")
    drawn = io.BytesIO()
    Image.new("RGB", (200, 90), (250, 10, 10)).save(drawn, "PNG")
    app.file_uploader[0].set_value([("red.png", drawn.getvalue(), "image/png")]).run()
    assert not app.exception and not app.error
    assert "The gate sends your picture to" in texts(app)
    app.file_uploader[0].set_value([("no.png", b"no picture", "image/png")]).run()
    assert len(app.error) == 1 and f"The picture cannot be read as a {KINDS} picture" in app.error[0].value


def test_bands_of_the_flow_are_the_cells_with_somebody_in_them():
    counts = np.array([[3, 0], [1, 2]])
    links = [(0, 0), (1, 0), (1, 1)]
    drawn = sankey.spec(("a", "b"), ("x", "y"), counts, links, colours.LIGHT)["series"][0]
    assert [(link["source"], link["target"], link["value"]) for link in drawn["links"]] == [
        (0, 2, 3),
        (1, 2, 1),
        (1, 3, 2),
    ]
    assert len({node["name"] for node in drawn["data"]}) == 4


def test_groups_above_all_are_named_and_small_ones_are_not_ranked():
    rows = [
        {"group": "town=a", "misrouted": 0.5, "low": 0.4, "status": "ok"},
        {"group": "town=b", "misrouted": 0.9, "low": 0.8, "status": "small"},
        {"group": "town=c", "misrouted": 0.1, "low": 0.05, "status": "ok"},
    ]
    assert findings.groups_title(pd.DataFrame(rows), 0.2) == "town=a is misrouted most: 50.0 %, all 20.0 %"
    assert findings.groups_title(pd.DataFrame(rows[2:]), 0.2).startswith("None of 1 groups")
    assert findings.groups_title(pd.DataFrame(rows[1:2]), 0.2) == "No group is large enough to be compared"


def test_masks_route_nothing(runs_folder, known_tickets):
    folder = runs_folder / "masks-run"
    folder.mkdir()
    save_checkpoint(folder, Outcome(known_tickets, {"kind": "masks", "sources": [], "left_out": [], "warnings": []}))
    app = open_routing("masks-run")
    assert not app.exception
    assert app.title[0].value == "These masks route nothing"
