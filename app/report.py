"""The report as a download: made on demand, by the lines that the command line uses."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app import cache, session, terms
from app.markdown import plain
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.errors import BadInput
from rtl_core.runs.report import ReportRequest, run_document, table_document

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run


def of_run(run: Run, groups: Sequence[str], reference: Sequence[str], method: str, router: str) -> None:
    """The button for a run, with the audit that the page shows."""
    chosen = (tuple(groups), method, router)
    key = (str(run.folder), cache.changed(run.folder), *chosen, tuple(reference))
    _offer(key, run.name, lambda: _of_run(run, ReportRequest(*chosen, AuditSettings(tuple(reference)))))


def of_table(name: str, content: bytes, digest: str, mapping: dict[str, Any], reference: Sequence[str]) -> None:
    """The button for an uploaded table of predictions."""
    key = (digest, str(sorted(mapping.items())), tuple(reference))
    _offer(key, Path(name).stem, lambda: _of_table(name, content, mapping, tuple(reference)))


def _offer(key: tuple[Any, ...], name: str, make: Any) -> None:
    """A button that makes the report, then one that downloads it; `key` is everything that it depends on."""
    with st.container(border=True):
        st.subheader("One file to hand over", anchor=False)
        st.caption(
            "The report holds this audit with every other finding, its settings, hashes and known limits. It is one "
            "HTML file that opens in any browser and asks no network. No row of your data is in it."
        )
        if st.session_state.get("report_key") != key:
            if not st.button("Prepare the report"):
                return
            with st.spinner("Writing the report", show_time=True):
                try:
                    st.session_state["report"] = make()
                except BadInput as error:
                    st.error(plain(f"The report could not be written: {error}"))
                    return
            st.session_state["report_key"] = key
        content = st.session_state["report"]
        st.download_button(
            f"Download the report ({terms.size(len(content))})",
            content,
            f"{name}-report.html",
            mime="text/html",
            type="primary",
            on_click="ignore",
        )


def _of_run(run: Run, request: ReportRequest) -> bytes:
    from rtl_core.audit.report.page import page

    return page(run_document(run, request, session.runs_root())).encode()


def _of_table(name: str, content: bytes, mapping: dict[str, Any], reference: tuple[str, ...]) -> bytes:
    from rtl_core.audit.report.page import page

    request = ReportRequest(tuple(mapping["groups"]), settings=AuditSettings(reference))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{Path(name).suffix.lower()}"
        path.write_bytes(content)
        roles = {role: value for role, value in mapping.items() if role != "groups"}
        return page(table_document(path, roles, request)).encode()
