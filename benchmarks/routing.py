"""How fast mixed batches are, what a tree of tickets saves, and what every router is worth on the samples.

python -m benchmarks.routing [--out docs/results/routing.md]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from rtl_core.audit.accuracy_cost import cost_curve
from rtl_core.audit.evaluate import evaluation_set, served_answers
from rtl_core.audit.router_metrics import Routed, TicketCosts, router_row
from rtl_core.config import ModelSettings
from rtl_core.data import partitions, sources
from rtl_core.documents import plain
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import build, rebuild
from rtl_core.models.copies import quick
from rtl_core.models.cost import forward_cost
from rtl_core.rng import numpy_generator
from rtl_core.routing.budget import options
from rtl_core.routing.features import fitted
from rtl_core.routing.gate import zero_gate
from rtl_core.routing.hierarchy import centroid_tree
from rtl_core.routing.router_inputs import scene_of
from rtl_core.routing.routers import make_router, router_names
from rtl_core.routing.serving import Serving, serving
from rtl_core.runs.checkpoint import Run, load_learned, load_lighter, load_run
from rtl_core.runs.store import samples
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.layout import Layout

NETWORKS = ("convnet", "ghostnet")
SHAPE, OUTPUTS, TICKETS, DENSITY, BATCH = (1, 28, 28), 10, 10, 0.1, 512
SIZES = (10, 100, 1000)  # tickets of the gate and the tree
SAMPLES = ("domains", "fashion10")
REPEATS = 15
FIGURES = {
    "accuracy": "accuracy",
    "own ticket": "agreement_with_oracle",
    "regret, 0/1": "regret_01",
    "regret, nats": "regret_loss",
    "ECE": "ece",
}


def mixed_batches(name: str) -> dict[str, Any]:
    """A batch over ten tickets beside dense passes of the same batch, in turn in one process, on one thread."""
    network = build(ModelSettings(name=name), SHAPE, OUTPUTS, seed=0)
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    draw = numpy_generator(0, "benchmark", "routing", name)
    shared = {n: p.detach() for n, p in network.module.named_parameters()}
    buffers = dict(network.module.named_buffers())
    subnetworks = [Subnetwork(str(k), draw.random(layout.n) < DENSITY, shared, {}, buffers) for k in range(TICKETS)]
    tickets = serving(network, subnetworks, layout)
    x = torch.from_numpy(draw.standard_normal((BATCH, *SHAPE), np.float32)).to(memory_format=torch.channels_last)
    ticket = draw.integers(TICKETS, size=BATCH)
    dense = network.module.eval().to(memory_format=torch.channels_last)
    single = Serving((quick(dense),), (OUTPUTS,))
    features = fitted("grid", lambda at: x[at], np.arange(BATCH), SHAPE)
    gate = zero_gate(features, lambda at: x[at], TICKETS)
    jobs = {
        "dense": lambda: _dense(dense, x),
        "dense_alike": lambda: single.routed(lambda at: x[at], np.zeros(BATCH, np.int64)),
        "routed": lambda: tickets.routed(lambda at: x[at], ticket),
        "gate": lambda: gate.probabilities(np.arange(BATCH)),
    }
    seconds = _in_turn(jobs, REPEATS)
    served = sum(t.numel() * t.element_size() for t in tickets.modules[0].state_dict().values())
    stored = -(-layout.n // 8) + sum(t.numel() * t.element_size() for t in buffers.values())
    return {
        "network": name,
        **{f"{job}_ms": float(np.median(times) * 1e3) for job, times in seconds.items()},
        "throughput": float(np.median(seconds["dense"] / seconds["routed"])),
        "throughput_gated": float(np.median(seconds["dense"] / (seconds["routed"] + seconds["gate"]))),
        "throughput_alike": float(np.median(seconds["dense_alike"] / seconds["routed"])),
        "stored_bytes": stored,
        "served_bytes": served,
    }


@torch.inference_mode()
def _dense(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    return module(x)


def hierarchies() -> list[dict[str, Any]]:
    """Microseconds per input for the features, the flat gate and the tree, over K random centroids; all K in turn."""
    draw = numpy_generator(0, "benchmark", "hierarchy")
    x = torch.from_numpy(draw.standard_normal((BATCH, *SHAPE), np.float32))
    features = fitted("grid", lambda rows: x[rows], np.arange(BATCH), SHAPE)
    jobs, trees = {"features": lambda: features(x)}, []
    for k in SIZES:
        centroids = draw.standard_normal((k, features.dims)).astype(np.float32)
        noise = draw.standard_normal((BATCH, features.dims)).astype(np.float32)
        seen = torch.from_numpy(centroids[draw.integers(k, size=BATCH)] + 0.5 * noise)
        weight, tree = torch.from_numpy(centroids), centroid_tree(centroids)
        bias = -weight.square().sum(dim=1) / 2
        jobs[f"flat/{k}"] = lambda s=seen, w=weight, b=bias: torch.softmax(functional.linear(s, w, b), dim=1).max(dim=1)
        jobs[f"tree/{k}"] = lambda s=seen, t=tree: t.descend(s)
        ticket, _, decisions = tree.descend(seen)
        trees.append(
            {
                "k": k,
                "decisions": decisions,
                "agree": float((ticket == functional.linear(seen, weight, bias).argmax(dim=1).numpy()).mean()),
                "flat_macs": features.macs + weight.numel(),
                "tree_macs": features.macs + decisions * features.dims,
                "gate_bytes": weight[0].numel() * 4 + 4,
            }
        )
    seconds = _in_turn(jobs, 5 * REPEATS)
    for row in trees:
        for job, key in (("features", "features"), ("flat", f"flat/{row['k']}"), ("tree", f"tree/{row['k']}")):
            row[f"{job}_us"] = float(seconds[key].min() / BATCH * 1e6)  # others' work on the machine only adds
    return trees


def sample_routers(name: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """(a row for every router, the gate's curve of accuracy against non-zero multiply-adds) on a sample's test rows."""
    run = load_run(samples()[name])
    dataset = sources.load(run.config.data, run.config.seed)
    partition = partitions.split(dataset, run.config.partition, run.config.seed)
    network, layout, task = rebuild(run.info["model"]), run.tickets.layout, task_named(run.config.task)
    subnetworks = load_learned(run)["rtl"].subnetworks
    features = fitted("grid", dataset.inputs, dataset.rows("train"), dataset.input_shape)
    scene = scene_of(TrainedTickets(task, dataset, partition, network, subnetworks, run.tickets, 0, 0), features)
    eval_set = evaluation_set(dataset, partition, task, "test")
    answers = served_answers(scene.serving, eval_set)
    scene = replace(scene, doubts=lambda rows: answers.doubt)
    cost = forward_cost(network)
    costs = TicketCosts.of(run.tickets, cost)
    rows = []
    for router in (make_router(name, scene) for name in router_names(scene.given_by, task)):
        choice = router.choose(eval_set.rows)
        rows.append(router_row(Routed(eval_set, router, choice, answers, costs)))
        if router.name == "gate":
            offered = options(run.tickets, cost, _measured(run))
            levels = [_at_level(run, subnetworks, level) for level in offered.levels]
            curve = cost_curve(
                eval_set, choice, offered, [serving(network, p, layout) for p in levels], "macs", points=6
            )
    return plain(rows), plain(curve)


def _measured(run: Run) -> dict[tuple[int, int], float]:
    """Validation figures of the target and the lighter levels, on the final weights."""
    final = (record for record in run.info["rungs"] if record["measure"] == "final")
    return {(record["ticket"], record["rung"]): record["balanced_accuracy"] for record in final}


def _at_level(run: Run, subnetworks: tuple[Subnetwork, ...], level: Any) -> list[Subnetwork]:
    lighter, masks = load_lighter(run), run.tickets.masks(level)
    return [
        replace(subnetwork, mask=masks[k], buffers=lighter.get((level.index, k), subnetwork.buffers))
        for k, subnetwork in enumerate(subnetworks)
    ]


def _in_turn(jobs: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds (repeats,) of each job: all of them once a round, so that a busy machine slows all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for turn in range(repeats + 1):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            if turn:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    return {name: np.array(times) for name, times in seconds.items()}


def table(batches: list[dict], trees: list[dict], figures: dict[str, tuple[list[dict], list[dict]]]) -> str:
    """The results as Markdown."""
    size = "x".join(map(str, SHAPE))
    return "\n".join(
        [
            f"""# Routing

One thread, {BATCH} inputs of {size}; medians of rounds in which all jobs have their turn.

## A mixed batch over {TICKETS} tickets (density {DENSITY})

`dense`: one channels_last pass of the whole batch in PyTorch's eager mode. `dense, alike`: with its norms folded and in
chunks, as tickets are served. Throughput: dense time over routed time.
""",
            _markdown(
                batches,
                {
                    "network": "{network}",
                    "dense, ms": "{dense_ms:.3g}",
                    "dense, alike, ms": "{dense_alike_ms:.3g}",
                    "routed, ms": "{routed_ms:.3g}",
                    "gate, ms": "{gate_ms:.3g}",
                    "throughput against dense": "{throughput:.2f}",
                    "the gate included": "{throughput_gated:.2f}",
                    "against dense, alike": "{throughput_alike:.2f}",
                    "bytes a ticket, stored": "{stored_bytes:,}",
                    "bytes a ticket, served": "{served_bytes:,}",
                },
            ),
            f"""
## Flat gate and tree of tickets (features `grid`)

Best of {5 * REPEATS} rounds. Centroids at random: the hardest case for a tree, which has no clusters to go by.
""",
            _markdown(
                trees,
                {
                    "tickets": "{k:,}",
                    "features, µs an input": "{features_us:.3g}",
                    "flat, µs": "{flat_us:.3g}",
                    "tree, µs": "{tree_us:.3g}",
                    "decisions": "{decisions:.1f}",
                    "flat, multiply-adds": "{flat_macs:,}",
                    "tree, multiply-adds": "{tree_macs:,.0f}",
                    "same ticket": "{agree:.1%}",
                },
            ),
            f"""
Features not counted, the largest takes {_times(trees, "tree_us"):.1f} times the time of the smallest by the tree and
{_times(trees, "flat_us"):.1f} times by the flat gate. A ticket adds {trees[0]["gate_bytes"]:,} bytes to either.
""",
            *(_sample(name, *of_one) for name, of_one in figures.items()),
            "Remade by `python -m benchmarks.routing`.\n",
        ]
    )


def _times(trees: list[dict], key: str) -> float:
    return trees[-1][key] / trees[0][key]


def _sample(name: str, rows: list[dict], curve: list[dict]) -> str:
    routers = {
        "router": "{router}",
        "uses the label": "{uses_label}",
        **{title: f"{{{key}}}" for title, key in FIGURES.items()},
        "share of FLOPs": "{flops_share:.2%}",
        "of a ticket's multiply-adds": "{macs_share:.2%}",
    }
    points = {"bound": "{bound:,.0f}", "spent": "{cost:,.0f}", "accuracy": "{accuracy}"}
    return f"""## Routers on the sample `{name}` (test rows, n = {rows[0]["n"]:,})

{_markdown([{**row, **{key: _value(row, key) for key in FIGURES.values()}} for row in rows], routers)}

The gate under a budget on the mean of non-zero multiply-adds:

{_markdown([{**point, "accuracy": _value(point, "accuracy")} for point in curve], points)}
"""


def _markdown(rows: list[dict[str, Any]], columns: dict[str, str]) -> str:
    """Title -> format of a row's fields."""
    lines = [
        list(columns),
        ["---"] * len(columns),
        *([form.format(**row) for form in columns.values()] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _value(row: dict[str, Any], key: str) -> str:
    if row[key] is None:
        return "-"
    low, high = row["ci"][key]
    return f"{row[key]:.3f}" if low is None else f"{row[key]:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    out = parser.parse_args().out
    torch.set_num_threads(1)
    text = table([mixed_batches(n) for n in NETWORKS], hierarchies(), {n: sample_routers(n) for n in SAMPLES})
    print(text)
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
