"""The checks of every ticket's map: made one ticket after the other, then as a table and two charts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app import colours, demonstration, panels, session, terms
from app.attribution import findings, tiles
from app.attribution.view import View
from app.charts import calm
from app.markdown import plain
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.attribution import Checked

WITHOUT_ASKING = 30.0  # seconds up to which checks are made without being asked for


def make(view: View) -> dict[str, Checked]:
    """Ticket -> its checks, under a bar that any click interrupts. Long ones wait for a button; until then none."""
    if were_made(view):
        return {ticket: view.checked(ticket) for ticket in view.tickets}
    seconds = view.seconds_to_check
    if seconds > WITHOUT_ASKING and st.session_state.get("checks_requested") != view.key:
        demonstration.costly_button(
            f"Check whether the maps deserve trust: about {terms.duration(seconds)}",
            "check-maps",
            lambda: st.session_state.update(checks_requested=view.key),
        )
        return {}
    place, made = st.empty(), {}
    if seconds > WITHOUT_ASKING:
        bar = panels.stoppable_bar(place, "Checking the maps", "checks", "checks_requested")
    else:
        bar = place.progress(0.0, "Checking the maps")
    for i, ticket in enumerate(view.tickets):
        bar.progress(i / len(view.tickets), plain(f"Checking the map of {ticket}"))
        made[ticket] = view.checked(ticket)
    place.empty()
    st.session_state["checks_made"] = view.key
    return made


def were_made(view: View) -> bool:
    """Whether this visitor has waited for these checks already, so that they are at hand."""
    return st.session_state.get("checks_made") == view.key


def draw(view: View, checks: Mapping[str, Checked]) -> None:
    if not checks:
        st.info("The maps are not checked yet: press the button above.")
        return
    frame = table(checks)
    st.subheader(plain(findings.checks_title({name: one.verdict for name, one in checks.items()})), anchor=False)
    st.dataframe(
        frame,
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="%.2f") for name in frame.columns if name not in _TEXT
        },
    )
    panels.reading(thresholds(), frame, "checks")
    if view.chosen.sample is not None:
        _keep(view)
    st.space("small")
    areas = areas_frame(view, checks)
    panels.chart(
        findings.curves_title(int((areas.deletion < areas.random_deletion).sum()), len(areas)),
        figure(view, checks),
        areas,
        "Left: a map that stays alike while layers lose what they learned explains the input, not the ticket. Middle "
        f"and right: the answer's {view.followed} as the input goes, or comes, in the map's order; dotted in random "
        "orders.",
        "map-curves",
    )


def _keep(view: View) -> None:
    """A button that keeps the maps and their checks with the run, where the report counts them."""
    from rtl_core.runs.attribution import explain_samples, save_audit
    from rtl_core.runs.store import audits_folder

    demonstration.costly_button(
        "Keep these maps with the run",
        "keep-maps",
        lambda: st.session_state.update(keep_requested=view.key),
        demonstration.KEPT,
        help="Their checks are written into its audits; of your own runs the report counts them.",
    )
    if st.session_state.pop("keep_requested", None) != view.key:
        return
    folder = audits_folder(view.run.folder, session.runs_root())
    try:
        for ticket in view.tickets:
            file = save_audit(folder, *explain_samples(view.explained, ticket, [view.chosen.sample], view.request))
    except BadInput as error:
        st.warning(plain(f"{error}."))
    else:
        st.success(plain(f"Kept in {file.parent}, one file a ticket."))


_TEXT = ("ticket", "verdict", "reason")


def table(checks: Mapping[str, Checked]) -> pd.DataFrame:
    """One row a ticket: verdict, reason and all scores; empty where a score is not defined."""
    return pd.DataFrame(
        [
            {
                "ticket": name,
                "verdict": tiles.VERDICTS[one.verdict],
                "reason": one.reason,
                "shuffled weights": one.scores.weight_randomisation[0],
                "other masks": one.scores.mask_swap[0],
                "random mask": one.scores.random_mask[0],
                "sum misses by": one.scores.relative_delta[0],
                "infidelity": one.scores.infidelity[0],
                "sensitivity": one.scores.sensitivity[0],
            }
            for name, one in checks.items()
        ]
    )


def thresholds() -> str:
    """The limits that the verdicts are made by."""
    from rtl_core.audit.attribution import verdict as v

    return (
        f"Do not trust: the map is constant, the ticket is dead, shuffled weights above {v.SHUFFLED_BAD:g}, or its sum "
        f"misses by more than {v.DELTA_BAD:.0%}. Doubtful: shuffled weights above {v.SHUFFLED_DOUBTFUL:g}, sum missed "
        f"by more than {v.DELTA_DOUBTFUL:.0%}, other masks and random mask both above {v.MASK_DOUBTFUL:g}, infidelity "
        f"above {v.INFIDELITY_DOUBTFUL:g} or sensitivity above {v.SENSITIVITY_DOUBTFUL:g}. Weights and masks: rank "
        "correlation with the map that they give."
    )


def figure(view: View, checks: Mapping[str, Checked]) -> go.Figure:
    """Three panels with one line a ticket: shuffled weights, deletion, insertion."""
    from rtl_core.audit.attribution.verdict import SHUFFLED_BAD

    tone = colours.tone()
    fills = tiles.palette(view, tone)
    drawn = make_subplots(1, 3, subplot_titles=("rank correlation", view.followed, view.followed))
    for name, one in checks.items():
        curve, walked = one.scores.curve[0], view.curves(name)
        share = np.linspace(0, 100, walked.deletion.shape[1])
        line = {"color": fills[name], "width": 1.8}
        lines = [
            (1, np.arange(1, len(curve) + 1), curve, "solid"),
            (2, share, walked.deletion[0], "solid"),
            (2, share, walked.random_deletion[0], "dot"),
            (3, share, walked.insertion[0], "solid"),
            (3, share, walked.random_insertion[0], "dot"),
        ]
        for panel, x, y, dash in lines:
            order = ", random order" if dash == "dot" else ""
            drawn.add_scatter(
                x=x,
                y=y,
                name=name,
                mode="lines",
                line={**line, "dash": dash},
                legendgroup=name,
                showlegend=panel == 1,
                hovertemplate=f"%{{fullData.name}}{order}: %{{y:.2f}}<extra></extra>",
                row=1,
                col=panel,
            )
    drawn.add_hline(SHUFFLED_BAD, line={"color": tone.muted, "dash": "dash", "width": 1}, row=1, col=1)
    drawn.update_xaxes(title="groups of layers shuffled", dtick=1, row=1, col=1)
    drawn.update_yaxes(range=[-1.05, 1.05], row=1, col=1)
    for panel, what in ((2, "taken away"), (3, "put in")):
        drawn.update_xaxes(title=f"input {what}, %", row=1, col=panel)
        if view.explained.subject.sure:
            drawn.update_yaxes(range=[-0.03, 1.03], row=1, col=panel)
    drawn.update_layout(legend={"orientation": "h", "y": -0.3, "x": 0})
    return calm(drawn, height=340)


def areas_frame(view: View, checks: Mapping[str, Checked]) -> pd.DataFrame:
    """The areas under the curves of deletion and insertion, and the curve of shuffled weights; one row a ticket."""
    from rtl_core.audit.attribution.deletion_insertion import area

    names = ("deletion", "random_deletion", "insertion", "random_insertion")
    rows = [
        {
            "ticket": name,
            "shuffled": ", ".join(f"{value:.2f}" for value in one.scores.curve[0]),
            **{kind: float(area(getattr(view.curves(name), kind))[0]) for kind in names},
        }
        for name, one in checks.items()
    ]
    return pd.DataFrame(rows)
