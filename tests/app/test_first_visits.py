"""Visitors of all samples share what is computed once, and in public the first ones find it computed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import streamlit as st

import rtl_core.runs.attribution
import rtl_core.runs.fairness
import rtl_core.runs.open_run
import rtl_core.runs.routing
from app import cache, first_visits
from app.attribution.view import explained
from app.fairness.run_predictions import audited
from app.routing.view import View, routing_of
from rtl_core.runs.store import samples


@pytest.fixture(autouse=True)
def empty_caches():
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture
def opened_runs(monkeypatch) -> list[str]:
    """The name of a run each time that something costly is made of it."""
    made = []

    def make(run):
        made.append(getattr(run, "name", run))
        return SimpleNamespace(run=run, answers=None)

    monkeypatch.setattr(rtl_core.runs.open_run, "open_run", make)
    for module, name in (("routing", "Routing"), ("attribution", "Explained"), ("fairness", "Audited")):
        kind = SimpleNamespace(of=make, over=make) if name != "Audited" else make
        monkeypatch.setattr(getattr(rtl_core.runs, module), name, kind)
    return made


@pytest.mark.parametrize("kept", [cache.opened, routing_of, explained, audited])
def test_visitors_of_different_samples_do_not_push_each_other_out(opened_runs, kept):
    runs = [cache.load_run(folder) for folder in samples().values()]
    first = [kept(run) for run in runs]
    made = len(opened_runs)
    assert made >= len(runs) == len(samples())
    assert all(again is before for again, before in zip(map(kept, runs), first, strict=True))
    assert len(opened_runs) == made


def test_everything_is_prepared_for_the_first_visitors(opened_runs, monkeypatch):
    looked_at = []
    monkeypatch.setattr(View, "report", property(lambda view: looked_at.append(view.router)))
    monkeypatch.setattr(View, "compared", lambda view: looked_at.append("all"))
    first_visits.prepare()
    made = len(opened_runs)
    assert looked_at == ["gate", "all"] * len(samples())
    for folder in samples().values():
        for kept in (cache.opened, routing_of, explained, audited):
            kept(cache.load_run(folder))
    assert len(opened_runs) == made
