"""The Fairness page: a table with figures known on paper, the Adult sample, and runs that cannot be audited."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app.fairness import findings, samples, uploaded_predictions, view
from app.fairness.view import Audit, Subject
from rtl_core.audit.fairness.predictions import from_table
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.runs.checkpoint import Outcome, load_run, save_checkpoint
from rtl_core.runs.fairness import Audited
from rtl_core.runs.fairness import audit as audit_run
from rtl_core.runs.store import samples as sample_folders

ROOT = Path(__file__).resolve().parents[2]


def people(yes_counts: dict[str, int], n: int = 40, **more: list[str]) -> pd.DataFrame:
    """n people of each town, all truly yes, of whom so many are told yes."""
    rows = [
        {"truth": 1, "decision": int(i < yes), "town": town, "row": i}
        for town, yes in yes_counts.items()
        for i in range(n)
    ]
    return pd.DataFrame(rows).assign(**more)


def audit_of(table: pd.DataFrame, of_class: str | None = None, strata=(None,), **mapping) -> Audit:
    mapping = {"y_true": "truth", "y_pred": "decision", "groups": ["town"], **mapping}
    predictions = from_table(table, mapping)
    subject = Subject((len(table), str(mapping)), predictions, table)
    report = view.report.__wrapped__(subject, tuple(mapping["groups"]), ())
    strata = predictions.tickets if len(predictions.tickets) == 1 else strata
    return Audit(subject, tuple(mapping["groups"]), report, "yes", strata, ("selection_rate", "tpr"), of_class)


def open_fairness(**query) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run().switch_page("pages/fairness.py").run()


def upload(table: pd.DataFrame | bytes, name: str = "mine.csv") -> AppTest:
    app = open_fairness(source="Your own predictions")
    content = table if isinstance(table, bytes) else table.to_csv(index=False).encode()
    app.file_uploader[0].set_value([(name, content, "text/csv")])
    return app.run()


def gap_chart(app: AppTest) -> dict[str, list[float]]:
    """The gaps in the chart by ticket; Plotly packs the numbers of an array."""
    drawn = json.loads(app.get("plotly_chart")[0].proto.spec)["data"]
    return {
        trace["name"]: np.frombuffer(base64.b64decode(trace["x"]["bdata"]), trace["x"]["dtype"]).tolist()
        for trace in drawn
    }


def texts(app: AppTest) -> str:
    kinds = ("title", "subheader", "markdown", "caption", "error", "info")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def test_own_predictions_are_audited_with_columns_found_by_name(known_run):
    app = upload(people({"north": 30, "south": 10, "east": 30}))
    assert not app.exception and not app.error
    assert app.title[0].value.startswith("town=south: answered “yes” 50.0 points less often than town=east")
    assert app.multiselect[0].value == ["town"]
    assert gap_chart(app) == {"all": pytest.approx([0, -50])}
    assert "40 decisions in every group" in texts(app)


def test_without_a_gap_the_headline_says_what_could_have_been_seen():
    audit = audit_of(people({"north": 20, "south": 20}))
    message = findings.headline(audit)
    smallest = min(gap.min_detectable for gap in audit.report.gaps if gap.p is not None)
    assert (
        message == f"No gap is beyond chance; the smallest these data could have shown is {100 * smallest:.1f} points"
    )
    assert findings.headline(audit_of(people({"north": 9, "south": 1}, n=9))).startswith("No group is large enough")
    assert findings.headline(
        audit_of(people({"north": 9, "south": 1}).query("town == 'north'"), positive=1)
    ).startswith("There is one group only")


def test_refused_and_small_figures_say_so_in_the_table():
    from app.fairness import cells

    table = pd.concat([people({"big": 30}), people({"few": 10}, n=20), people({"none": 2}, n=5)])
    audit = audit_of(table)
    wide, status = cells.wide(cells._shown(audit), ["tpr"])
    by_group = wide.set_index("group")
    assert by_group.tpr["town=big"] == 75 and by_group.tpr["town=few"] == 50 and np.isnan(by_group.tpr["town=none"])
    assert by_group["tpr 95 %"]["town=few"].endswith("not ranked")
    assert by_group["tpr 95 %"]["town=none"] == "fewer than 10 positives (5)"
    assert list(status.tpr) == ["ok", "small", "refused"]


def test_the_decisions_behind_a_figure_are_those_it_counts():
    table = people({"north": 30, "south": 10}, ticket=["a", "b"] * 40)
    table.loc[table.row < 4, "truth"] = 0
    audit = audit_of(table, ticket="ticket")
    for metric, chosen in (("tpr", table.truth == 1), ("fpr", table.truth == 0), ("precision", table.decision == 1)):
        expected = np.flatnonzero(chosen & (table.town == "south") & (table.ticket == "b"))
        assert audit.rows_of_figure("town=south", "b", metric).tolist() == expected.tolist()
    shown = samples.frame(audit, np.array([5, 41]))
    assert (
        shown.row.tolist() == [5, 1] and shown.decided.tolist() == ["1", "1"] and shown.right.tolist() == [True, False]
    )
    assert shown["by ticket"].tolist() == ["b", "b"]


def test_a_click_on_a_figure_shows_its_decisions(known_run):
    app = upload(people({"north": 30, "south": 10}))
    app.session_state["cells"] = {"selection": {"rows": [], "columns": [], "cells": [(1, "tpr")]}}
    app.run()
    assert "**Found, town=south: 40 decisions that it counts**" in texts(app)
    assert "10 of them were decided rightly" in texts(app)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"", "empty"),
        (people({"north": 3}, n=500).assign(truth=range(500)).to_csv(index=False).encode(), "500 different values"),
    ],
)
def test_an_unreadable_table_is_one_sentence(known_run, content, message):
    app = upload(content)
    assert not app.exception and len(app.error) == 1
    assert message in app.error[0].value


def test_one_group_has_nothing_to_be_compared_with(known_run):
    app = upload(people({"north": 30}))
    assert "Tick at least one group column" in app.error[0].value
    app.multiselect[0].set_value(["town"]).run()
    assert not app.exception and not app.error
    assert app.title[0].value.startswith("There is one group only")
    assert "nothing to compare it with" in texts(app)


def test_column_roles_are_guessed_by_name():
    columns = ["id", "Age", "Predicted class", "risk_score", "Ground truth", "sex"]
    guessed = {role: uploaded_predictions._guess(role, columns) for role in uploaded_predictions._USUAL}
    assert guessed == {"y_true": 4, "y_pred": 2, "score": 3, "ticket": None, "unit": 0}


def test_too_many_labels_are_refused_before_anything_is_asked():
    with pytest.raises(BadInput, match="choose a column that says yes or no"):
        uploaded_predictions._values(pd.Series(np.arange(500), name="income"))
    assert uploaded_predictions._values(pd.Series([1.0, 0.0, np.nan])) == ["0", "1"]
    assert uploaded_predictions._values(pd.Series([True, False])) == ["0", "1"]


def test_the_sample_shows_the_figures_of_the_command_line(runs_folder):
    app = open_fairness(run="adult", groups="sex", metric="Missed")
    assert not app.exception
    document = plain(audit_run(Audited.of(load_run(sample_folders()["adult"])), ["sex"]))
    (gap,) = [g for g in document["gaps"] if g["metric"] == "fnr" and g["ticket"] is None]
    assert gap_chart(app) == {"all together": [100 * gap["gap"]]}
    largest = max(
        (g for g in document["gaps"] if g["ticket"] is None and g["p_holm"] is not None and g["p_holm"] < 0.05),
        key=lambda g: abs(g["gap"]),
    )
    assert f"{100 * abs(largest['gap']):.1f} points" in app.title[0].value

    app.segmented_control(key="by").set_value("One by one").run()
    tickets = gap_chart(app)
    for gap in document["gaps"]:
        if gap["metric"] == "fnr" and gap["gap"] is not None and gap["ticket"] is not None:
            assert tickets[gap["ticket"]] == [100 * gap["gap"]]


def test_a_run_without_groups_leads_to_one_with_them(runs_folder):
    app = open_fairness(run="fashion10")
    assert not app.exception
    assert app.title[0].value == "This run knows no groups of people"
    assert "upload your own" in texts(app) and "run=adult" in app.get("page_link")[0].proto.query_string


def test_masks_decide_nothing(runs_folder, known_tickets):
    folder = runs_folder / "masks-run"
    folder.mkdir()
    save_checkpoint(folder, Outcome(known_tickets, {"kind": "masks", "sources": [], "left_out": [], "warnings": []}))
    app = open_fairness(run="masks-run")
    assert not app.exception
    assert app.title[0].value == "These masks decide nothing yet"
    assert "choose “Your own predictions”" in texts(app)
