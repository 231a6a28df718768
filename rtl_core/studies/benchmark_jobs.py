"""The runs of a benchmark: one job per seed, all densities in one process, jobs side by side in processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from rtl_core import expected_warnings
from rtl_core.data import sources
from rtl_core.errors import BadInput
from rtl_core.events import MemoryJournal, Stage, Tensors, silent
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.read_only import refused_in_public
from rtl_core.runs.atomic import read_json, write_json
from rtl_core.runs.checkpoint import Outcome
from rtl_core.runs.pipeline import prepare, train
from rtl_core.runs.prepare import Setting
from rtl_core.studies.benchmark import Cells, Study, cells_of, document

MAX_BYTES = 64 * 2**20  # of a benchmark's JSON file
METRICS = ("accuracy", "balanced_accuracy", "recall", "roc_auc")

Keep = Callable[[dict[str, Any]], None]  # takes a cell as soon as it is finished
Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class AcrossDensities:
    """A journal for one density of a seed that recalls from `common` whatever no density changes.

    Keys of stages repeat between densities (`rtl/joint`), so everything else is kept in a journal of its own: a stage
    wrongly recalled would be another density's training. With rounds the number of rounds depends on the density, and
    with it the length of `dense_same_total`; a one-shot extraction trains before its only cut.
    """

    common: MemoryJournal
    one_shot: bool
    own: MemoryJournal = field(default_factory=MemoryJournal)

    def recall(self, stage: Stage) -> tuple[int, Tensors] | None:
        return self._of(stage).recall(stage)

    def mark(self, stage: Stage, step: int, last: bool, state: Callable[[], Tensors]) -> None:
        self._of(stage).mark(stage, step, last, state)

    def _of(self, stage: Stage) -> MemoryJournal:
        whole = stage.phase == "warm_start" or stage.method == "dense"
        before_the_cut = self.one_shot and (stage.phase == "extract" or stage.method == "dense_same_total")
        return self.common if whole or before_the_cut else self.own


@refused_in_public("running a benchmark")
def run(study: Study, out: Path, workers: int, tell: Tell) -> dict[str, Any]:
    """Runs what is missing in `out/NAME.json` and returns the whole document, as `benchmark.document` describes it.

    The file is replaced after every finished (seed, density), so that a killed benchmark goes on where it was. A cell
    is not run again while the settings and the data's fingerprint are the same. `tell` gets, per finished cell,
    seed, density, seconds, done, cells and eta_seconds. Raises BadInput for data that cannot be read.
    """
    path, began, fresh = out / f"{study.name}.json", time.monotonic(), 0
    cells = _kept(path, study)
    _ready(out)
    wanted = {(seed, density) for seed in study.seeds for density in study.densities}

    def keep(cell: dict[str, Any]) -> None:
        nonlocal fresh
        fresh += 1
        cells[cell["seed"], cell["density"]] = cell
        write_json(path, document(study, cells))
        left = len(wanted - set(cells))
        tell(
            {
                **{key: cell[key] for key in ("seed", "density", "seconds")},
                "done": len(wanted) - left,
                "cells": len(wanted),
                "eta_seconds": left * (time.monotonic() - began) / fresh,
            }
        )

    _side_by_side(study, {place: cell["fingerprint"] for place, cell in cells.items()}, workers, keep)
    study_document = document(study, cells)
    write_json(path, study_document)
    return study_document


def job(study: Study, seed: int, finished: Mapping[tuple[int, float], str], keep: Keep) -> None:
    """All densities of one seed. `finished`: (seed, density) -> fingerprint of the data that it was run on."""
    first = study.config(seed, study.densities[0])
    dataset = sources.load(first.data, seed)
    left = [density for density in study.densities if finished.get((seed, density)) != dataset.fingerprint]
    if not left:
        return
    common = MemoryJournal()
    setting = prepare(first, silent, common, dataset)  # nothing in it depends on the density
    for density in left:
        began = time.monotonic()
        here = replace(setting, config=study.config(seed, density))
        outcome = train(here, silent, AcrossDensities(common, first.extract.schedule == "one_shot"))
        keep({**figures(here, outcome), "seconds": time.monotonic() - began})


def figures(setting: Setting, outcome: Outcome) -> dict[str, Any]:
    """The cell of one (seed, density): what was run, how far its tickets overlap, and a row per method."""
    config, info, tickets = setting.config, outcome.info, outcome.tickets
    pairs = np.triu_indices(tickets.k, 1)
    measures = similarity(overlap(tickets))
    learned = {one.method: one for one in outcome.learned}
    rows = []
    for row in info["evaluation"]["methods"]:
        if row["applies"]:
            # One mask read in a second way has no row of its own among the learned.
            method_stores = learned[row["method"].removesuffix("_odds")].stores(setting.layout)
            rows.append(
                {
                    "seed": config.seed,
                    "density": config.density,
                    "method": row["method"],
                    "decision": row["decision"],
                    **{metric: row[metric] for metric in METRICS},
                    **row.get("figures", {}),
                    "own_density": row["density"],
                    "params_total": row["params_total"],
                    "bits": method_stores.bits,
                    "bits_union": method_stores.bits_union,
                    "bits_bound": method_stores.bits_bound,
                    **{key: row[key] for key in ("steps_warm", "steps_extract", "steps_joint")},
                }
            )
    return {
        "seed": config.seed,
        "density": config.density,
        "fingerprint": setting.dataset.fingerprint,
        "tickets": tickets.k,
        "n_prunable": tickets.n,
        "iou_mean": _mean(measures.iou[pairs]),
        "chance_mean": _mean(measures.chance[pairs]),
        "environment": {key: value for key, value in info["environment"].items() if key != "seconds"},
        "rows": rows,
    }


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else np.nan


def _kept(path: Path, study: Study) -> Cells:
    """The cells of an earlier run; none where there is no such file. BadInput where they are of other settings."""
    if not path.exists():
        return {}
    instead = "move it away or choose another --out"
    try:
        kept = read_json(path, MAX_BYTES)
    except BadInput as error:
        raise BadInput(f"{error}; {instead} (it lies in {path.parent})") from None
    try:
        cells, digest = cells_of(kept), kept["digest"]
        methods = {tuple(row.method for row in _Cell.model_validate(cell).rows) for cell in cells.values()}
    except (KeyError, TypeError, ValidationError):
        raise BadInput(f"{path} is not the file of a benchmark; {instead}") from None
    if digest != study.digest:
        raise BadInput(f"{path} holds results of other settings (digest {digest}, here {study.digest}); {instead}")
    if len(methods) > 1 or any("rtl" not in names for names in methods):
        raise BadInput(f"{path} is damaged: its cells should have the same methods, rtl among them; {instead}")
    return cells


def _ready(out: Path) -> None:
    """Makes the folder; BadInput before anything is trained where its results could not be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"--out {out} cannot be made: {error.strerror}; name a folder that can") from None
    if not os.access(out, os.W_OK | os.X_OK):
        raise BadInput(f"--out {out} cannot be written to; name a folder that can")


def _side_by_side(study: Study, finished: dict[tuple[int, float], str], workers: int, keep: Keep) -> None:
    if workers == 1:
        for seed in study.seeds:
            job(study, seed, finished, keep)
        return
    context = get_context("spawn")  # a forked process may hang in torch
    finished_cells = context.SimpleQueue()
    with ProcessPoolExecutor(workers, context, _begin, (finished_cells,)) as pool:
        jobs = [pool.submit(_job_there, study, seed, finished) for seed in study.seeds]
        for each in jobs:
            each.add_done_callback(lambda _: finished_cells.put(None))
        running = len(jobs)
        while running:
            cell = finished_cells.get()
            if cell is None:
                running -= 1
            else:
                keep(cell)
        for each in jobs:
            each.result()


def _begin(finished_cells: Any) -> None:
    """In a job's process: where its cells go. It ends with the command that started it, even if that was killed."""
    global _send
    _send = finished_cells.put
    expected_warnings.hide()

    def end_with_parent() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()


def _job_there(study: Study, seed: int, finished: dict[tuple[int, float], str]) -> None:
    job(study, seed, finished, _send)


class _Row(BaseModel):
    method: str
    accuracy: float | None
    balanced_accuracy: float | None
    recall: float | None
    roc_auc: float | None
    params_total: float
    bits: float
    bits_bound: float
    steps_extract: int
    steps_joint: int


class _Cell(BaseModel):
    """What of a kept cell the document and its pages are made from."""

    fingerprint: str
    seconds: float
    iou_mean: float | None
    chance_mean: float | None
    environment: dict[str, Any]
    rows: list[_Row]
