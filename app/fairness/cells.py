"""Groups x tickets x figures: the table of the audit. A click on a figure shows the decisions behind it."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from app import panels
from app.fairness import findings, samples
from app.fairness.view import Audit, called
from app.markdown import plain
from rtl_core.audit.fairness.credit import in_points

_INTERVAL = "{} 95 %"  # name of the column beside a figure's
_GREY = "color: #8A929B; font-style: italic"


def draw(audit: Audit) -> None:
    shown = _shown(audit)
    if shown.empty:
        st.info("None of the figures chosen under “More” is defined here; choose others.")
        return
    metrics = [metric for metric in audit.metrics if metric in set(shown.metric)]
    st.subheader(plain(findings.table_title(shown, audit.counted)), anchor=False)
    table, status = wide(shown, metrics)
    chosen = st.dataframe(
        table.style.apply(_style, axis=None, status=status, metrics=metrics).format(_numbers(metrics), na_rep="–"),
        hide_index=True,
        height="content" if len(table) <= 14 else 540,
        column_config=_columns(audit, metrics),
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="–",
        key="cells",
    )
    panels.reading(
        f"Each figure has its 95 % interval beside it. Grey figures rest on fewer than 30 {audit.counted} and are not "
        f"ranked; under 10 there is none. Click a heading to sort, a figure to see the {audit.counted} behind it.",
        shown.drop(columns=["class"], errors="ignore").assign(ticket=shown.ticket.map(called)),
        "cells",
    )
    picked = chosen["selection"]["cells"]
    if picked:
        _decisions_of_figure(audit, table, metrics, *picked[0])


def _shown(audit: Audit) -> pd.DataFrame:
    """The cells of the tickets and figures that are looked at; groups without any row are in the sizes."""
    cells = audit.cells
    names = {called(ticket) for ticket in audit.strata}
    return cells[cells.ticket.map(called).isin(names) & cells.metric.isin(audit.metrics) & (cells.n > 0)]


def wide(cells: pd.DataFrame, metrics: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(one row per group and ticket with a figure and its interval per metric, the status of each figure).

    Shares are in per cent. The column of intervals gives the reason where there is no figure.
    """
    places = cells.drop_duplicates(["group", "ticket"])[["group", "ticket", "n"]].reset_index(drop=True)
    keys = pd.MultiIndex.from_arrays([places.group, places.ticket.map(called)])
    table, status = places.assign(ticket=places.ticket.map(called)), pd.DataFrame(index=places.index)
    for metric in metrics:
        of_metric = cells[cells.metric == metric]
        of_metric = (
            of_metric.set_index([of_metric.group, of_metric.ticket.map(called)]).loc[keys].reset_index(drop=True)
        )
        scale = 100 if in_points(metric) else 1
        table[metric] = scale * of_metric.value.astype(float)
        table[_INTERVAL.format(metric)] = [_interval(row, scale) for row in of_metric.itertuples()]
        status[metric] = of_metric.status
    return table, status


def _interval(row: Any, scale: int) -> str:
    if row.status == "refused":
        return row.reason
    digits = 0 if scale == 100 else 2
    ends = "no interval" if pd.isna(row.low) else f"{scale * row.low:.{digits}f} to {scale * row.high:.{digits}f}"
    return f"{ends} · not ranked" if row.status == "small" else ends


def _style(table: pd.DataFrame, status: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    style = pd.DataFrame("", index=table.index, columns=table.columns)
    for metric in metrics:
        grey = [_GREY if s != "ok" else "" for s in status[metric]]
        style[metric] = style[_INTERVAL.format(metric)] = grey
    return style


def _numbers(metrics: list[str]) -> dict[str, str]:
    return {"n": "{:,}"} | {metric: "{:.1f} %" if in_points(metric) else "{:.3f}" for metric in metrics}


def _columns(audit: Audit, metrics: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "group": st.column_config.TextColumn(pinned=True),
        "n": st.column_config.NumberColumn(
            audit.counted, help=plain(f"How many {audit.counted} there are about this group.")
        ),
    }
    if len(audit.strata) == 1:
        config["ticket"] = None  # the same in every row
    for metric in metrics:
        name, meaning = audit.term(metric)
        config[metric] = st.column_config.NumberColumn(name, help=plain(meaning))
        config[_INTERVAL.format(metric)] = st.column_config.TextColumn(
            "95 % interval", help=plain(f"{name}: {meaning}")
        )
    return config


def _decisions_of_figure(audit: Audit, table: pd.DataFrame, metrics: list[str], row: int, column: str) -> None:
    """The decisions that the clicked figure counts; a click on a size or a name: all decisions of the place."""
    if row >= len(table):
        return  # the table has become shorter since the click
    place = table.iloc[row]
    metric = next((m for m in metrics if column in (m, _INTERVAL.format(m))), audit.rate("accuracy"))
    ticket = place.ticket if place.ticket in audit.predictions.tickets else None
    samples.draw(audit, place.group, ticket, metric)
