"""What lessons are built from: prose with its words explained, steps, guesses, the surprise, and the page around."""

from __future__ import annotations

import html
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import plotly.graph_objects as go
import streamlit as st
from streamlit.errors import StreamlitAPIException

from app import charts, terms
from app.lessons.lesson import Lesson
from app.markdown import plain
from rtl_core.read_only import is_public
from rtl_core.runs import demo_figures

LARGER = 1.3  # type while presenting, for projectors of 1024 x 768
RESULTS = "docs/results"
_TERM = re.compile(r"\[\[([^\]|]+)(?:\|([^\]]+))?\]\]")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_STYLE = Path(__file__).with_name("learn.css")
T = TypeVar("T", str, int, float, bool)
_PRESENTING = f"""<style>
html {{ font-size: {15 * LARGER}px !important; }}
[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"], [class*="st-key-learn-settings"] {{ display: none; }}
[data-testid="stMainBlockContainer"] {{ padding-top: 1.2rem; }}
</style>"""  # settings are hidden, not left out: a widget that is not drawn forgets its value


def prose(text: str) -> None:
    """Paragraphs, parted by empty lines. `[[ticket]]` or `[[tickets|ticket]]` explains the word; `**bold**` works.

    The entry of app/terms.py appears on hover, on keyboard focus and on a tap. A word without one is a KeyError.
    """
    paragraphs = re.split(r"\n\s*\n", text.strip())
    st.html("".join(f'<p class="learn-prose">{explained(paragraph)}</p>' for paragraph in paragraphs))


def explained(text: str) -> str:
    """Safe HTML of a text in the notation of `prose`."""
    unique = zlib.crc32(text.encode())

    def term(match: re.Match) -> str:
        shown, word = match[1], match[2] or match[1]
        name = f"term-{unique:x}-{match.start()}"
        return (
            f'<span class="learn-term"><button type="button" aria-describedby="{name}">{shown}</button>'
            f'<span role="tooltip" id="{name}">{html.escape(terms.GLOSSARY[word.lower()])}</span></span>'
        )

    return _TERM.sub(term, _BOLD.sub(r"<strong>\1</strong>", html.escape(text, quote=False)))


def step(number: int, title: str) -> None:
    """The heading of one thing to do."""
    st.html(f'<h2 class="learn-step"><span>{number}</span>{html.escape(title)}</h2>')


def surprise(sentence: str) -> None:
    """The finding that was not expected, with its figures in `**bold**`: the page's visual high point."""
    st.html(f'<p class="learn-surprise" role="status">{explained(sentence)}</p>')


def side_note(text: str) -> None:
    """What may be skipped, in the notation of `prose`; hidden while presenting."""
    if not presenting():
        st.html(f'<p class="learn-note">{explained(text)}</p>')


def cite(text: str, file: str) -> None:
    """A claim that rests on recorded figures; `file` is its name in docs/results."""
    st.html(f'<p class="learn-note">{explained(text)} <span>Measured: <code>{RESULTS}/{file}</code></span></p>')


def measured_lead(control: str) -> str:
    """RTL's lead over a control in the benchmark over seeds, in points with its 95 % interval."""
    lead = demo_figures.lead(control)
    if lead is None:
        return "a figure that is not there yet"
    value, low, high = (f"{100 * each:+.1f}".replace("-", "−") for each in lead)
    return f"{value} points ({low} to {high})"


def guess(key: str, label: str, options: Sequence[str]) -> str | None:
    """What the learner expects, asked before it is shown; None until one is chosen. Kept in the address as `key`."""
    return st.segmented_control(plain(label), list(options), format_func=plain, key=key, bind="query-params", wrap=True)


def reveal(key: str, label: str) -> bool:
    """A button, and whether it has been pressed: `?key=1`, so that a link opens on what it showed.

    Draws nothing once it has been pressed.
    """
    if state(key, False):
        return True
    st.button(plain(label), key=f"press-{key}", type="primary", on_click=keep, args=(key, True))
    return False


def state(key: str, default: T) -> T:
    """The value of `key` in the address, as the default's type; the default where there is none or it is no such value.

    For what no widget is bound to. Widgets take `key=key, bind="query-params"` instead and need neither.
    """
    written = st.query_params.get(key)
    if written is None:
        return default
    if isinstance(default, bool):
        return written == "1"
    try:
        return type(default)(written)
    except ValueError:
        return default


def number(label: str, low: int, high: int, default: int, key: str, **more: Any) -> int:
    """A box for whole numbers, bound to the address. Streamlit fails on what is not finite there (`1e999`): that counts
    as no number, and the box is then a fresh one that the address has no part in."""
    try:
        return int(st.number_input(plain(label), low, high, default, key=key, bind="query-params", **more))
    except OverflowError:
        return int(st.number_input(plain(label), low, high, default, key=f"{key}-anew", **more))


def keep(key: str, value: str | int | float | bool | None) -> None:
    """Writes `key` into the address; None and False take it out. For callbacks and before a rerun."""
    if value is None or value is False:
        st.query_params.pop(key, None)
    else:
        st.query_params[key] = "1" if value is True else str(value)


def presenting() -> bool:
    """Whether the presenter switch is on: larger type, no settings, no side notes (`?present=1`)."""
    return state("present", False)


@contextmanager
def settings(label: str = "Settings") -> Iterator[None]:
    """`with settings():` widgets that most learners leave alone, folded away; hidden while presenting.

    While hidden the widgets inside still run, so what they are set to holds.
    """
    with st.container(key=f"learn-settings-{label}"), st.expander(plain(label)):
        yield


def plot(figure: go.Figure, key: str, height: int = 360) -> None:
    """A figure in the house's calm layout, with larger type while presenting."""
    charts.calm(figure, height=round(height * (1.15 if presenting() else 1)))
    if presenting():
        size = round(13 * LARGER)
        figure.update_layout(font_size=size)
        figure.update_traces(textfont_size=size, selector={"type": "scatter"})
        larger = {"tickfont_size": size, "title_font_size": size}  # Streamlit's theme has sizes of its own for axes
        figure.update_xaxes(**larger)
        figure.update_yaxes(**larger)
    charts.show(figure, key=key)


def draw(lessons: Sequence[Lesson]) -> None:
    """The whole page: the lesson that the address names, or the list of all."""
    slug = st.query_params.get("lesson")
    chosen = next((lesson for lesson in lessons if lesson.slug == slug), None)
    st.html(_STYLE)
    if presenting():
        st.html(_PRESENTING)
    with st.container(key="learn"):
        _top(chosen)
        if chosen:
            _lesson(chosen, lessons)
        else:
            if slug:
                st.warning(plain(f"There is no lesson “{slug[:40]}”; these are the lessons."))
            _cards(lessons)


def _top(chosen: Lesson | None) -> None:
    """The way back, and the presenter switch at the right."""
    st.session_state["presenting"] = presenting()  # the address decides: a link may have set or dropped it
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="learn-top"):
        if chosen:
            _link("All lessons", None)
        else:
            st.caption("Learn")
        st.toggle(
            "Presenter",
            key="presenting",
            on_change=lambda: keep("present", st.session_state["presenting"]),
            help="Larger type for a projector; settings and side notes are hidden.",
        )


def _lesson(lesson: Lesson, lessons: Sequence[Lesson]) -> None:
    st.title(plain(lesson.question), anchor=False)
    st.html(f'<p class="learn-promise">{html.escape(lesson.promise)} <span>{_effort(lesson)}</span></p>')
    if not lesson.play():
        return
    st.html(f'<div class="learn-home"><span>To take home</span><p>{html.escape(lesson.take_home)}</p></div>')
    st.caption("This link opens the lesson as you see it now; the button at its right copies it.")
    st.code(address(), language=None, wrap_lines=True)
    at = lessons.index(lesson) + 1
    with st.container(key="learn-next"):
        if at < len(lessons):
            _link(f"Next: {lessons[at].question}", lessons[at].slug)
        else:
            _link("That was the last one: all lessons", None, place="end")


def _cards(lessons: Sequence[Lesson]) -> None:
    st.title(f"{len(lessons)} questions about sparse networks, each a few minutes", anchor=False)
    prose(
        "A [[network]] is sparse when it works with few of its numbers. Every lesson is one thing to do on real "
        "networks and real data, and one thing you may not expect."
    )
    for row in range(0, len(lessons), 2):
        for place, lesson in zip(st.columns(2, gap="medium"), lessons[row : row + 2], strict=False):
            with place.container(border=True, key=f"lesson-{lesson.slug}", height="stretch"):
                _link(lesson.question, lesson.slug)
                st.html(f'<p class="learn-card">{html.escape(lesson.promise)}</p><p>{_effort(lesson)}</p>')


def _effort(lesson: Lesson) -> str:
    facts = (
        f"{lesson.minutes} minutes",
        ("trains live, not in this demonstration" if is_public() else "trains live") * lesson.trains,
        "your own picture" * lesson.pictures,
    )
    return " · ".join(filter(None, facts))


def _link(label: str, slug: str | None, place: str = "") -> None:
    """To a lesson, or to the list of all: a button, since a page link to its own page leaves the address unchanged."""
    st.button(plain(label), key=f"open-{slug or 'all'}{place}", type="tertiary", on_click=_open, args=(slug,))


def _open(slug: str | None) -> None:
    """Nothing of the last lesson stays in the address."""
    for name in set(st.query_params) - {"present"}:
        with suppress(StreamlitAPIException):  # bound to a widget, and gone when the widget is no longer drawn
            del st.query_params[name]
    keep("lesson", slug)


def address() -> str:
    """The page's whole address: what a fresh browser needs to show the same."""
    return f"{st.context.url or ''}?{urlencode(st.query_params.to_dict())}"
