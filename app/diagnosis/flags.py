"""Where something turned on the way down: the alarm, and the signs beside it that explain and never warn."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app import panels, tasks, terms
from app.diagnosis import findings
from app.diagnosis.view import View
from app.headlines import short
from app.markdown import plain

_ARROWS = {"up": "↑ up", "down": "↓ down"}


def draw(view: View) -> None:
    flags = view.flags
    if flags.empty:
        st.info(
            f"Nothing turned on the way down: no alarm, no fall of {tasks.title_of(view.metric)}, no jump of overlap, "
            "no empty layer."
        )
        return
    st.subheader(plain(findings.flags_title(flags)), anchor=False)
    st.dataframe(
        table(flags),
        hide_index=True,
        column_config={"what happened": st.column_config.TextColumn(width="large")},
        key="flags",
    )
    panels.reading(
        f"{_only(view)} Where the run's figure falls confirms it; overlap and empty layers tell what happened.",
        flags,
        "flags",
    )


def _only(view: View) -> str:
    """What alone is an alarm."""
    if not view.doubts:
        return "Nothing here is an alarm: these tickets do not say how sure they are."
    goes_by = findings.ALARM_GOES_BY[view.diagnosis.signal]
    return f"Only {goes_by} is an alarm."


def table(flags: pd.DataFrame) -> pd.DataFrame:
    """As people read it: the alarm first, then by round."""
    return pd.DataFrame(
        {
            "": ["⚠ alarm" if alarm else "sign" for alarm in flags.alarm],
            "density": [terms.density(density) for density in flags.density],
            "round": flags["round"],
            "signal": [findings.signal(name) for name in flags.signal],
            "direction": [_ARROWS[direction] for direction in flags.direction],
            "layer": ["all" if pd.isna(layer) else short(layer) for layer in flags.layer],
            "what happened": flags.sentence,
        }
    )
