"""The pieces that pages are arranged from: header, tiles, a chart with its title, reading help and numbers."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import cache, charts, colours, headlines, nav, session, tasks, terms
from app.markdown import plain
from rtl_core.errors import BadInput
from rtl_core.runs.store import RunSummary
from rtl_core.spreadsheet_csv import csv_text
from rtl_core.tasks.catalogue import task_named

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.imports import Imported
    from rtl_core.runs.record import RunRecord


def require_run() -> Run:
    """The chosen run, its header drawn; where there is none, or it has no result yet, says so and stops the page."""
    missing = st.session_state.pop("run_not_there", None)
    if missing:
        st.warning(plain(f"There is no run “{missing}” on this machine; another one is shown. Choose in the sidebar."))
    summary = session.current()
    if summary is None:
        no_run()
    if summary.problem:
        refuse(f"{summary.problem}. Choose another run in the sidebar, or delete this one on the Train page.")
    if not (summary.folder / "run.json").exists():
        unfinished(summary)
    try:
        run = cache.load_run(summary.folder)
    except BadInput as error:
        refuse(f"{error}. Choose another run in the sidebar.")
    header(run, summary)
    return run


def no_run() -> None:
    """The empty state: what would be here, and the way there."""
    st.title("No run to look at yet")
    st.write(
        "A run holds the tickets of one training, and how they compare. Train one, in about a minute, to see it here."
    )
    st.page_link(nav.TRAIN, label="Train tickets", icon=":material/model_training:")
    st.stop()


def unfinished(summary: RunSummary) -> None:
    word, mark = terms.STATES[summary.state]
    st.title(plain(f"{summary.title} has no result yet"))
    st.write(plain(f"{mark} It is {word}. Its tickets can be looked at when training is done."))
    st.page_link(
        nav.TRAIN,
        label="See its progress",
        icon=":material/model_training:",
        query_params={"run": summary.name, "view": "Progress"},
    )
    st.stop()


def refuse(sentence: str) -> None:
    """One sentence that says what is wrong and what to do; nothing after it is drawn."""
    st.error(plain(sentence))
    st.stop()


def headline_place(until_known: str | None = None) -> Any:
    """Where a page's headline is written once it is known; on the first visit `until_known` stands there, if given.

    Afterwards the last one stays until then: a headline of fewer lines in between would move everything under it, and a
    click that comes just then would miss.
    """
    place = st.container(key="headline")
    if until_known is None or st.session_state.get("headline_on") == until_known:
        return place
    st.session_state["headline_on"] = until_known
    first = place.empty()
    first.title(plain(until_known), anchor=False)
    return first


def header(run: Run, summary: RunSummary) -> None:
    """Slim line on top of every page: run, state, data, density, and one chip per ticket."""
    word, mark = terms.STATES[summary.state]
    facts = [
        *_made_of(run),
        f"density {terms.density(run.tickets.target.density)}",
        f"{terms.count(run.tickets.n)} prunable weights",
    ]
    line = "".join(f'<span class="fact">{escape(fact)}</span>' for fact in facts)
    name = escape(summary.title)
    badge = f'<span class="lab-badge">{mark} {word}</span>'
    st.html(f'<div class="lab-head"><span class="name">{name}</span>{badge}{line}</div>')
    ticket_chips(run.tickets.names)


def _made_of(run: Run) -> tuple[str, ...]:
    """What the run's tickets are for, in a word or two."""
    if run.masks_only:
        return ("imported masks",)
    data = terms.BUNDLED.get(run.config.data.spec, (run.config.data.spec,))[0]
    return data, task_named(run.config.task).title


def ticket_chips(names: tuple[str, ...]) -> None:
    """One chip per ticket in its colour; the pressed one is marked on all pages."""
    dots = "".join(
        f".st-key-ticket button:nth-of-type({i})::before {{ background: {colour}; }}"
        for i, colour in enumerate(colours.of_tickets(len(names)), 1)
    )
    st.html(
        "<style>.st-key-ticket button::before { content: ''; width: .65rem; height: .65rem; border-radius: 50%; "
        f"margin-right: .45rem; flex: none; }} {dots}</style>"
    )
    missing = st.query_params.get("ticket")
    if missing in names and plain(missing) != missing:  # Streamlit knows an option in the address by its label alone
        st.session_state.setdefault("ticket", missing)
    st.pills("Ticket", list(names), format_func=plain, key="ticket", bind="query-params", label_visibility="collapsed")


def tiles(frame: pd.DataFrame, metric: str, chosen: int | None) -> None:
    """One tile per ticket. Columns: name, subset, density, label, value, ci, n, warnings (a list of sentences)."""
    palette = colours.of_tickets(len(frame))
    drawn = [_tile(row, metric, palette[i], i == chosen) for i, row in enumerate(frame.itertuples())]
    st.html(f'<div class="lab-tiles">{"".join(drawn)}</div>')


def _tile(row: Any, metric: str, colour: str, chosen: bool) -> str:
    n = f"n = {terms.count(row.n)}" if row.n is not None and row.n == row.n else ""
    warnings = "".join(f'<div class="warn">⚠ {escape(sentence)}</div>' for sentence in row.warnings)
    subset = "" if row.subset in ("", row.name) else f"{escape(row.subset)}<br>"
    interval = tasks.interval(metric, row.ci)
    small = f"{escape(row.label)}<br>{interval} · {n}<br>{subset}keeps {terms.density(row.density)}"
    return (
        f'<div class="lab-tile{" chosen" if chosen else ""}" style="--ticket: {colour}">'
        f'<div class="title">{escape(row.name)}</div><div class="value">{tasks.value(metric, row.value)}</div>'
        f'<div class="small">{small}</div>{warnings}</div>'
    )


def stoppable_bar(place: Any, text: str, name: str, key: str) -> Any:
    """A progress bar with a Stop beside it, in an emptied `place`; Stop forgets the request, `key` of the session.

    The row is a container within the place's own: the button that was pressed lingers there for a moment, and as a
    neighbour in the row it would move Stop away under the pointer when it goes.
    """
    with place.container(), st.container(horizontal=True, vertical_alignment="center"):
        bar = st.progress(0.0, plain(text))
        st.button("Stop", key=f"stop-{name}", on_click=lambda: st.session_state.pop(key, None))
    return bar


def chart(title: str, figure: Any, numbers: pd.DataFrame, how: str, name: str) -> None:
    """A Plotly figure under the title that says its finding, with how to read it and its numbers."""
    st.subheader(plain(title), anchor=False)
    charts.show(figure, key=f"chart-{name}")
    reading(how, numbers, name)


def reading(how: str, numbers: pd.DataFrame, name: str) -> None:
    """One sentence of help, and the chart's numbers as a table and a file."""
    with st.container(horizontal=True, horizontal_alignment="distribute", wrap=False):
        st.caption(plain(how), width="stretch")
        numbers_button = st.popover("Numbers", width="content")
    with numbers_button:
        st.dataframe(numbers, hide_index=True)
        download(numbers, name)


def how_masks_were_read(imported: Imported | RunRecord) -> None:
    """What was chosen of imported files, how they were read, and what was left out."""
    if imported.choice.tensors:
        st.caption(plain(f"Only tensors called {', '.join(imported.choice.tensors)} count, as was chosen."))
    if imported.notes:
        with st.expander("How the files were read", expanded=len(imported.notes) <= 5):
            for note in imported.notes:
                st.write(plain(note))
    if imported.left_out:
        left_out = pd.DataFrame(imported.left_out)
        with st.expander(f"{len(left_out)} tensors were left out, and why"):
            counts = left_out.reason.value_counts(sort=False)
            st.write(plain(". ".join(f"{count} because {reason}" for reason, count in counts.items()) + "."))
            st.dataframe(left_out, hide_index=True)


def download(numbers: pd.DataFrame, name: str) -> None:
    st.download_button(
        "Download CSV",
        lambda: csv_text(numbers).encode(),
        file_name=f"{name}.csv",
        mime="text/csv",
        on_click="ignore",
        key=f"csv-{name}",
    )


def term(word: str) -> str:
    """A glossary entry, for `help=`."""
    return terms.GLOSSARY[word]


def metric_of(run: Run) -> str:
    return headlines.main_metric(run.config.task)
