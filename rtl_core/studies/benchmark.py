"""Benchmarks: RTL and its controls at several densities over several seeds, on the test split.

What a benchmark is stands in `presets/benchmarks/NAME.json`: its seeds were named before they were run, and no setting
was chosen with them. Figures are kept in one JSON document, from which every page and drawing is made.
"""

from __future__ import annotations

import hashlib
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from rtl_core.config import Config, merged, parse, preset, with_setting
from rtl_core.errors import BadInput
from rtl_core.statistics.intervals import paired_t

ELSEWHERE = {"seed": "--seeds", "density": "--densities", "workers": "--workers", "data.spec": "--data"}

Cells = dict[tuple[int, float], dict[str, Any]]  # (seed, density) -> what jobs.figures found


@dataclass(frozen=True)
class Study:
    """One benchmark as it is to be run.

    values   the settings that all its runs have in common
    without  control -> why it is left out
    reduced  what was made smaller because there is no CUDA device, None where nothing was
    usual    the seeds and densities of the benchmark's file
    options  data and settings, as the command line takes them
    """

    name: str
    title: str
    reason: str
    metric: str
    values: dict[str, Any]
    without: dict[str, str]
    reduced: str | None
    seeds: tuple[int, ...]
    densities: tuple[float, ...]
    usual: tuple[tuple[int, ...], tuple[float, ...]]
    options: tuple[str, ...]

    def config(self, seed: int, density: float) -> Config:
        return parse({**self.values, "seed": seed, "density": density})

    @property
    def common(self) -> dict[str, Any]:
        """Every setting but the seed and the density, defaults filled in; those of the alarm, of sharing and of
        decay only where they are used."""
        config = self.config(self.seeds[0], self.densities[0])
        silent: dict[str, Any] = {"seed": True, "density": True}
        silent |= {"collapse": True} if config.collapse.policy == "off" else {}
        silent |= {"storage": True} if config.storage is None else {}
        silent |= {"extract": {"sharing"}} if config.extract.sharing == 0 else {}
        silent |= {"joint": {"decay"}} if config.joint.decay == "none" else {}
        silent |= {"data": {"split"}} if config.data.split == "given" else {}
        silent |= {"loss": True} if config.loss.class_weights == "none" else {}
        return config.model_dump(mode="json", exclude=silent)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.common, sort_keys=True).encode()).hexdigest()[:12]


def names() -> list[str]:
    return sorted(entry.name.removesuffix(".json") for entry in _folder().iterdir() if entry.name.endswith(".json"))


def study(
    name: str,
    seeds: Sequence[int] | None = None,
    densities: Sequence[float] | None = None,
    data: str | None = None,
    assignments: Sequence[str] = (),
) -> Study:
    """A benchmark by its name, with other seeds, densities, data or settings where they are given.

    BadInput for an unknown name, a density outside (0, 1), data that are not given, a setting that does not exist.
    """
    described = _described(name)
    spec = described["data"] if data is None else data
    if spec is None:
        raise BadInput(f"benchmark '{name}' has no data of its own; give them with --data, for example cifar:PATH")
    values = merged(preset(described["preset"]), described["settings"])
    reduced = described["reduced"] if described["reduced"] and not _has_cuda() else None
    if reduced:
        values = merged(values, reduced["settings"])
    controls = [control for control in parse(values).controls if control not in described["without"]]
    # One process runs one seed at a time, and nobody looks at levels here.
    values |= {"controls": controls, "workers": 1, "threads": 1, "denser": [], "lighter": []}
    values = with_setting(values, f"data.spec={json.dumps(spec)}")
    for assignment in assignments:
        key = assignment.partition("=")[0]
        if key in ELSEWHERE:
            raise BadInput(f"--set {key}: a benchmark takes {ELSEWHERE[key]} for that")
        values = with_setting(values, assignment)
    chosen = Study(
        name=name,
        title=described["title"],
        reason=described["reason"],
        metric=described["metric"],
        values=values,
        without=described["without"],
        reduced=reduced and reduced["sentence"],
        seeds=tuple(dict.fromkeys(described["seeds"] if seeds is None else seeds)),
        densities=_falling(described["densities"] if densities is None else densities),
        usual=(tuple(described["seeds"]), _falling(described["densities"])),
        options=(
            *(["--data", data] if data is not None else []),
            *(word for one in assignments for word in ("--set", one)),
        ),
    )
    if not chosen.seeds or not chosen.densities:
        raise BadInput("a benchmark needs at least one seed and one density")
    for seed in chosen.seeds:
        for density in chosen.densities:
            chosen.config(seed, density)
    return chosen


def as_run(name: str, assignments: Sequence[str]) -> dict[str, Any]:
    """The settings by which one cell of a benchmark is trained as a run, levels beside the target included.

    assignments: what differs, as `train --set` takes it. Not necessarily valid. BadInput for an unknown name.
    """
    described = _described(name)
    values = merged(preset(described["preset"]), described["settings"])
    values = with_setting(values, f"data.spec={json.dumps(described['data'])}")
    for assignment in assignments:
        values = with_setting(values, assignment)
    return values


def _described(name: str) -> dict[str, Any]:
    if name not in names():
        raise BadInput(f"there is no benchmark '{name}'; there are: {', '.join(names())}")
    return json.loads(_folder().joinpath(f"{name}.json").read_text("utf-8"))


def document(study: Study, cells: Cells) -> dict[str, Any]:
    """The benchmark so far: what was run, and per (density, method) the mean over its seeds and RTL's lead over it.

    Cells of other seeds and densities than the study's are in it too: what was finished stays.
    """
    seeds = tuple(sorted({*study.seeds, *(seed for seed, _ in cells)}))
    densities = _falling([*study.densities, *(density for _, density in cells)])
    wanted = [(seed, density) for density in densities for seed in seeds]
    finished = [cells[place] for place in wanted if place in cells]
    rows = [row for cell in finished for row in cell["rows"]]
    return {
        "name": study.name,
        "title": study.title,
        "reason": study.reason,
        "metric": study.metric,
        "reduced": study.reduced,
        "without": study.without,
        "command": _command(study, seeds, densities),
        "seeds": list(seeds),
        "densities": list(densities),
        "digest": study.digest,
        "config": study.common,
        "cells": [{key: value for key, value in cell.items() if key != "rows"} for cell in finished],
        "rows": rows,
        "summary": [line for density in densities for line in _summary(rows, density, study.metric)],
    }


def cells_of(kept: Mapping[str, Any]) -> Cells:
    """The cells of a document, to go on from."""
    return {
        (cell["seed"], cell["density"]): {**cell, "rows": _rows_of(kept["rows"], cell["density"], cell["seed"])}
        for cell in kept["cells"]
    }


def by_method(rows: Sequence[Mapping[str, Any]], density: float, column: str) -> dict[str, list[float]]:
    """method -> its values at a density, one per seed; NaN where one is not defined."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["density"] == density:
            values.setdefault(row["method"], []).append(math.nan if row[column] is None else row[column])
    return values


def _summary(rows: Sequence[Mapping[str, Any]], density: float, metric: str) -> list[dict[str, Any]]:
    values = by_method(rows, density, metric)
    lines = []
    for method, each in values.items():
        mean, low, high, *_ = paired_t(each)
        lead, least, most = None, None, None
        if method != "rtl" and len(each) == len(values["rtl"]):
            lead, least, most, *_ = paired_t([a - b for a, b in zip(values["rtl"], each, strict=True)])
        lines.append(
            {
                "density": density,
                "method": method,
                "seeds": len(each),
                "mean": mean,
                "mean_ci": [low, high],
                "difference": lead,
                "ci": [least, most],
            }
        )
    return lines


def _rows_of(rows: Sequence[dict[str, Any]], density: float, seed: int) -> list[dict[str, Any]]:
    return [row for row in rows if (row["seed"], row["density"]) == (seed, density)]


def _command(study: Study, seeds: tuple[int, ...], densities: tuple[float, ...]) -> str:
    """The line that makes a document of these seeds and densities again."""
    words = ["python", "-m", "rtl_core", "benchmark", study.name]
    for option, here, usual in zip(("--seeds", "--densities"), (seeds, densities), study.usual, strict=True):
        words += [option, ",".join(map(str, here))] if here != usual else []
    return shlex.join([*words, *study.options])


def _falling(densities: Sequence[float]) -> tuple[float, ...]:
    return tuple(sorted(set(densities), reverse=True))


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()


def _folder() -> Any:
    return resources.files("rtl_core").joinpath("presets", "benchmarks")
