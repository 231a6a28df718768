"""Every density's ticket of one subset, trained again as it was in its round, so that pictures can be shown to it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import cache

if TYPE_CHECKING:
    from torch import nn

    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.checkpoint import Run


@dataclass(frozen=True)
class Way:
    """The first ticket of a run on its way down.

    subset    the part of the data that it is for
    dataset   the run's data, with no test rows but those of the subset
    rows      of each class the first test row that the ticket has right with all weights
    modules   the ticket after each of its rounds, densest first
    """

    subset: str
    dataset: Dataset
    rows: np.ndarray
    modules: tuple[nn.Module, ...]


@cache.of_run(kind=st.cache_data, max_entries=64, show_spinner=False)
def answers(run: Run, x: np.ndarray) -> np.ndarray:
    """int64 (rounds, n): the class that the ticket gives pictures x, uint8 (n, c, h, w), after each round."""
    from rtl_core.audit.attribution.explain import outputs_of

    way = of(run)
    inputs = replace(way.dataset, x=x).inputs(np.arange(len(x)))
    return np.stack([outputs_of(module, inputs).argmax(axis=1) for module in way.modules])


@cache.networks_of_run(max_entries=2, show_spinner="Training one ticket again, round after round")
def of(run: Run) -> Way:
    """For a run whose rounds were watched: its masks are stored, the weights of its rounds are not.

    A batch is a function of seed and step: the same rounds give the same weights, to the bit on the same machine.
    """
    from rtl_core.audit.attribution.explain import outputs_of
    from rtl_core.events import MemoryJournal, silent
    from rtl_core.learning.batchnorm_recalibration import recalibrate
    from rtl_core.learning.method_steps import ticket_rounds, warm_start
    from rtl_core.learning.subnetwork import as_module
    from rtl_core.runs.prepare import experiment, prepare
    from rtl_core.runs.run_data import own_dataset

    journal = MemoryJournal()
    setting = prepare(run.config, silent, journal, own_dataset(run))
    setup = experiment(setting, silent, journal)
    rounds = ticket_rounds(setup, warm_start(setup), 0)
    modules = []
    for level in run.tickets.levels:
        if level.kind == "lighter":
            break
        (subnetwork,) = rounds.train(run.tickets.masks(level)[0], level.index)
        subnetwork = recalibrate(setup, subnetwork, setup.subsets[0])
        modules.append(as_module(setup.network, subnetwork, setup.layout))
    whole, own = setting.dataset, setting.partition.assignment == 0
    dataset = replace(whole, split=np.where((whole.split != "test") | own, whole.split, "other"))
    test = dataset.rows("test")
    right = test[outputs_of(modules[0], dataset.inputs(test)).argmax(axis=1) == dataset.y[test]]
    rows = right[np.unique(dataset.y[right], return_index=True)[1]]
    return Way(run.tickets.names[0], dataset, rows, tuple(modules))
