"""A run's folder trained from config to checkpoint, and a finished one asked about other data."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from rtl_core.config import Config
from rtl_core.data import sources
from rtl_core.data.dataset import Dataset
from rtl_core.documents import entries
from rtl_core.errors import BadInput
from rtl_core.events import Event, Report, silent
from rtl_core.learning.baselines import gradient_steps
from rtl_core.read_only import refused_in_public
from rtl_core.runs import pipeline, started
from rtl_core.runs.checkpoint import Run, load_run, save_checkpoint
from rtl_core.runs.journal import FileJournal
from rtl_core.runs.open_run import open_run
from rtl_core.runs.reporter import StatusReporter, remove_lock
from rtl_core.runs.run_data import kept_rows
from rtl_core.runs.store import MASKS_ONLY, create_run, is_whole, read_config, run_state
from rtl_core.tasks.catalogue import task_of


@refused_in_public("training a run")
def train_new(config: Config, root: Path, again: bool = False, report: Report = silent) -> dict[str, Any]:
    """Trains a config into a run folder below `root`: the JSON document of `train`."""
    task_of(config)  # refuses settings that do not go together before the data are read
    dataset = sources.load(config.data, config.seed)
    folder, _ = create_run(config, dataset.fingerprint, root, again)
    return train_folder(folder, report, dataset)


@refused_in_public("training a run")
def train_folder(folder: Path, report: Report = silent, dataset: Dataset | None = None) -> dict[str, Any]:
    """Trains the run in `folder` from where its journal is, or from the start; a finished one is left as it is.

    `notes` of the document: what could not be checked, and what was left out of the data. BadInput where its settings
    or data are not those that it was begun with.
    """
    if run_state(folder) == "done":
        remove_lock(folder)  # of a process killed after its last word
        return _reused(folder)
    config, began = read_config(folder), time.monotonic()
    journal = FileJournal(folder)
    with StatusReporter(folder) as status:
        if is_whole(folder):  # by another process, which this one waited for or which was killed then
            journal.clear()
            status(Event("evaluate", "rtl"))  # what it did last
            return _reused(folder)

        def both(event: Event) -> None:
            status(event)
            report(event)

        dataset = dataset if dataset is not None else sources.load(config.data, config.seed)
        unchecked = started.check(folder, config, dataset, journal.holds_anything)
        notes = [unchecked] if unchecked else []
        setting = pipeline.prepare(config, both, journal, dataset)
        total = gradient_steps(config, setting.partition.k, setting.layout.n)
        status.expect(total)
        report(Event("start", "rtl", steps=total))
        outcome = pipeline.train(setting, both, journal)
        info = {**outcome.info, "warnings": [*outcome.info["warnings"], *notes]}
        rows = kept_rows(setting.dataset, setting.partition)
        save_checkpoint(folder, replace(outcome, info=info, rows=rows))
        journal.clear()
    seconds = time.monotonic() - began
    notes += setting.reading_notes
    return {"run": folder.name, "folder": str(folder), "seconds": seconds, "reused": False, "notes": notes}


def _reused(folder: Path) -> dict[str, Any]:
    notes = load_run(folder).reading_notes
    return {"run": folder.name, "folder": str(folder), "seconds": 0.0, "reused": True, "notes": notes}


def evaluate_run(run: Run, spec: str | None = None) -> dict[str, Any]:
    """The JSON document of `evaluate`: as recorded on the run's test split, or measured on other data."""
    if run.masks_only:
        raise BadInput(f"run '{run.name}' has masks only: there is no network to evaluate")
    if spec is None:
        return {"run": run.name, "data": run.info["data"]["spec"], "notes": run.reading_notes, **run.info["evaluation"]}
    opened = open_run(run, spec)
    figures = pipeline.evaluate(opened, run.tickets, opened.learned, opened.gate)
    return {"run": run.name, "data": spec, **entries(opened.counted), **figures}


def headline(run: Run) -> dict[str, Any]:
    """The JSON document of `show` for a run with a checkpoint; what an imported run does not know is None."""
    densities = run.tickets.densities()
    keys = ("model", "data", "partition", "warnings", "sources", "left_out", "notes", "choice")
    known = {key: run.info.get(key) for key in keys}
    return {
        "run": run.name,
        "task": MASKS_ONLY if run.masks_only else run.config.task,
        "mode": None if run.masks_only else run.config.mode,
        "tickets": [
            {"name": name, "subset": subset, "density": float(density), "params": round(density * run.tickets.n)}
            for name, subset, density in zip(run.tickets.names, run.tickets.subsets, densities, strict=True)
        ],
        "n_prunable": run.tickets.n,
        **known,
        "methods": [
            {key: row.get(key) for key in ("method", "applies", "balanced_accuracy", "accuracy")}
            for row in run.info.get("evaluation", {}).get("methods", [])
        ],
    }
