"""The controls of the Fairness page: decisions, groups and figures, in widgets bound to the address."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from app import panels, session, terms
from app.fairness import view
from app.fairness.view import Audit, Subject
from app.markdown import plain
from app.segmented import one_of
from rtl_core.display_names import method_words, router_words
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.checkpoint import Run

SOURCES = ("The chosen run", "Your own predictions")
FIRST_METRICS = ("selection_rate", "tpr", "fpr", "accuracy")
_TOGETHER, _EACH = "All together", "One by one"
_FEW = 12  # categories up to which a column is offered as a first group


def source() -> str:
    return one_of(
        "Whose decisions",
        SOURCES,
        key="source",
        label_visibility="collapsed",
    )


def method(run: Run) -> str:
    return st.selectbox(
        "Decided by",
        run.methods,
        format_func=lambda name: method_words(name)[0],
        key="method",
        bind="query-params",
        width=190,
        help="RTL's tickets, or a network that was trained beside them on the same data.",
    )


def router(routers: tuple[str, ...]) -> str:
    """Who chooses the ticket; nothing is asked where there is one way only."""
    if len(routers) == 1:
        return routers[0]
    return st.selectbox(
        "Ticket chosen by",
        routers,
        format_func=lambda name: router_words(name)[0],
        key="router",
        bind="query-params",
        width=210,
        help=panels.term("router"),
    )


def groups(dataset: Dataset, partitioned_by: str | None) -> list[str]:
    """Group columns; at first the one with few categories that the tickets were not made by."""
    names = list(dataset.attributes.columns)
    few = [name for name in names if dataset.attributes[name].nunique() <= _FEW]
    first = [name for name in few if name != partitioned_by] or few or names
    return st.multiselect(
        "Groups to compare",
        names,
        first[:1],
        key="groups",
        bind="query-params",
        help="Several columns are compared one by one, and together. Numbers are cut into four ranges.",
        width=260,
    )


def audit(subject: Subject, columns: list[str]) -> Audit:
    """The rarer choices in a popover, then the audit itself. Says in one sentence what cannot be audited."""
    groups = tuple(columns)
    predictions = subject.predictions
    strata = _strata(predictions.tickets)
    try:
        with st.popover("More", width=85):
            reference = st.multiselect(
                "Compare with",
                view.group_names(predictions, groups),
                key="reference",
                bind="query-params",
                placeholder="the largest group of each column",
                help=panels.term("reference"),
            )
            yes = _yes(predictions.classes) if predictions.n_classes == 2 else ""
            of_class = None if predictions.binary else _class(predictions.classes)
            figures = _metrics(view.ALL_METRICS) if predictions.decides else (predictions.credited.name,)
        report = view.report(subject, groups, tuple(reference))
    except BadInput as error:
        panels.refuse(str(error))
    return Audit(subject, groups, report, yes or of_class or "its class", strata, figures, of_class)


def chosen_gap(audit: Audit, metric: str) -> tuple[str, str]:
    """(group, its reference) for the details that look at one gap; at first the largest that is ranked."""
    gaps = audit.gaps
    if gaps.empty:
        raise BadInput("There is one group only, so there is no gap to follow.")
    reference = dict(zip(gaps.group, gaps.reference, strict=True))
    ranked = gaps[(gaps.metric == metric) & (gaps.status == "ok") & gaps.ticket.map(view.called).eq(view.TOGETHER)]
    names = list(reference)
    largest = names.index(ranked.loc[ranked.gap.abs().idxmax()].group) if len(ranked) else 0
    group = st.selectbox("Group", names, largest, key="whom", bind="query-params", width=330)
    return group, reference[group]


def _yes(classes: tuple[str, ...]) -> str:
    named = st.text_input(
        "What a yes means",
        placeholder=classes[1],
        key="yes",
        bind="query-params",
        max_chars=40,
        help=plain(
            "Name the positive outcome as your readers do, for example “gets the loan”. In the data it is "
            f"“{classes[1]}”."
        ),
    )
    return named.strip() or {"1": "yes"}.get(classes[1], classes[1])


def _class(classes: tuple[str, ...]) -> str | None:
    chosen = st.selectbox("Class that the figures are about", [view.MEAN, *classes], key="class", bind="query-params")
    return None if chosen == view.MEAN else chosen


def _metrics(known: tuple[str, ...]) -> tuple[str, ...]:
    chosen = st.multiselect(
        "Figures in the table",
        known,
        FIRST_METRICS,
        format_func=lambda metric: terms.FAIRNESS[metric][0].format(yes="yes"),
        key="figures",
        bind="query-params",
    )
    return tuple(metric for metric in known if metric in chosen)


def _strata(tickets: tuple[str, ...]) -> tuple[str | None, ...]:
    """The ticket whose chip is pressed, else all together or one by one."""
    if len(tickets) == 1:
        return tickets
    chosen = session.chosen_ticket(tickets)
    by = one_of(
        "Tickets",
        [_TOGETHER, _EACH],
        key="by",
        disabled=chosen is not None,
        help="Press a ticket's chip above to look at that ticket alone; press it again to let go.",
    )
    if chosen is not None:
        return (tickets[chosen],)
    return (None,) if by == _TOGETHER else tickets
