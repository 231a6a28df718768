"""Overview of tickets whose answers are about several classes at once: how well each does on each class, and on things
of each size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import colours, panels, terms
from app.colours import Tone
from app.fairness.interval_chart import Series, intervals
from rtl_core.audit.fairness.group_metrics import RANKED

if TYPE_CHECKING:
    from rtl_core.audit.evaluation_rows import TicketRow
    from rtl_core.statistics.estimates import Interval


def draw(tickets: list[TicketRow]) -> None:
    """Nothing is drawn where answers are not about several classes."""
    rows = frame(tickets)
    for of, mine in rows.groupby("of", sort=False):
        st.space("small")
        panels.chart(
            title(mine, of),
            figure(mine, [ticket.name for ticket in tickets], colours.tone()),
            mine.drop(columns="of"),
            f"A dot is a ticket's {mine.metric.iloc[0]} for one {of} on the test pictures of its own subset, its "
            f"whisker the 95 % interval. Hollow: fewer than {RANKED} pictures have it; a {of} that none has is "
            "left out.",
            f"by-{of}",
        )


def frame(tickets: list[TicketRow]) -> pd.DataFrame:
    """One row per ticket and class, or size: what it is `of`, name, metric, value with low and high, the pictures n
    that have it, and how many pixels or boxes; those that no picture has are left out."""
    rows = []
    for ticket in tickets:
        for one in (row for row in ticket.by_class or () if row.iou is not None):
            row = _row(ticket.name, "class", one.name, ("IoU", one.iou), one.ci.get("iou"), one.n)
            rows.append({**row, "pixels": one.pixels})
        for one in (row for row in ticket.boxes or () if row.ap is not None):
            row = _row(ticket.name, one.of, one.name, ("AP", one.ap), one.ci.get("ap"), one.n)
            rows.append({**row, "boxes": one.boxes})
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["of"])


def _row(
    ticket: str, of: str, name: str, reached: tuple[str, float], ends: Interval | None, n: int
) -> dict[str, object]:
    low, high = ends or [None, None]
    return {
        "of": of,
        "ticket": ticket,
        "name": name,
        "metric": reached[0],
        "value": reached[1],
        "low": low,
        "high": high,
        "n": n,
    }


def title(rows: pd.DataFrame, of: str) -> str:
    """rows: of classes, or of sizes. The one that tickets do worst on, and best."""
    mean = rows.groupby("name", sort=False).value.mean().sort_values()
    metric = rows.metric.iloc[0]
    if len(mean) == 1:
        return f"{metric} of “{mean.index[0]}”: {terms.percent(mean.iloc[0])} on average"
    hardest, easiest = mean.index[0], mean.index[-1]
    return (
        f"The hardest {of} is “{hardest}” with {terms.percent(mean.iloc[0])} {metric} on average over the tickets, the "
        f"easiest “{easiest}” with {terms.percent(mean.iloc[-1])}"
    )


def figure(rows: pd.DataFrame, tickets: list[str], tone: Tone) -> go.Figure:
    """Classes from top to bottom, the tickets of each below one another in their colours."""
    palette = dict(zip(tickets, colours.of_tickets(len(tickets)), strict=True))
    series = [Series(name, palette[name], _points(rows[rows.ticket == name])) for name in tickets]
    return intervals(series, f"{rows.metric.iloc[0]}, %", tone)


def _points(mine: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "place": mine["name"],
            "value": 100 * mine.value.astype(float),
            "low": 100 * mine.low.astype(float),
            "high": 100 * mine.high.astype(float),
            "hollow": mine.n < RANKED,
            "text": [f"{100 * value:.1f}" for value in mine.value],
            "hover": [
                f"{row.name_}, {row.ticket}<br>{row.metric} {terms.percent(row.value)} "
                f"({terms.interval([row.low, row.high])}); n = {row.n:,} pictures"
                for row in mine.rename(columns={"name": "name_"}).itertuples()
            ],
            "key": mine.index,
        }
    )
