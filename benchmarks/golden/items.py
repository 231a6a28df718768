"""The list of everything that is kept: verbs on every sample, tiny trainings, changed runs, pages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

PAGES = ("overview", "train", "masks", "routing", "attribution", "fairness", "diagnosis", "library")
OF_CHANGED = ("overview", "masks", "routing", "fairness", "diagnosis", "library")
MEASUREMENTS = ("exchange", "where", "redundancy", "audit-many")  # keys of buttons that start a measurement
# fmt: off
SAMPLES = {  # two tickets, a layer, group columns, routers besides the gate
    "domains": ("original", "noisy", "block2.conv.weight", "domain", "context min_entropy centroid hierarchical"),
    "adult": ("25-34", "65 and over", "fc2.weight", "sex,race", "min_entropy one_shot_gradient"),
    "collapse": ("rotated", "blurred", "block3.conv.weight", "domain", "top2"),
    "fashion10": ("Shirt", "Bag", "block1.conv.weight", "domain", "oracle max_response top2"),
}
CHANGED = {  # the same of runs that are made here, @NAME by runs/NAME
    "@removed-domains": ("original", "noisy", "block2.conv.weight", "domain", "min_entropy"),
    "@grown-classes": ("Shirt", "Bag", "block1.conv.weight", "domain", ""),
    "@merged-adult": ("25-34 + 35-44", "under 25", "fc2.weight", "sex", "min_entropy"),
    "@gated": ("original", "noisy", "block2.conv.weight", "domain", ""),
    "@clusters": ("cluster 1", "cluster 2", "block2.conv.weight", "domain", ""),
    "@one-ticket": ("all", "all", "block2.conv.weight", "domain", ""),
}
SHORT = ("show", "evaluate", "similarity", "route", "attribute", "fairness", "diagnose", "redundancy", "export", "diff",
         "report")  # of the calls of `_verbs` those for texts and for CHANGED
STEPS = ("extract.steps=6", "extract.warm_steps=4", "joint.steps=5")
ROUNDS = ("extract.schedule=fraction", "extract.fraction=0.5", "extract.steps=3", "joint.steps=4")
GATED = ("mode=gated", "gated.backbone_steps=6", "gated.steps=5")
FEW = 'controls=["random","imp_single","dense"]'
PRIVATE = ("sharing.head=ticket", "sharing.norm_affine=ticket", "sharing.norm_statistics=shared")
TOWNS = ("data.target=yes", 'data.groups=["town"]', "partition.column=town", "partition.min_size=2")
DIGITS = ("train", "classes", "--data", "bundled:digits")
TRAININGS = {  # the call, its settings
    "demo": (("demo",), STEPS),
    "digits": (DIGITS, STEPS),
    "private": (DIGITS, (*STEPS, *PRIVATE, FEW, "optimiser.name=sgd", "extract.score=layer_magnitude")),
    "adult": (("train", "adult"), (*STEPS, "reweigh=sex", "data.limit=4000")),
    "merged-start": (("train", "adult"), (*STEPS, "joint.start=merged", FEW, "data.limit=4000")),
    "quantiles": (("train", "adult"), (*STEPS, FEW, "partition.by=quantiles", "partition.column=age", "partition.k=3")),
    "gated": (("train", "domains"), (*GATED, FEW)),
    "gated-digits": (DIGITS, (*GATED, FEW, "gated.features=pooled")),
    "rounds-adam": (("train", "domains"), (*ROUNDS, "density=0.05", "collapse.policy=warn", FEW, "data.limit=2000")),
    "rounds-relax": (DIGITS, (*ROUNDS, "density=0.05", "collapse.policy=relax", "collapse.threshold=0.001", FEW)),
    "rounds-momentum": (("train", "paper", "--data", "bundled:digits"), ("extract.count=40000", "extract.steps=2",
                        "joint.steps=3", "optimiser.name=momentum", "model.width=0.5", FEW)),
    "resnet": (DIGITS, (*STEPS, FEW, "model.name=resnet18", "model.width=0.1", "density=0.25", "workers=1")),
    "clusters": (("train", "domains", "--data", "bundled:digits"),
                 (*STEPS, FEW, "partition.by=kmeans", "partition.k=3", "partition.features=backbone")),
    "one-ticket": (("train", "domains", "--data", "bundled:digits"), (*STEPS, FEW, "partition.by=none")),
    "table": (("train", "adult", "--data", "csv:people.csv"), (*STEPS, *TOWNS, FEW, "model.width=0.1")),
    "pictures": (("train", "classes", "--data", "npz:pictures.npz"), (*STEPS, FEW, "partition.min_size=2")),
    "relaxed": (DIGITS, (*STEPS, FEW, "seed=3")),
}
CHANGES = {
    "removed-domains": ("remove", "domains", "--ticket", "rotated"),
    "grown-domains": ("grow", "@removed-domains", "--data", "bundled:domains", "--set", "gated.steps=3"),
    "removed-classes": ("remove", "fashion10", "--ticket", "Bag"),
    "grown-classes": ("grow", "@removed-classes", "--data", "bundled:fashion", "--set", "gated.steps=3"),
    "merged-adult": ("merge", "adult", "--tickets", "25-34,35-44", "--how", "intersection"),
    "merged-collapse": ("merge", "collapse", "--tickets", "original,inverted,noisy", "--how", "majority"),
    "imported": ("import", "out/verbs/domains export*/*.safetensors", "--name", "golden"),
}
LESSONS = {  # what the address holds at the end of each lesson
    "winning": {"winning-guess": "A random mask"},
    "many": {"many-five": "1", "many-for": "inverted", "many-pair": "original-rotated", "many-swapped": "1",
             "many-refit": "1"},
    "chance": {"chance-guess": "10 %", "chance-drawn": "1", "chance-real": "1"},
    "too_far": {"too_far-deepest": "15", "too_far-mark": "8", "too_far-heard": "1"},
    "post": {"post-to": "0123401234", "post-lighter": "1", "post-budget": "50 %"},
    "lying_map": {"lying_map-picks": "ABABAB", "lying_map-scored": "1"},
    "noise": {"noise-guess": "1 in 20", "noise-presses": "7", "noise-many": "1"},
    "luck": {"luck-guess": "They win neither", "luck-seed": "5"},
}
# fmt: on


@dataclass(frozen=True)
class Item:
    """One file of the goldens.

    name       its place below items/, without .json
    kind       "verb": the answer as JSON; "text": as people read it; "page"
    arguments  of the command line, where @NAME is the run that the item runs/NAME made, OUT the item's own folder and a
               pattern the files that match it; of a page see pages.py
    after      items whose files it needs besides
    """

    name: str
    kind: str
    arguments: tuple[str, ...]
    after: tuple[str, ...] = field(default=())

    @property
    def needs(self) -> tuple[str, ...]:
        return (*self.after, *(f"runs/{alias}" for text in self.arguments for alias in re.findall(r"@([\w-]+)", text)))


def items() -> list[Item]:
    """Everything, in an order in which nothing needs what comes later."""
    calls = {run: _verbs(run, *about) for run, about in (SAMPLES | CHANGED).items()}
    listed = [Item("verbs/settings", "verb", ("settings",)), Item("verbs/runs", "verb", ("runs",))]
    listed += [Item(f"verbs/table {name}", "verb", call) for name, call in _of_tables().items()]
    listed += [Item(f"verbs/{run} {name}", "verb", call) for run in SAMPLES for name, call in calls[run].items()]
    listed += [Item(f"texts/domains {name}", "text", calls["domains"][name]) for name in SHORT]
    listed += [Item(f"runs/{name}", "verb", (*call, *_set(values))) for name, (call, values) in TRAININGS.items()]
    exported = ("verbs/domains export", "verbs/domains export other")
    listed += [
        Item(f"runs/{name}", "verb", call, exported if name == "imported" else ()) for name, call in CHANGES.items()
    ]
    probed = ("diagnose", "@relaxed", "--probe", "--relax", "--density", "0.35")
    listed.append(Item("verbs/relaxed diagnose", "verb", probed))
    listed += [Item(f"verbs/{run[1:]} {name}", "verb", calls[run][name]) for run in CHANGED for name in SHORT]
    listed += [Item(f"verbs/imported {name}", "verb", (name, "@imported")) for name in ("show", "similarity")]
    return listed + _pages()


def _set(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for value in values for word in ("--set", value))


def _verbs(run: str, a: str, b: str, layer: str, groups: str, routers: str) -> dict[str, tuple[str, ...]]:
    """Name -> call of every verb that reads one run."""
    explained = ("attribute", run, "--ticket", a, "--out", "OUT/maps.npz", "--samples")
    both = ("--format", "ticket,safetensors", "--out", "OUT")
    return {
        "show": ("show", run),
        "evaluate": ("evaluate", run),
        "similarity": ("similarity", run),
        "similarity denser": ("similarity", run, "--density", "0.3"),
        "similarity layer": ("similarity", run, "--layer", layer),
        "route": ("route", run),
        "route budget": ("route", run, "--budget", "0.6", "--choices"),
        "route curve": ("route", run, "--curve", "3"),
        **{f"route {router}": ("route", run, "--router", router) for router in routers.split()},
        "attribute": (*explained, "0-1"),
        "attribute occlusion": (*explained, "5", "--method", "occlusion", "--baseline", "average"),
        "attribute shap": (*explained, "2", "--method", "gradient_shap", "--seed", "1"),
        "fairness": ("fairness", run, "--groups", groups, "--extras", "routing,decomposition,where,density,methods"),
        "diagnose": ("diagnose", run),
        "redundancy": ("redundancy", run, "--pairs", "2"),
        "export": ("export", run, "--ticket", a, *both),
        "export other": ("export", run, "--ticket", b, *both),
        "diff": ("diff", f"{run}:{a}", f"{run}:{b}"),
        "report": ("report", run, "--out", "OUT/report.html"),
    }


def _of_tables() -> dict[str, tuple[str, ...]]:
    table = ("--table", "predictions.csv", "--groups", "sex,age")
    cells = ("--seeds", "1,2", "--densities", "0.2", "--workers", "1", "--out", "OUT")
    return {
        "fairness": ("fairness", *table),
        "fairness scores": ("fairness", *table, "--score", "score", "--threshold", "0.6", "--ticket", "ticket"),
        "report": ("report", *table, "--out", "OUT/report.html"),
        "benchmark": ("benchmark", "digits_classes", *cells, *_set(STEPS)),
    }


def _pages() -> list[Item]:
    """Two choices combined where a page has most to show, one elsewhere."""
    listed = []
    for run in (*SAMPLES, *CHANGED, "@imported"):
        name = run.lstrip("@")
        exported = "verbs/domains export" if run == "@imported" else f"verbs/{name} export"
        for page in PAGES if run in (*SAMPLES, "@removed-domains") else OF_CHANGED:
            deeper = "2" if run in SAMPLES and (run != "collapse" or page == "diagnosis") else "1"
            call = (page, run, f"out/{exported}/*.ticket.safetensors", deeper)
            listed.append(Item(f"pages/{name} {page}", "page", call, (exported,)))
    call = ("learn", "domains", "out/verbs/domains export/*.ticket.safetensors", "1")
    return [*listed, Item("pages/learn", "page", call, ("verbs/domains export",))]


def make_inputs(work: Path) -> None:
    """The tables and pictures that items read, the same every time."""
    import pandas as pd
    from PIL import Image

    draw, n = np.random.default_rng(0), 400
    a, truth = draw.normal(size=n), draw.random(n)
    people = {"a": a, "town": np.array(["Aix", "Bern", "Cork", "Dover"])[np.arange(n) % 4]}
    pd.DataFrame({**people, "yes": np.where(a > 0, "yes", "no")}).to_csv(work / "people.csv", index=False)
    score = np.clip(truth + draw.normal(0, 0.3, n), 0, 1).round(4)
    decided = {"y_true": (truth > 0.5).astype(int), "y_pred": (score > 0.5).astype(int), "score": score}
    groups = {name: draw.choice(values, n) for name, values in (("sex", ["female", "male"]), ("age", ["old", "young"]))}
    pd.DataFrame({**decided, **groups, "ticket": draw.choice(["one", "two"], n)}).to_csv(
        work / "predictions.csv", index=False
    )
    pixels = draw.integers(0, 256, (n, 12, 12), dtype=np.uint8)
    np.savez(work / "pictures.npz", x=pixels, y=(pixels[:, :6].mean((1, 2)) > pixels[:, 6:].mean((1, 2))).astype(int))
    Image.fromarray(pixels[0]).resize((40, 40)).save(work / "picture.png")
