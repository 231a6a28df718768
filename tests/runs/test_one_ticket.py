"""A run with one ticket for all rows: the plain lottery ticket."""

import pytest

from rtl_core.config import Config, parse
from rtl_core.errors import BadInput
from rtl_core.runs.checkpoint import finished_run
from rtl_core.runs.training import train_new
from rtl_core.tasks.catalogue import task_of
from tests.toy_run import toy

SETTINGS = toy(
    data={"spec": "bundled:digits"},
    partition={"by": "none"},
    model={"name": "mlp", "width": 0.25},
    density=0.2,
    controls=Config().controls,
)


def test_one_ticket_beside_the_controls_that_say_something(tmp_path):
    run = finished_run(tmp_path / train_new(parse(SETTINGS), tmp_path)["run"])
    rows = {row["method"]: row for row in run.info["evaluation"]["methods"]}
    assert run.tickets.names == ("all",)
    applies = {method for method, row in rows.items() if row["applies"]}
    assert applies == {"rtl", "random", "reinitialised", "dense", "random_same_total", "dense_same_total"}
    assert all(row["reason"] for row in rows.values() if not row["applies"])
    assert run.info["evaluation"]["routers"] == []
    assert rows["rtl"]["density"] == rows["reinitialised"]["density"] == pytest.approx(0.2, rel=1e-3)


def test_one_against_a_rest_that_is_not_there_is_refused():
    with pytest.raises(BadInput, match="no rest"):
        task_of(parse({**SETTINGS, "task": "one_vs_rest"}))
