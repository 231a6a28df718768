"""The one row of controls: the method, what it compares with, and how its maps are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app import forms
from app.attribution.view import SEVERAL, Chosen, View
from app.kinds import kind_of
from app.markdown import plain

if TYPE_CHECKING:
    from rtl_core.audit.attribution.methods import Method
    from rtl_core.runs.attribution import Explained

SIGNED, ABSOLUTE = "for and against", "by size"
OVER, ALONE = "over the picture", "alone"
_PREDICTED = "what each ticket says"


def choose(explained: Explained, chosen: Chosen, pressed: str | None) -> View:
    """The view that the widgets describe. `pressed`: the ticket whose chip is pressed."""
    from rtl_core.audit.attribution.map_request import MapRequest

    names = explained.run.tickets.names
    compared = pressed or chosen.subset or names[0]
    pictures = kind_of(explained.subject.dataset).maps
    fit, unfit = _methods(explained)
    with st.container(key="attribution-controls", horizontal=True, vertical_alignment="bottom"):
        method = _method(fit)
        baseline = _baseline(explained)
        sign = (
            st.selectbox(
                "Sign",
                (SIGNED, ABSOLUTE),
                key="sign",
                bind="query-params",
                width=160,
                help="For and against: what raises the explained answer and what lowers it have different colours.",
            )
            == SIGNED
        )
        opacity = _opacity() if pictures else None
        one = None if explained.subject.sure else _number(explained)
        with st.popover("More", width=85):
            shared = _shared() if pictures else True
            tickets = _shown(names, compared)
            target = _target(explained) if explained.subject.sure else one
            parameters = _parameters(method)
            seed = st.number_input("Seed", 0, 10**6, 0, key="map-seed", help="Of whatever is drawn at random.")
            if unfit:
                st.markdown("**Methods that cannot be used here**")
                st.markdown("\n".join(f"- {plain(title)}: {plain(reason)}" for title, reason in unfit.items()))
    request = MapRequest(method.name, baseline, target, int(seed), parameters)
    return View(explained, chosen, request, tickets, compared, sign, opacity, shared)


def _methods(explained: Explained) -> tuple[list[Method], dict[str, str]]:
    """The methods that can explain these tickets, and title -> reason for the others."""
    from rtl_core.audit.attribution.methods import METHODS

    subject = explained.subject
    module, shape = subject.module(subject.tickets.names[0]), subject.dataset.input_shape
    reasons = {method: method.unfit(module, shape) for method in METHODS.values()}
    fit = [method for method, reason in reasons.items() if reason is None]
    return fit, {method.title: reason for method, reason in reasons.items() if reason}


def _method(fit: list[Method]) -> Method:
    by_name = {method.name: method for method in fit}
    name = st.selectbox(
        "Method",
        list(by_name),
        list(by_name).index("integrated_gradients"),
        format_func=lambda name: by_name[name].title,
        key="map",
        bind="query-params",
        width=200,
        help="How a map is computed. Those that cannot explain these networks are listed under More, with the reason.",
    )
    return by_name[name]


def _baseline(explained: Explained) -> str:
    from rtl_core.audit.attribution.baselines import baselines_of, default_baseline

    dataset = explained.subject.dataset
    return st.selectbox(
        "Compared with",
        list(baselines_of(dataset)) or [default_baseline(dataset)],
        key="baseline",
        bind="query-params",
        width=140,
        help="The input without what a map explains. There is no neutral one: another baseline gives another map.",
    )


def _opacity() -> float | None:
    """Of the map over the picture, or None where it stands alone."""
    look = st.selectbox("The map", (OVER, ALONE), key="look", bind="query-params", width=160)
    if look == ALONE:
        return None
    return st.slider("Opacity, %", 10, 100, 95, 5, key="opacity", width=150) / 100


def _shared() -> bool:
    return st.toggle(
        "One colour scale for all maps",
        True,
        key="scale",
        bind="query-params",
        help="Off: every map on a scale of its own, to compare shapes where one network's answers are much larger.",
    )


def _shown(names: tuple[str, ...], compared: str) -> tuple[str, ...]:
    """The tickets side by side: all, or as many as can be looked at, with the one in question among them."""
    if len(names) <= SEVERAL:
        return names
    first = [compared, *(name for name in names if name != compared)][:SEVERAL]
    shown = st.multiselect("Tickets shown", names, first, max_selections=SEVERAL, key="maps-of")
    return tuple(name for name in names if name in shown) or (compared,)


def _target(explained: Explained) -> str | None:
    if explained.subject.has_one_output:
        st.caption("Every ticket has one output, the score of its own subset: that is explained.")
        return None
    label = st.selectbox(
        "Answer to explain", [_PREDICTED, *explained.subject.dataset.classes], key="target", bind="query-params"
    )
    return None if label == _PREDICTED else label


def _number(explained: Explained) -> str | None:
    """Which of the numbers is explained, where answers are no classes and none of them is what a ticket says.

    The second one at first: the first class of pixels is as a rule what is left of all others.
    """
    names = explained.subject.explains(explained.run.tickets.names[0])
    if len(names) == 1:
        return None
    return st.selectbox(
        "Explained",
        names,
        1,
        key="target",
        bind="query-params",
        width=150,
        help=plain(f"A map explains one number of an answer: here a {explained.subject.task.explained_as}."),
    )


def _parameters(method: Method) -> tuple[tuple[str, Any], ...]:
    """The method's settings, where they differ from the defaults."""
    changed = []
    for name, info in method.parameters.model_fields.items():
        value = forms.widget(info, info.default, f"parameter-{method.name}-{name}")
        if value != info.default:
            changed.append((name, value))
    return tuple(changed)
