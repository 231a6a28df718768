"""What storage buys: accuracy against stored kilobytes at equal total steps, out of several benchmarks of one data set.

A benchmark varies density; the tickets' own line also varies how much they share, and how long the warm start is. Every
point says the settings that train it, so that it can be trained again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan
from pathlib import Path
from statistics import mean
from typing import Any

from pydantic import TypeAdapter, ValidationError

from rtl_core.errors import BadInput
from rtl_core.runs.atomic import read_json
from rtl_core.statistics.intervals import paired_t
from rtl_core.tickets.storage import BITS_PER_KB

MAX_BYTES = 2**20  # of the file


@dataclass(frozen=True)
class Point:
    """One method under one setting, over seeds.

    recipe      how the tickets' settings differ from the benchmark's, in words; "" where they do not
    settings    those and the density, as `train --set` takes them
    values      the metric on test rows, one per seed, in the seeds' order
    weights, kilobytes   means of what is stored: prunable weights, and these with masks in the smaller packing
    used        the mean number of them that answer one input: a ticket's own, all of one mask's
    total_steps gradient steps per subset, warm start and extraction included
    """

    method: str
    recipe: str
    density: float
    settings: tuple[str, ...]
    values: tuple[float, ...]
    weights: float
    kilobytes: float
    used: float
    total_steps: int

    @property
    def mean(self) -> float:
        return mean(self.values)

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Of the mean over seeds; NaN with one seed."""
        _, low, high, *_ = paired_t(self.values)
        return low, high


@dataclass(frozen=True)
class Frontier:
    """All points of one data set; `benchmark`: by whose settings they were trained."""

    title: str
    benchmark: str
    data: str
    metric: str
    seeds: tuple[int, ...]
    densities: tuple[float, ...]
    points: tuple[Point, ...]

    def of(self, method: str, density: float, recipe: str = "") -> Point | None:
        """The point of a method at a density; None where there is none."""
        wanted = (method, density, recipe)
        return next((p for p in self.points if (p.method, p.density, p.recipe) == wanted), None)

    @property
    def tickets(self) -> list[Point]:
        """The tickets under all recipes, the smallest last."""
        return sorted((p for p in self.points if p.method == "rtl"), key=lambda point: -point.kilobytes)

    @property
    def dense(self) -> Point:
        """The dense network of the same total steps, which no density changes."""
        return next(point for point in self.points if point.method == "dense_same_total")

    def level_with_dense(self) -> Point | None:
        """The tickets that store least among those that are not told apart from the dense network, or lie above it: the
        95 % interval of the paired difference does not end below zero. None where there are none."""
        return next((p for p in reversed(self.tickets) if not lead(p, self.dense).is_below), None)

    def best_one_mask(self, density: float) -> Point | None:
        """The one-mask control at the tickets' storage that does best, however it is trained and read."""
        same = [p for p in self.points if p.density == density and p.method.startswith("imp_single_union")]
        return max(same, key=lambda point: point.mean, default=None)


@dataclass(frozen=True)
class _File:
    frontiers: list[Frontier]


_FILE = TypeAdapter(_File)


def read(path: Path) -> list[Frontier]:
    """What `python -m benchmarks.frontier` has written. BadInput where the file is damaged."""
    try:
        return _FILE.validate_python(read_json(path, MAX_BYTES)).frontiers
    except ValidationError:
        raise BadInput(f"{path.name} is not a file of frontiers; run `python -m benchmarks.frontier` again") from None


@dataclass(frozen=True)
class Lead:
    """How far a method lies above another over the same seeds, with the 95 % interval of a paired t."""

    method: str
    density: float
    difference: float
    low: float
    high: float

    @property
    def is_below(self) -> bool:
        """Whether the interval ends below zero; where there is none, as with one seed, the difference itself."""
        return (self.difference if isnan(self.high) else self.high) < 0


def points(document: Mapping[str, Any], recipe: str = "", assignments: Sequence[str] = ()) -> list[Point]:
    """A point per method and density of a benchmark's document; `assignments`: what its settings differ by."""
    by_place: dict[tuple[str, float], list[Mapping[str, Any]]] = {}
    for row in document["rows"]:
        by_place.setdefault((row["method"], row["density"]), []).append(row)
    return [
        Point(
            method=method,
            recipe=recipe if method == "rtl" else "",
            density=density,
            settings=(*assignments, f"density={density:g}"),
            values=tuple(row[document["metric"]] for row in rows),
            weights=mean(row["params_total"] for row in rows),
            kilobytes=mean(min(row["bits"], row["bits_union"]) for row in rows) / BITS_PER_KB,
            used=mean(row["own_density"] for row in rows) * document["cells"][0]["n_prunable"],
            total_steps=sum(rows[0][f"steps_{phase}"] for phase in ("warm", "extract", "joint")),
        )
        for (method, density), rows in by_place.items()
    ]


def lead(own: Point, other: Point) -> Lead:
    """The tickets' lead over a control of the same seeds."""
    difference, low, high, *_ = paired_t([a - b for a, b in zip(own.values, other.values, strict=True)])
    return Lead(other.method, other.density, difference, low, high)
