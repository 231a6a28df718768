"""Every benchmark runs to its end, on tiny settings: what it measures is not looked at, only that it still measures."""

from __future__ import annotations

import importlib
import math
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import benchmarks

pytestmark = pytest.mark.long

TINY = ("data.limit=400", "extract.steps=2", "extract.warm_steps=1", "joint.steps=2", "gated.steps=2", "threads=1")
TINY_GATED = (*TINY, "gated.backbone_steps=2", "workers=1")
DIGITS = {"data": {"spec": "bundled:digits", "limit": 400}, "model": {"name": "mlp"}, "threads": 1}


def set_small(monkeypatch, name: str, **values):
    module = importlib.import_module(f"benchmarks.{name}")
    for constant, value in values.items():
        monkeypatch.setattr(module, constant, value)
    return module


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(benchmarks.__path__, "benchmarks.")])
def test_it_can_be_imported(name):
    assert importlib.import_module(name).__doc__ or name.endswith("golden")


def test_masked_step(monkeypatch):
    figures = set_small(monkeypatch, "masked_step", ROUNDS=1, STEPS=1).run()
    assert all(value > 0 for value in figures.values() if isinstance(value, float))


def test_iou(monkeypatch):
    module = set_small(monkeypatch, "iou", MASKS=5, WEIGHTS=2_000, REPEATS=1)
    assert "|" in module.table(module.run())


def test_fairness(monkeypatch):
    module = set_small(monkeypatch, "fairness", ROWS=400, GROUPS=2, TICKETS=2, PERMUTATIONS=20, BOOTSTRAPS=2, REPEATS=1)
    assert "|" in module.table(module.run())


def test_attribution(monkeypatch):
    module = set_small(monkeypatch, "attribution", IMAGES=2, STEPS=8, ROUNDS=1)
    assert "|" in module.table(module.run())


def test_masks_of_a_large_network(monkeypatch):
    small = {"TICKETS": 2, "MASKS": 4, "WEIGHTS": 5_000, "REPEATS": 1, "SCORES": ("lamp",)}
    module = set_small(monkeypatch, "masks", **small)
    assert "|" in module.table(module.run())


def test_routing(monkeypatch):
    module = set_small(monkeypatch, "routing", BATCH=20, REPEATS=1, SIZES=(10,))
    batches = [module.mixed_batches("convnet")]
    assert "|" in module.table(batches, module.hierarchies(), {"domains": module.sample_routers("domains")})


def test_gpu_estimate():
    from benchmarks import gpu_estimate

    assert "min" in gpu_estimate.table()


def test_defaults():
    from benchmarks import defaults

    assert math.isfinite(defaults.measure("domains", TINY, 0)["accuracy"])


def test_gated_defaults():
    from benchmarks import gated_defaults

    assert math.isfinite(gated_defaults.measure(TINY_GATED, 0)["gate"])


@pytest.mark.parametrize("mode", ["paper", "gated"])
def test_routers(monkeypatch, mode):
    module = set_small(monkeypatch, "routers", LIGHT=("denser=[]", "lighter=[]", *TINY_GATED))
    assert module.measure(next(iter(module.STUDIES)), mode, 0)["routers"]


def test_equal_budget(monkeypatch):
    base = importlib.import_module("benchmarks.equal_budget").BASE
    tiny = {"extract": {"steps": 2, "warm_steps": 1}, "joint": {"steps": 2}, "controls": [], "threads": 1}
    module = set_small(monkeypatch, "equal_budget", BASE={**base, **tiny, "data": {**base["data"], "limit": 400}})
    monkeypatch.setattr(module, "REGIMES", {"tiny": ("accuracy", {}, False)})
    assert "merged" in module.run(("tiny", 0, "val"))["methods"]


def test_collapse_its_signals_and_going_back():
    from benchmarks import after_relaxing, collapse
    from benchmarks.collapse_runs import Case, config_of, run

    case = Case({**DIGITS, "task": "multiclass", "partition": {"by": "class"}}, {"steps": 2, "warm_steps": 1}, 0.3, 0.5)
    config = config_of(case, case.deep, seed=0)
    one = run(("tuning", config))
    assert all(np.isfinite(signal(one["rounds"])[-1]) for signal in collapse.SIGNALS.values())
    assert after_relaxing.run(config)["rows"] > 0


def test_alarm_every_rule_on_a_run_of_its_own():
    from benchmarks import alarm
    from benchmarks.alarm_runs import run
    from benchmarks.collapse_runs import Case, config_of

    case = Case({**DIGITS, "task": "multiclass", "partition": {"by": "class"}}, {"steps": 2, "warm_steps": 1}, 0.3, 0.5)
    one = {**run(("tuning", config_of(case, case.deep, seed=0))), "seconds": 1.0}
    assert all(np.isfinite(rise(one["rounds"])).all() for _, rise in alarm.RULES.values())
    runs = {f"{name} / seed 101": one for name in alarm.HELD_OUT}
    assert "Every rule that was tried" in alarm.page(runs, runs)


def test_twins(monkeypatch, tmp_path):
    tiny = {**DIGITS, "partition": {"by": "class"}, "extract": {"steps": 2, "warm_steps": 1}, "joint": {"steps": 2}}
    module = set_small(monkeypatch, "twins", DRAWS=2, SEEDS=(31, 32), STUDIES={"domains": "Tiny"}, RESULTS=tmp_path)
    monkeypatch.setattr(module, "preset", lambda name: tiny)
    figures = {f"domains/{seed}": module.measure(module.config_of("domains", seed)) for seed in module.SEEDS}
    assert "what twins share beyond chance" in module.table(figures)


def test_shortcut(monkeypatch, tmp_path):
    module = set_small(
        monkeypatch,
        "shortcut",
        STEPS={"extract": {"steps": 2, "warm_steps": 1}, "joint": {"steps": 2}},
        METHODS=("saliency",),
    )
    assert "|" in module.table(module.run())


def test_work_that_is_killed_ends_in_the_same_bits():
    from benchmarks import kills

    assert [kill.wrong for kill in kills.run(["train", "grow", "benchmark"], kills=3, seed=1)] == [()] * 3
    assert "| grow | saving | 2 | 1 | left behind: x |" in kills.table(
        [kills.Kill("grow", "saving", ()), kills.Kill("grow", "saving", ("left behind: x",))], seed=1
    )


def test_threads():
    from benchmarks import threads

    text, fine = threads.table(threads=2, calls=2)
    assert fine and "is shared: 0." in text


def test_a_sample_is_made(monkeypatch, tmp_path):
    module = importlib.import_module("benchmarks.samples")
    preset = {
        **module.preset("domains"),
        "data": {"spec": "bundled:domains", "limit": 400},
        "threads": 1,
        "controls": [],
    }
    preset |= {"extract": {"steps": 2, "warm_steps": 1}, "joint": {"steps": 2}, "denser": [], "lighter": []}
    monkeypatch.setattr(module, "preset", lambda name: preset)
    monkeypatch.setattr(module, "project_root", lambda: Path(tmp_path))
    assert {file.name for file in module.make("domains").iterdir()} == {*module.KEPT, module.TWINS}


def test_sessions(monkeypatch):
    module = set_small(monkeypatch, "sessions", THINK=(0.0, 0.1), PRESSES=1, STOPS=2, AT_ONCE=2, GONE=0.0)
    monkeypatch.setattr(module, "PAGES", ("overview", "library"))
    figures = module.measure(sessions=3, minutes=0.1, visits=16, public=False, after=0.0)
    assert not figures["mixed"] and figures["asked_twice"] and None not in figures["short"]
    assert "| all | short sessions | 16 |" in module.page({"now": figures})


def test_frontier(monkeypatch, tmp_path):
    module = importlib.import_module("benchmarks.frontier")
    whole = module.study
    small = ("data.limit=400", "extract.steps=2", "extract.warm_steps=1", "joint.steps=2", "partition.min_size=8")
    monkeypatch.setattr(module, "RESULTS", tmp_path)
    monkeypatch.setattr(
        module,
        "study",
        lambda name, densities=(0.1,), assignments=(): whole(name, (1, 2), densities, None, (*assignments, *small)),
    )
    shared = module.Recipe("sharing 0.5", ("extract.sharing=0.5",), (0.1,))
    monkeypatch.setitem(module.DATA, "storage_digits", ("ten digits", (shared,)))
    module.main(work=tmp_path / "work", workers=1, out=tmp_path, only="storage_digits")
    (frontier,) = module.read(tmp_path / "frontier.json")
    assert {point.recipe for point in frontier.tickets} == {"", "sharing 0.5"}
    assert "One multi-class mask" in (tmp_path / "frontier.md").read_text("utf-8")


@pytest.mark.parametrize("recipe", ["cosine, taught, own norms", "while training, regrown"])
def test_recipes(monkeypatch, recipe):
    module = importlib.import_module("benchmarks.recipes")
    small = {"data": {"spec": "bundled:domains", "limit": 300}, "model": {"width": 0.3}}
    monkeypatch.setattr(module, "BASE", module.merged(module.BASE, small))
    steps = {"extract": {"steps": 4, "warm_steps": 5}, "joint": {"steps": 4}}
    about = module.RECIPES[recipe]
    monkeypatch.setitem(module.RECIPES, recipe, module.replace(about, settings=module.merged(about.settings, steps)))
    figures = module.run((recipe, 0, "val"))
    assert figures["rtl"]["stored"] == figures["imp_single_union"]["stored"]
    assert len({one["steps"] for one in figures.values()}) == 1


def test_pruning_gap(monkeypatch):
    module = importlib.import_module("benchmarks.pruning_gap")
    steps = {"extract": {"steps": 2, "warm_steps": 1}, "joint": {"start": "merged", "steps": 2}}
    small = {"data": {"spec": "bundled:adult", "limit": 3000}, **steps}
    monkeypatch.setattr(module, "COMMON", {**module.COMMON, **small})
    two = {"by": "kmeans", "column": None, "k": 2, "features": "pca", "min_size": 8}
    monkeypatch.setitem(module.PARTITIONS, "by cluster", lambda table: two)
    monkeypatch.setattr(module, "SEEDS", (1, 2))
    monkeypatch.setattr(module, "DENSITIES", (0.1,))
    runs = {
        module._named("adult", partition, 0.1, seed): module.run(("adult", partition, 0.1, seed, "bundled:adult"))
        for partition in module.PARTITIONS
        for seed in module.SEEDS
    }
    assert "| by cluster | 0.1 | one mask, same storage |" in module.table(runs, "adult")
