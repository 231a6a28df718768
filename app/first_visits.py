"""What the first visitors of a public server would wait for, computed before they come.

Nothing is read from a file that was made earlier: it is what the pages would compute themselves, through the same
caches, so a visitor who comes before it is done waits for it, and nothing is computed twice.
"""

from __future__ import annotations

import logging
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from app import cache, session
from app.attribution import view as attribution
from app.fairness import run_predictions as fairness
from app.routing import view as routing
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run


def prepare() -> None:
    """Opens every sample's networks and asks every ticket about every test row: some 10 s of one core."""
    _without_words_about_sessions()
    cache.hide_expected_warnings()
    for sample in session.sample_summaries().values():
        with suppress(BadInput):  # its pages say what is wrong with it
            _open(cache.load_run(sample.folder))
    cache.freeze()  # else a full search for garbage goes through torch and all networks, while everybody waits


def _open(run: Run) -> None:
    looked = routing.View(routing.routing_of(run), "gate")
    _ = looked.report, looked.compared()
    attribution.explained(run)
    fairness.audited(run)


def _without_words_about_sessions() -> None:
    """Streamlit logs, again and again, that this thread draws on nobody's page."""
    own = threading.current_thread().name
    logger = logging.getLogger("streamlit.runtime.scriptrunner_utils.script_run_context")
    logger.addFilter(lambda record: record.threadName != own)
