"""What is looked at on the Masks page, and what is computed of it: each once, and kept for the other sessions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from app import cache
from rtl_core.overlap import chance_level, clustering, ownership
from rtl_core.overlap.chance_level import ChanceInterval, PermutationTest
from rtl_core.overlap.clustering import Tree
from rtl_core.overlap.overlap import Overlap
from rtl_core.overlap.similarity import Similarity, layer_profile, similarity
from rtl_core.statistics.multiple_tests import holm
from rtl_core.tickets.ticket_set import Level, TicketSet

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

Key = tuple[str, int, int, tuple[str, ...] | None]  # folder, its last change, level, layers


@dataclass(frozen=True)
class Compared:
    """All pairs of tickets: counts, measures, what chance would give, and p (K, K) after Holm over all pairs."""

    counts: Overlap
    measures: Similarity
    chance: ChanceInterval
    p: np.ndarray


@dataclass(frozen=True)
class View:
    """A run at one density, over some of its layers. What is computed of it is looked up once a page.

    layers  names; None: the whole network
    where   how sentences call them: " in conv1", "" for the whole network
    """

    run: Run
    level: Level
    layers: tuple[str, ...] | None
    where: str

    @property
    def tickets(self) -> TicketSet:
        return self.run.tickets

    @property
    def names(self) -> tuple[str, ...]:
        return self.run.tickets.names

    @property
    def shown_layers(self) -> tuple[str, ...]:
        return self.layers or self.tickets.layout.names

    def at_target(self) -> View:
        """The same layers at the density of the tickets."""
        return View(self.run, self.tickets.target, self.layers, self.where)

    @property
    def whole(self) -> View:
        """The whole network at the same density."""
        return View(self.run, self.level, None, "")

    @property
    def key(self) -> Key:
        return str(self.run.folder), cache.changed(self.run.folder), self.level.index, self.layers

    @cached_property
    def counts(self) -> Overlap:
        """Over the whole network, whatever layers are looked at."""
        return cache.overlap_counts(self.run, self.level)

    @cached_property
    def compared(self) -> Compared:
        return _compared(self)

    @cached_property
    def profile(self) -> pd.DataFrame:
        return _profile(self.whole)

    @cached_property
    def ownership(self) -> pd.DataFrame:
        return _ownership(self.whole)

    @cached_property
    def intersections(self) -> pd.DataFrame:
        """The sets of tickets that own most weights alone, in the layers looked at."""
        return _intersections(self)

    @cached_property
    def dead_filters(self) -> pd.DataFrame:
        dead = _dead_filters(self.whole)
        return dead[dead.layer.isin(self.shown_layers)]

    @cached_property
    def tree(self) -> Tree:
        return _tree(self)

    def map_of_masks(self, method: str) -> tuple[pd.DataFrame, float]:
        """Columns name, x, y; and the share of the masks' variance that two axes of PCA show. BadInput: too few."""
        return _map(self, method)

    def test(self, a: str, b: str) -> PermutationTest:
        return _test(self, a, b)


@cache.of_run(View, max_entries=16, show_spinner=False)  # of 1,000 tickets one takes 110 MB
def _compared(view: View) -> Compared:
    counts = view.counts.only(view.layers)
    band, by_chance = similarity(counts), chance_level.chance_interval(counts)
    i, j = np.triu_indices(counts.k, 1)
    p = np.full((counts.k, counts.k), np.nan)
    p[i, j] = p[j, i] = holm(by_chance.p[i, j])
    return Compared(counts, band, by_chance, p)


@cache.of_run(View, max_entries=32, show_spinner=False)
def _profile(view: View) -> pd.DataFrame:
    return layer_profile(view.counts)


@cache.of_run(View, max_entries=32, show_spinner="Counting who keeps each weight")
def _ownership(view: View) -> pd.DataFrame:
    return ownership.ownership(view.tickets, view.level)


@cache.of_run(View, max_entries=256, show_spinner=False)
def _test(view: View, a: str, b: str) -> PermutationTest:
    return chance_level.permutation_test(view.counts.only(view.layers), a, b)


@cache.of_run(View, max_entries=32, show_spinner="Counting sets of tickets")
def _intersections(view: View) -> pd.DataFrame:
    return ownership.intersections(view.tickets, view.level, view.layers)


@cache.of_run(View, max_entries=32, show_spinner="Looking for dead filters")
def _dead_filters(view: View) -> pd.DataFrame:
    return ownership.dead_filters(view.tickets, view.level)


@cache.of_run(View, max_entries=32, show_spinner=False)
def _tree(view: View) -> Tree:
    return clustering.tree(view.compared.measures)


@cache.of_run(View, max_entries=32, show_spinner="Drawing the map (UMAP is loaded when it is first asked for)")
def _map(view: View, method: str) -> tuple[pd.DataFrame, float]:
    return clustering.mask_map(view.compared.measures, method)
