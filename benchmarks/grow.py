"""A ticket that is grown later beside one that was there from the start.

python -m benchmarks.grow [--out docs/results/grow.md] [--runs FOLDER]

classes  one-vs-rest runs on nine classes of `bundled:fashion`, the tenth grown from all of it, beside the ticket of
         that class in the sample `fashion10`, which was trained on all ten
domains  the sample `domains`, and a sixth domain that it has not seen: the same pictures at a quarter of the contrast
lots     how similar tickets are whose subsets differ in nothing: the level at which `audit.redundancy` warns
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rtl_core import config as settings
from rtl_core.audit.evaluate import EvaluationSet, answers_of, evaluation_set
from rtl_core.audit.redundancy import changes
from rtl_core.config import DataSettings
from rtl_core.data import bundled, domains, partitions, sources
from rtl_core.data.dataset import Dataset
from rtl_core.data.splits import SPLITS
from rtl_core.documents import plain
from rtl_core.events import MemoryJournal, silent
from rtl_core.models.catalogue import rebuild
from rtl_core.overlap.overlap import overlap
from rtl_core.overlap.similarity import similarity
from rtl_core.rng import numpy_generator
from rtl_core.runs import pipeline
from rtl_core.runs.checkpoint import Run, load_learned, load_run
from rtl_core.runs.grow import grow
from rtl_core.runs.prepare import prepare
from rtl_core.runs.store import samples
from rtl_core.runs.training import train_new
from rtl_core.tasks.classification import ONE_VS_REST

GROWN_LATER = ("Coat", "Sandal")  # the fifth and the sixth of ten: one hard class, one easy
STEPS = (200, 400)
CONTRAST = 4  # the sixth domain: grey levels this many times nearer to the middle


def class_rows(root: Path) -> list[dict[str, Any]]:
    """For each class and number of steps: the grown ticket, the sample's, and the difference on the same test rows."""
    sample, rows = load_run(samples()["fashion10"]), []
    dataset = sources.load(sample.config.data, sample.config.seed)
    eval_set = evaluation_set(dataset, partitions.split(dataset, sample.config.partition, 0), ONE_VS_REST, "test")
    for name in GROWN_LATER:
        values = {
            **settings.preset("classes"),
            "controls": [],
            "data": {"spec": f"npz:{_without(name, dataset, root)}"},
        }
        old = load_run(Path(train_new(settings.parse(values), root)["folder"]))
        k = dataset.classes.index(name)
        from_the_start = _answers(sample, k, eval_set)
        for steps in STEPS:
            made = grow(old, "bundled:fashion", root, changes=[f"gated.steps={steps}"])
            run = load_run(Path(made["folder"]))
            (compared,) = changes((k,), [from_the_start], _answers(run, -1, eval_set), eval_set, seed=0)
            measured = next(r for r in run.info["rungs"] if r["ticket"] == run.tickets.k - 1 and r["kind"] == "target")
            val = {"value": measured["balanced_accuracy"], "ci": {"value": measured["ci"]["balanced_accuracy"]}}
            rows.append({"class": name, "steps": steps, "val": val, "compared": plain(compared), "made": made})
    return rows


def _without(name: str, dataset: Dataset, root: Path) -> Path:
    """The data without one class, as an archive."""
    path, k = root / f"fashion-without-{name.lower()}.npz", dataset.classes.index(name)
    arrays = {"classes": np.array([c for c in dataset.classes if c != name])}
    for split in SPLITS:
        rows = np.flatnonzero((dataset.split == split) & (dataset.y != k))
        arrays |= {f"x_{split}": dataset.x[rows], f"y_{split}": dataset.y[rows] - (dataset.y[rows] > k)}
    np.savez_compressed(path, **arrays)
    return path


def _answers(run: Run, k: int, eval_set: EvaluationSet) -> np.ndarray:
    """(n, 1): the logits by which ticket k takes a row for its own; pictures are standardised as the run's were."""
    trained, subnetwork = run.info["data"], load_learned(run)["rtl"].subnetworks[k]
    dataset = replace(eval_set.dataset, mean=tuple(trained["mean"]), std=tuple(trained["std"]))
    return answers_of(
        rebuild(run.info["model"]), subnetwork, run.tickets.layout, replace(eval_set, dataset=dataset), 0
    )[0]


def domain_document(root: Path) -> dict[str, Any]:
    """The document of `grow` for a sixth domain."""
    bundled.BUNDLED["six_domains"] = _six_domains
    return grow(load_run(samples()["domains"]), "bundled:six_domains", root)


def _six_domains(data: DataSettings, seed: int) -> Dataset:
    kept = dict(domains.DOMAINS)
    domains.DOMAINS["flat"] = lambda x: 128 + (x // CONTRAST) - 128 // CONTRAST
    try:
        return bundled.load_bundled("domains", data, seed)
    finally:
        domains.DOMAINS.clear()
        domains.DOMAINS.update(kept)


def random_lots() -> np.ndarray:
    """(pairs,) excess overlap of five tickets for rows of `bundled:fashion` that were dealt out at random."""
    partition = {"by": "attribute", "column": "lot"}
    config = settings.parse({"controls": [], "data": {"spec": "bundled:fashion"}, "partition": partition})
    dataset = sources.load(config.data, config.seed)
    lots = numpy_generator(config.seed, "benchmark", "lots").integers(5, size=len(dataset)).astype(str)
    setting = prepare(config, silent, MemoryJournal(), replace(dataset, attributes=pd.DataFrame({"lot": lots})))
    excess = similarity(overlap(pipeline.train(setting, silent, MemoryJournal()).tickets)).excess
    return excess[np.triu_indices(len(excess), 1)]


def table(classes: list[dict[str, Any]], flat: dict[str, Any], lots: np.ndarray) -> str:
    """The results as Markdown."""
    lines = [
        "# Grown tickets",
        "",
        "## A tenth class",
        "",
        "Balanced accuracy. `from the start`: the sample `fashion10`. n = 2,000 test rows, 1,000 validation rows.",
        "",
        "| class | steps | validation | test, grown | test, from the start | difference | largest change of an old "
        "logit |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {r['class']} | {r['steps']} | {_shown(r['val'], 'value')} | "
            + "".join(f"{_shown(r['compared'], key)} | " for key in ("after", "before", "change"))
            + f"{max(r['made']['forgetting']):g} |"
            for r in classes
        ),
        "",
        "Routed accuracy on the nine old classes' test rows (n = 1,800), before and after the tenth ticket:",
        "",
        *_router_lines([(f"{r['class']}, {r['steps']} steps", r["made"]) for r in classes]),
        "",
        "Old tickets on the new class's test rows (n = 200): share of rows that are rightly not claimed.",
        "",
        "| new class | lowest three |",
        "|---|---|",
        *(f"| {r['class']} | {_worst(r['made'])} |" for r in classes if r["steps"] == STEPS[0]),
        "",
    ]
    grown = flat["grown"]
    lines += [
        "## A sixth domain",
        "",
        f"The sample `domains` and the same pictures at 1/{CONTRAST} of the contrast; {grown['steps']} steps.",
        "",
        "| ticket | accuracy on the new domain |",
        "|---|---|",
        *(f"| {t['name']} | {_shown(t['new'], 'accuracy')} |" for t in flat["tickets"]),
        "",
        f"Largest change of an old ticket's logit on the old test rows: {max(flat['forgetting']):g}. Routed accuracy "
        "on the five old domains (n = 10,000):",
        "",
        *_router_lines([("flat", flat)]),
        "",
        "## Subsets that differ in nothing",
        "",
        f"Five random lots of `bundled:fashion`, default settings: mean excess overlap {lots.mean():.3f}, "
        f"{lots.min():.3f} to {lots.max():.3f} over {len(lots)} pairs.",
        "",
        "Remade by `python -m benchmarks.grow`.",
        "",
    ]
    return "\n".join(lines)


def _router_lines(documents: list[tuple[str, dict[str, Any]]]) -> list[str]:
    head = ["| new ticket | router | before | after | change |", "|---|---|---|---|---|"]
    return head + [
        f"| {name} | {r['router']} | {_shown(r, 'before')} | {_shown(r, 'after')} | {_shown(r, 'change')} |"
        for name, made in documents
        for r in made["routers"]
    ]


def _worst(made: dict[str, Any]) -> str:
    three = sorted(made["tickets"][:-1], key=lambda t: t["new"]["accuracy"])[:3]
    return ", ".join(f"{t['name']} {_shown(t['new'], 'accuracy')}" for t in three)


def _shown(row: dict[str, Any], key: str) -> str:
    low, high = row["ci"][key]
    return f"{row[key]:.3f}" if low is None else f"{row[key]:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    parser.add_argument("--runs", type=Path, help="keep the runs here; a temporary folder unless given")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = chosen.runs or Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        text = table(class_rows(root), domain_document(root), random_lots())
    print(text)
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
