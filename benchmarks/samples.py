"""Remakes the bundled checkpoints: `python -m benchmarks.samples [NAME ...]`; with --twins only what twins share.

K separate networks (imp_multi and its full budget) are left out of the samples: they take more room than
everything else together.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from rtl_core.config import parse, preset
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.store import audits_folder, disk_use, project_root
from rtl_core.runs.training import train_new
from rtl_core.runs.twins import measure_twins
from rtl_core.runs.twins_file import TWINS

# sample -> preset
SAMPLES = {
    "domains": "domains",
    "fashion10": "classes",
    "adult": "adult",
    "collapse": "collapse",
    "nuclei": "segmentation",
    "cells": "detection",
}
LEFT_OUT = ("imp_multi", "imp_multi_full_budget")
KEPT = ("config.json", "run.json", "status.json", "metrics.jsonl", "tickets.safetensors", "methods.safetensors")


def make(name: str) -> Path:
    """Trains one sample with its preset and seed 0 and puts it in sample_checkpoints/."""
    config = parse(preset(SAMPLES[name]))
    config = config.model_copy(update={"controls": tuple(c for c in config.controls if c not in LEFT_OUT)})
    target = project_root() / "sample_checkpoints" / name
    with tempfile.TemporaryDirectory() as runs:
        trained = train_new(config, Path(runs))
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for file in KEPT:
            shutil.copy(Path(trained["folder"]) / file, target / file)
    print(f"{name}: {trained['seconds']:.0f} s, {disk_use(target) / 1e6:.2f} MB")
    add_twins(name)
    return target


def add_twins(name: str) -> None:
    """Puts what the twins of a sample share beside it."""
    sample = load_run(project_root() / "sample_checkpoints" / name)
    with tempfile.TemporaryDirectory() as runs:
        measured = measure_twins(sample, Path(runs))
        shutil.copy(audits_folder(sample.folder, Path(runs)) / TWINS, sample.folder / TWINS)
    print(f"{name}: twins in {measured.seconds:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", default=list(SAMPLES), help=", ".join(SAMPLES))
    parser.add_argument("--twins", action="store_true", help="leave the checkpoints, measure their twins")
    chosen = parser.parse_args()
    for name in chosen.names:
        (add_twins if chosen.twins else make)(name)


if __name__ == "__main__":
    main()
