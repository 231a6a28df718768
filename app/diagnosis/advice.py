"""What to do: the advice in words, what the run did by itself, and what going back gives, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import colours, panels, tasks, terms
from app.charts import calm, error_bars
from app.colours import Tone
from app.diagnosis import findings, measure
from app.diagnosis.view import View
from app.markdown import plain

if TYPE_CHECKING:
    from rtl_core.runs.diagnosis import PolicyEvent
    from rtl_core.runs.retraining_file import Relaxed


def draw(view: View) -> None:
    diagnosis = view.diagnosis
    st.markdown(plain(diagnosis.advice))
    for event in diagnosis.policy_events:
        st.caption(plain(_event_sentence(view, event)))
    relaxed, safe = diagnosis.relaxed, diagnosis.last_safe_density
    if relaxed:
        _relaxed(view, relaxed)
    too_far = diagnosis.alarm is not None and safe is not None and safe > view.run.tickets.target.density
    offer = st.container()
    if not (view.run.masks_only or view.gated):
        _from_a_shell(view, " --relax" if too_far else " --probe" if view.could_be_retrained else "")
    if too_far and not (relaxed and relaxed.density == safe):
        with offer:  # long work comes last, so that the rest of the page is there meanwhile
            measure.relax(view, safe)


def _from_a_shell(view: View, option: str) -> None:
    same = f"python -m rtl_core diagnose {view.run.name}{option}"
    if not view.doubts:
        st.caption("The same from a shell:")
        st.code(same, language="shell")
        return
    st.caption("The same from a shell, and a training that listens from the start:")
    listening = "python -m rtl_core train demo --set extract.schedule=fraction --set collapse.policy=relax"
    st.code(f"{same}\n{listening}", language="shell")


def _event_sentence(view: View, event: PolicyEvent) -> str:
    """An alarm as the run noted it while it trained."""
    return (
        f"While it trained, in round {event.round} at {terms.density(event.density)} density: "
        f"{findings.moved(view, event.signal, event.drop, 'lay')}, most in {event.falls_most}; "
        f"{findings.POLICIES[event.policy]}."
    )


def _relaxed(view: View, relaxed: Relaxed) -> None:
    rows = compared(view, relaxed)
    panels.chart(
        findings.relaxed_title(relaxed),
        figure(rows, relaxed.metric, colours.tone()),
        rows,
        f"On validation inputs, n = {terms.count(relaxed.n)}, with 95 % intervals. Filled: all tickets trained "
        "together; hollow: each ticket alone, level by level. Going back keeps more weights, and took "
        f"{terms.count(relaxed.steps)} steps ({terms.duration(relaxed.seconds)}).",
        "relaxed",
    )


def compared(view: View, relaxed: Relaxed) -> pd.DataFrame:
    """The run's own tickets, those of the denser level trained together, and the same masks each trained alone."""
    own, back = terms.density(view.run.tickets.target.density), terms.density(relaxed.density)
    rows = [
        {"place": f"{own}, as it is", "value": relaxed.before, "ci": relaxed.ci.before, "alone": False},
        {"place": f"{back}, trained together", "value": relaxed.after, "ci": relaxed.ci.after, "alone": False},
    ]
    retrained = view.rounds[(view.rounds.measure == "retrained") & (view.rounds.density == relaxed.density)]
    for row in retrained.itertuples():
        value = getattr(row, relaxed.metric)
        rows.append({"place": f"{back}, each alone", "value": value, "ci": [row.low, row.high], "alone": True})
    frame = pd.DataFrame(rows)
    frame["low"], frame["high"] = zip(*frame.pop("ci"), strict=True)
    return frame


def figure(rows: pd.DataFrame, metric: str, tone: Tone) -> go.Figure:
    rows = rows[::-1]
    scale, fill = tasks.scale(metric), tone.diverging[-1]
    value = scale * rows.value
    drawn = go.Figure()
    drawn.add_scatter(
        x=value,
        y=rows.place,
        mode="markers+text",
        text=[f"{v:.1f}" for v in value],
        textposition="top center",
        textfont={"size": 12, "color": tone.text},
        cliponaxis=False,
        marker={
            "size": 12,
            "color": fill,
            "symbol": ["circle-open" if alone else "circle" for alone in rows.alone],
            "line": {"width": 2, "color": fill},
        },
        error_x=error_bars(value, scale * rows.low, scale * rows.high, color=fill, thickness=1.6, width=5),
        hovertemplate=f"%{{y}}: %{{x:.1f}} {tasks.unit(metric)}<extra></extra>",
    )
    drawn.update_xaxes(title=f"{tasks.title_of(metric)} on validation inputs, {tasks.unit(metric)}", zeroline=False)
    drawn.update_yaxes(range=[-0.5, len(rows) - 0.3], ticklabelstandoff=8)
    return calm(drawn, height=100 + 52 * len(rows))
