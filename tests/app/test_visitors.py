"""Several visitors on a fresh server, at the same moment: everybody sees what they would see alone."""

from __future__ import annotations

import pytest

from tests.app.visitors import at_once, look, server

EVERYWHERE = [
    ("overview", "run=domains"),
    ("masks", "run=domains"),
    ("routing", "run=domains"),
    ("attribution", "run=domains"),
    ("routing", "run=adult"),
    ("attribution", "run=adult"),
    ("fairness", "run=adult"),
    ("diagnosis", "run=collapse"),
    ("attribution", "run=fashion10"),
    ("learn", "lesson=many"),
    ("learn", "lesson=lying_map"),
]


@pytest.mark.slow
def test_two_visitors_of_everything_at_once(tmp_path):
    """The second round has every page from the caches that the first one filled, and the last visitor comes alone."""
    with server(tmp_path) as address:
        crowds = [at_once(address, [*EVERYWHERE, *EVERYWHERE]) for _ in range(2)]
        alone = [look(address, *visit) for visit in EVERYWHERE]
    for i, (visit, calm) in enumerate(zip(EVERYWHERE, alone, strict=True)):
        assert calm.texts and not calm.errors, visit
        crowded = [seen for crowd in crowds for seen in (crowd[i], crowd[len(EVERYWHERE) + i])]
        assert all(seen == calm for seen in crowded), visit
    log = (tmp_path / "server.txt").read_text()
    assert "Traceback" not in log and "Error" not in log, log[-2000:]
