"""Maps of a ticket beside those of the same ticket with its weights shuffled, for the lesson `lying_map`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import cache
from app.attribution import view
from app.lessons.pictures import inputs
from rtl_core.runs import store

if TYPE_CHECKING:
    import torch
    from torch import nn

    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.attribution import Checked, Explained
    from rtl_core.runs.checkpoint import Run

SAMPLE = "domains"
TICKET = "original"
METHODS = {"guided_backprop": "Guided backpropagation", "integrated_gradients": "Integrated gradients"}
N = 60  # test pictures that the score is taken over


@dataclass(frozen=True)
class Compared:
    """Maps (n, c, h, w) of n pictures by one method, each explaining the trained ticket's answer.

    learned   of the trained ticket; shuffled: of the same ticket with the weights of every layer shuffled
    curve     (n, layers): rank correlation of the trained ticket's map with that of the ticket whose last 1, 2, ...
              layers are shuffled; in the last column all are
    by_size   (n,): rank correlation of `learned` and `shuffled` without their signs
    """

    learned: np.ndarray
    shuffled: np.ndarray
    curve: np.ndarray
    by_size: np.ndarray


@dataclass(frozen=True)
class Shown:
    """The pictures of the lesson.

    rows      the first N test rows of the ticket's own subset
    accuracy  of the trained and of the shuffled network on them
    """

    rows: np.ndarray
    accuracy: tuple[float, float]


def run() -> Run:
    return cache.load_run(store.samples()[SAMPLE])


def explained() -> Explained:
    return view.explained(run())


def dataset() -> Dataset:
    """The run's data with no test rows but the ticket's own."""
    return _dataset(cache.changed(run().folder))


def shown() -> Shown:
    return _shown(cache.changed(run().folder))


def compared(method: str) -> Compared:
    """Over the pictures of `shown`."""
    return _compared(cache.changed(run().folder), method)


def of_picture(method: str, picture: np.ndarray) -> tuple[Compared, Checked, str]:
    """(the maps, the checks of the trained ticket's map, its answer) for one picture (c, h, w) in [0, 1]."""
    return _of_picture(cache.changed(run().folder), method, picture)


@st.cache_resource(max_entries=1, show_spinner=False)
def _dataset(changed: int) -> Dataset:
    explained_run = explained()
    own = explained_run.partition.assignment == explained_run.subject.index(TICKET)
    whole = explained_run.subject.dataset
    return replace(whole, split=np.where((whole.split != "test") | own, whole.split, "other"))


@st.cache_resource(max_entries=1, show_spinner=False)
def _shown(changed: int) -> Shown:
    from rtl_core.audit.attribution.explain import outputs_of

    rows = dataset().rows("test")[:N]
    x, y = dataset().inputs(rows), dataset().y[rows]
    networks = explained().subject.module(TICKET), _forgetting()[-1]
    learned, shuffled = (float((outputs_of(module, x).argmax(axis=1) == y).mean()) for module in networks)
    return Shown(rows, (learned, shuffled))


@st.cache_resource(max_entries=2, show_spinner="Drawing the maps")
def _compared(changed: int, method: str) -> Compared:
    return _compare(method, dataset().inputs(shown().rows))


@st.cache_resource(max_entries=64, show_spinner="Drawing and checking the maps")
def _of_picture(changed: int, method: str, picture: np.ndarray) -> tuple[Compared, Checked, str]:
    from rtl_core.audit.attribution.explain import explain
    from rtl_core.audit.attribution.map_request import MapRequest
    from rtl_core.runs.attribution import check

    subject, x = explained().subject, inputs(dataset(), picture)
    question = MapRequest(method).question(explained().subject, x)
    maps = explain(subject.module(TICKET), x, question)
    return _compare(method, x), check(subject, TICKET, x, maps, question), dataset().classes[int(maps.target[0])]


def _compare(method: str, x: torch.Tensor) -> Compared:
    from rtl_core.audit.attribution.explain import explain
    from rtl_core.audit.attribution.map_request import MapRequest
    from rtl_core.audit.attribution.rank_correlation import rank_correlation

    question = MapRequest(method).question(explained().subject, x).at_fixed_steps
    learned = explain(explained().subject.module(TICKET), x, question)
    others = [explain(module, x, question, learned.target) for module in _forgetting()]
    curve = np.stack([np.nan_to_num(rank_correlation(learned.flat, other.flat)) for other in others], axis=1)
    by_size = np.nan_to_num(rank_correlation(np.abs(learned.flat), np.abs(others[-1].flat)))
    return Compared(learned.attributions, others[-1].attributions, curve, by_size)


def _forgetting() -> list[nn.Module]:
    """The ticket with the weights of its last layer shuffled, of its last two, ... of all."""
    from rtl_core.audit.attribution.sanity import shuffled

    module = explained().subject.module(TICKET)
    layers = sum(parameter.ndim > 1 for parameter in module.parameters())
    return [shuffled(module, stage, run().config.seed) for stage in range(layers)]
