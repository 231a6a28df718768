"""Weight ablation of a gap: weights of all tickets, of some or of one alone, removed in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import streamlit as st

from app import colours, panels, terms
from app.colours import Tone
from app.fairness import controls, findings, run_predictions
from app.fairness.interval_chart import Series, intervals
from app.fairness.records import flat
from app.fairness.view import Audit, called
from app.frames import frame
from app.markdown import plain
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

KINDS = {"all": "that every ticket keeps", "some": "that some tickets share", "private": "that one ticket has alone"}


def draw(run: Run, audit: Audit, metric: str) -> None:
    rate = audit.rate(metric)
    group, reference = controls.chosen_gap(audit, rate)
    key = (audit.subject.key, audit.columns, audit.references)
    st.button(
        plain(f"Take weights away and see whose {audit.counted} change"),
        key="where",
        on_click=lambda: st.session_state.update(where_requested=key),
        help="Every ticket loses the weights that all keep, then those that some share, then its own, each time beside "
        "as many weights drawn at random from it. Takes about ten seconds.",
    )
    if st.session_state.get("where_requested") != key:
        return
    ablations = run_predictions.extra(run, audit, "where")
    stratum = called(audit.strata[0] if len(audit.strata) == 1 else None)
    changes = frame(ablations.changes)
    changes = changes[(changes.metric == rate) & (changes.ticket.map(called) == stratum)]
    shown = changes[changes.group.isin((group, reference)) & changes.change.notna()].reset_index(drop=True)
    if shown.empty:
        raise BadInput(f"{group} and {reference} are too small here for any figure.")
    taken = frame(ablations.weights)
    panels.chart(
        findings.where_title(shown[shown.group == group], group, audit.term(rate)[0], KINDS),
        intervals(_series(shown, taken, (group, reference), colours.tone()), _axis(audit, rate), colours.tone()),
        flat(changes.drop(columns="random_changes")),
        "Filled: the change when these weights are taken away, with its 95 % interval. Hollow: as many random weights "
        "of the same tickets, with how far the draws spread. Where both agree, it does not matter which weights they "
        "are.",
        "where",
    )
    _dead(taken)


def _axis(audit: Audit, rate: str) -> str:
    return f"change of {findings.lower(audit.term(rate)[0])}, {findings.unit_of_difference(rate)}"


def _series(shown: pd.DataFrame, taken: pd.DataFrame, who: tuple[str, str], tone: Tone) -> list[Series]:
    """For group and reference: the change, and that under random weights."""
    share = taken.groupby("class")[["taken", "kept"]].sum()
    place = {
        kind: f"weights {words_of}<br>({terms.percent(share.taken[kind] / share.kept[kind], 0)} of what tickets keep)"
        for kind, words_of in KINDS.items()
        if kind in share.index
    }
    series: list[Series] = []
    for name, colour in zip(who, (tone.diverging[-1], tone.muted), strict=True):
        mine = shown[shown.group == name]
        scale = findings.scale_of(mine.metric.iloc[0]) if len(mine) else 100
        change = scale * mine.change.astype(float)
        ends = scale * flat(mine)[["change_low", "change_high"]].to_numpy(float)
        series.append(Series(name, colour, _rows(mine, place, change, ends, False)))
        draws = [scale * np.array(moved, float) for moved in mine.random_changes]
        mean = pd.Series([moved.mean() for moved in draws], index=mine.index)
        spread = [(moved.min(), moved.max()) for moved in draws]
        series.append(Series(f"{name}, random weights", colour, _rows(mine, place, mean, spread, True)))
    return series


def _rows(mine: pd.DataFrame, place: dict[str, str], value: pd.Series, ends: Any, hollow: bool) -> pd.DataFrame:
    unit = findings.unit_of_difference(mine.metric.iloc[0]).removeprefix("percentage ") if len(mine) else ""
    return pd.DataFrame(
        {
            "place": [place[kind] for kind in mine["class"]],
            "value": value,
            "low": [low for low, _ in ends],
            "high": [high for _, high in ends],
            "hollow": hollow,
            "text": "",
            "hover": [
                f"{row.group}, weights {KINDS[row.kind]}<br>{'random weights: ' if hollow else ''}"
                f"{v:+.1f} {unit}; n = {row.n:,}"
                for row, v in zip(mine.rename(columns={"class": "kind"}).itertuples(), value, strict=True)
            ],
            "key": mine.index,
        }
    )


def _dead(taken: pd.DataFrame) -> None:
    """Layers that are left with nothing: a change there is no finding about these weights."""
    dead = taken[[bool(layers) for layers in taken.dead_layers]]
    if not dead.empty:
        layers = sorted({layer for row in dead.dead_layers for layer in row})
        st.warning(
            plain(
                f"Without weights {terms.listed([KINDS[kind] for kind in dead['class'].unique()])}, nothing is left in "
                f"{terms.listed(layers)} of {terms.listed(list(dead.ticket.unique()))}: such a ticket is dead, which "
                "says little about these weights."
            )
        )
