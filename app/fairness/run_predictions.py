"""The decisions of the chosen run, and what only a run with its weights can be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app import cache, nav, panels
from app.fairness import controls
from app.fairness.view import Audit, Subject
from app.markdown import plain
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.fairness.thresholds import ThresholdRule, WhatIf
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.fairness import Audited

_SAMPLE = "adult"  # the one with groups of people


def subject(run: Run, row: DeltaGenerator) -> tuple[Subject, list[str]]:
    """What the run decides on its test rows, and the groups to compare; says what is missing and stops.

    row  where the choices are drawn
    """
    if run.masks_only:
        _nothing(
            "These masks decide nothing yet",
            "The run has masks only: no weights, no data, so nobody was decided about. If you have the decisions that "
            "such a network made, choose “Your own predictions” above.",
        )
    try:
        networks = audited(run)
    except BadInput as error:
        panels.refuse(f"The data of this run cannot be read: {error}")
    dataset = networks.opened.dataset
    if dataset.attributes.shape[1] == 0:
        _nothing(
            "This run knows no groups of people",
            f"Its data, {dataset.spec}, say nothing about a row but its label. An audit needs a column that says "
            "which group a row belongs to, such as sex or age: train on a table that has one, or upload your own "
            "predictions above.",
        )
    with row:
        method = controls.method(run)
        router = controls.router(networks.routers)
        columns = controls.groups(dataset, run.config.partition.column)
    if not columns:
        panels.refuse("Tick at least one group column: whom do you want to compare?")
    try:
        return _subject(run, method, router, tuple(columns)), columns
    except BadInput as error:
        panels.refuse(f"These tickets cannot be audited: {error}")


def how(subject: Subject) -> tuple[str, str]:
    """(method, router) that decided."""
    return subject.key[2], subject.key[3]


def _nothing(title: str, why: str) -> None:
    """What would be needed, and the sample that has it."""
    st.title(plain(title), anchor=False)
    st.write(plain(why))
    st.page_link(
        nav.FAIRNESS,
        label="See an audit of the Adult census sample",
        icon=":material/balance:",
        query_params={"run": _SAMPLE},
    )
    st.stop()


@cache.networks_of_run(max_entries=cache.RUNS_AT_WORK, show_spinner="Loading the networks and their data")
def audited(run: Run) -> Audited:
    """The run with its data and weights, ready to be audited. Raises BadInput."""
    from rtl_core.runs.fairness import Audited

    return Audited(cache.opened(run))


@cache.of_run(max_entries=8, show_spinner="Asking the networks")
def _subject(run: Run, method: str, router: str, columns: tuple[str, ...]) -> Subject:
    networks = audited(run)
    decisions = networks.decisions(columns)
    predictions = networks.predictions(decisions, method, router)
    dataset, rows = networks.opened.dataset, decisions.eval_set.rows
    # One-vs-rest tickets each decide about every row, so the rows come once for each ticket.
    rows = np.tile(rows, len(predictions.y_true) // len(rows))
    table = dataset.attributes.iloc[rows].reset_index(drop=True)
    table.insert(0, "row", rows)
    return Subject((str(run.folder), cache.changed(run.folder), method, router), predictions, table, (dataset, rows))


def extra(run: Run, audit: Audit, name: str) -> Any:
    """One of the answers of `runs.fairness.EXTRAS` for what is audited. Raises BadInput where it does not apply."""
    from rtl_core.runs.fairness import NotApplicable

    answer = _extra(run, audit, name)
    if isinstance(answer, NotApplicable):
        raise BadInput(answer.reason)
    return answer


@cache.of_run(Audit, max_entries=24, show_spinner="Asking the networks")
def _extra(run: Run, audit: Audit, name: str) -> Any:
    from rtl_core.runs import fairness

    settings = AuditSettings(audit.references)
    if name != "methods":  # the only one that needs more of the report than who is compared with whom
        settings = replace(settings, metrics=tuple(audit.measured[:1]), permutations=1)
    return fairness.audit(audited(run), audit.columns, *how(audit.subject), settings, (name,)).extras[name]


@cache.of_run(Audit, max_entries=24, show_spinner="Choosing thresholds on validation rows")
def what_if(run: Run, audit: Audit, rule: ThresholdRule) -> list[WhatIf]:
    """`runs.fairness.what_if`: per grouping, thresholds and what they change. Raises BadInput."""
    from rtl_core.runs import fairness

    return fairness.what_if(run, audit.columns, rule, *how(audit.subject), AuditSettings(audit.references))
