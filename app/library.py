"""The parts of the Library page: import of masks, export of tickets, the difference between two tickets."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from app import cache, colours, demonstration, nav, panels, session, tasks, terms
from app.frames import frame
from app.markdown import plain
from app.masks import findings, pair
from rtl_core.errors import BadInput
from rtl_core.runs.store import named_run

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.exports import AppliedTicket, Difference, OneTicket
    from rtl_core.runs.imports import Imported

MASK_FILES = ["safetensors", "pt", "pth", "bin", "ckpt", "tar", "th", "pkl", "pickle", "npz", "npy", "json"]
_ARRAYS = {"": "told from their names and shapes", "layers": "layers of one network", "tickets": "a ticket each"}
_UPLOADED = "an uploaded ticket file"
_FORMATS = {
    "ticket": ("Portable mask", "which weights it keeps and when the others went; no weights in it"),
    "safetensors": ("Masked weights", "a state dict for the plain network, zeros outside the mask"),
}


def bring_in() -> None:
    """Pruned networks made elsewhere become a run of masks."""
    st.write(
        "Drop in pruned networks that were made elsewhere: state dicts in which zeros are the mask, "
        "`torch.nn.utils.prune` checkpoints, training checkpoints, whole modules, mask files, or RTL Lab ticket files; "
        "of a network in shards, all of them and the index. They become a run in which everything about masks works. "
        "Nothing in a file is executed."
    )
    files = demonstration.upload("Pruned networks or masks", MASK_FILES, accept_multiple_files=True, key="mask-files")
    if files is None:
        return
    name = st.text_input("Name of the run", placeholder="imported", max_chars=60, key="mask-name")
    with st.popover("Tensors and arrays"):
        tensors = st.text_area(
            "Only these tensors",
            placeholder="features.*.weight",
            help="Names with * and ?, one a line. Left empty, those count that are pruned, and the others are listed.",
            key="mask-tensors",
        )
        arrays = st.selectbox(
            "Arrays in .npy and .npz files are", list(_ARRAYS), format_func=_ARRAYS.__getitem__, key="mask-arrays"
        )
    if not files:
        st.caption(
            "At least two files, or one with several masks. Files of more than 200 MB come in by the command line: "
            "`python -m rtl_core import FILES...`"
        )
    elif st.button(f"Import {len(files)} file{'s' if len(files) > 1 else ''}", type="primary"):
        _import(files, name, tensors.splitlines(), arrays)
    _imported()


def _import(files: Sequence[Any], name: str, tensors: Sequence[str], arrays: str) -> None:
    from rtl_core.interchange.import_masks_ticket import choice_of
    from rtl_core.runs.imports import import_masks

    bar = st.progress(0.0, "Reading the first file")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i:04d}{PurePosixPath(f.name).suffix.lower()}" for i, f in enumerate(files)]
        for path, file in zip(paths, files, strict=True):
            path.write_bytes(file.getbuffer())
        try:
            st.session_state["imported"] = import_masks(
                paths,
                session.runs_root(),
                name,
                lambda done, total, title: bar.progress(done / total, plain(f"{done} of {total}: {title}")),
                [file.name for file in files],
                choice_of(tensors, arrays),
            )
        except BadInput as error:
            st.error(plain(f"Nothing was imported: {error}"))
            return
        finally:
            bar.empty()
    session.choose_and_rerun(st.session_state["imported"].run)


def _imported() -> None:
    """What the last import made, and the way to its masks."""
    imported: Imported | None = st.session_state.get("imported")
    if imported is None:
        return
    verb = "was imported before" if imported.reused else "is ready"
    what = f"{len(imported.tickets)} tickets over {terms.count(imported.n_prunable)} weights"
    st.success(plain(f"“{imported.run}” {verb}: {what}."))
    st.page_link(nav.MASKS, label="See what they share", icon=":material/grid_on:")
    tickets = frame(imported.tickets)
    st.dataframe(
        tickets.assign(density=[terms.density(d) for d in tickets.density]).rename(columns={"params": "weights kept"}),
        hide_index=True,
    )
    panels.how_masks_were_read(imported)


def take_out() -> None:
    """One ticket of the chosen run as a file."""
    run = panels.require_run()
    if run.masks_only:
        st.info("This run holds masks without weights; a ticket is exported together with the weights it is for.")
        return
    index = session.chosen_ticket(run.tickets.names) or 0
    name = st.selectbox("Ticket to export", run.tickets.names, index, key="export-ticket")
    for column, (kind, (title, what)) in zip(st.columns(2, gap="large"), _FORMATS.items(), strict=True):
        with column.container(border=True):
            st.subheader(plain(title), anchor=False)
            st.caption(plain(terms.sentence(what)))
            file = _exported(run, name, kind)
            label = f"Download {terms.size(len(file[1]))}"
            st.download_button(plain(label), file[1], file[0], on_click="ignore", key=f"download-{kind}")
    st.caption("The format of the portable mask is written down in docs/ticket-file.md. The same by command line:")
    command = ["python", "-m", "rtl_core", "export", run.name, "--ticket", name, "--format", "ticket,safetensors"]
    st.code(shlex.join(command), language="shell")


@cache.of_run(kind=st.cache_data, max_entries=16, show_spinner="Packing the ticket")
def _exported(run: Run, ticket: str, kind: str) -> tuple[str, bytes]:
    from rtl_core.runs import exports

    with tempfile.TemporaryDirectory() as place:
        path = Path(exports.export(run, ticket, [kind], Path(place))[kind])
        return path.name, path.read_bytes()


def load() -> None:
    """A ticket file against the chosen run: refused for other weights, else measured on the run's data."""
    run = panels.require_run()
    if run.masks_only:
        st.info("This run holds masks without weights, so no ticket can be applied to it.")
        return
    st.write("A ticket file says which shared weights it is for. It is measured here only if they are this run's.")
    file = demonstration.upload("Ticket file", ["safetensors"], key="ticket-file")
    if file is None:
        return
    try:
        applied = _applied(run, file.getvalue())
    except BadInput as error:
        st.error(plain(f"Not loaded: {error}"))
        return
    metric, row = panels.metric_of(run), applied.row
    reached, own = (tasks.value(metric, each.value(metric)) for each in (row, applied.own))
    st.success(
        plain(
            f"“{row.name}” fits: {tasks.title_of(metric)} {reached} on “{applied.subset}” "
            f"({tasks.interval(metric, row.interval(metric))}, n = {terms.count(row.n)}). This run's own "
            f"ticket reaches {own}."
        )
    )
    st.caption(
        plain(
            f"It keeps {terms.density(row.density)} of the weights. Licence: {applied.licence}. Measured "
            "with this run's head and with norm statistics re-estimated on the subset's training rows."
        )
    )


@cache.of_run(kind=st.cache_data, max_entries=8, show_spinner="Measuring the ticket")
def _applied(run: Run, content: bytes) -> AppliedTicket:
    from rtl_core.interchange.ticket_file import read_ticket
    from rtl_core.runs.exports import apply_ticket

    return apply_ticket(run, read_ticket(content))


def compare() -> None:
    """Two tickets, from the chosen run, from another one, or from files."""
    run = panels.require_run()
    left, right = st.columns(2, gap="large")
    try:
        with left:
            a = _one_ticket(run, "A", 0)
        with right:
            b = _one_ticket(run, "B", min(1, run.tickets.k - 1))
        if a is None or b is None:
            st.info("Choose two tickets to see what they share.")
            return
        from rtl_core.runs.exports import diff

        difference = diff(a, b)
    except BadInput as error:
        panels.refuse(f"They cannot be compared: {error}")
    _difference(difference)


def _one_ticket(run: Run, letter: str, first: int) -> OneTicket | None:
    """One side of the comparison."""
    from rtl_core.runs.exports import open_ticket

    runs = [*session.entries(), _UPLOADED]
    source = st.selectbox(
        plain(f"{letter} from"), runs, runs.index(run.name) if run.name in runs else 0, key=f"from-{letter}"
    )
    if source == _UPLOADED:
        return _uploaded_ticket(letter)
    names = cache.load_run(named_run(source, session.runs_root())).tickets.names
    ticket = st.selectbox(plain(f"Ticket {letter}"), names, min(first, len(names) - 1), key=f"ticket-{letter}-{source}")
    return open_ticket(f"{source}:{ticket}", session.runs_root())


def _uploaded_ticket(letter: str) -> OneTicket | None:
    from rtl_core.interchange.ticket_file import read_ticket
    from rtl_core.runs.exports import from_file

    file = demonstration.upload(f"Ticket file {letter}", ["safetensors"], key=f"file-{letter}")
    if file is None:
        return None
    ticket = read_ticket(file.getvalue())
    st.caption(plain(f"“{ticket.name}”, made on {ticket.data.get('spec', 'unnamed data')}; licence: {ticket.licence}"))
    return from_file(ticket)


def _difference(difference: Difference) -> None:
    a, b = difference.a, difference.b
    a, b = (a, b) if a != b else (f"{a} (A)", f"{b} (B)")
    sentence = {
        True: "Both are for the same shared weights.",
        False: "They are for different weights: what they share are places, not values.",
        None: "At least one says nothing about the weights it is for: what they share are places.",
    }[difference.same_theta]
    layers = frame(difference.layers).rename(columns={"name": "layer"})
    panels.chart(
        findings.pair_title(a, b, difference.shares.shared, difference.shares.excess or np.nan),
        pair.bars(layers, (a, b), (colours.TICKETS[0], colours.TICKETS[1]), colours.tone()),
        layers,
        f"{sentence} A bar is all that either ticket keeps in a layer; its middle is what both keep.",
        "diff",
    )


VIEWS = {"Bring in masks": bring_in, "Take out a ticket": take_out, "Load a ticket": load, "Compare two": compare}
