"""How long the paper's CIFAR-10 run should take on a GPU: `python -m benchmarks.gpu_estimate [--out FILE]`.

An estimate that needs no GPU. The steps are counted from the benchmark `cifar10_paper` in its full form, the
arithmetic of a step from the network, its kernels by watching one on the CPU. A step takes as long as the slower of the
two: to launch its kernels one after the other, or to compute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import numpy as np
import pandas as pd
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.pages import show
from rtl_core.config import Config, merged, parse, preset
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.events import MemoryJournal, Stage, silent
from rtl_core.learning.baselines import gradient_steps
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.joint import train_jointly
from rtl_core.learning.rewind_point import cold_start
from rtl_core.learning.subsets import ticket_subsets
from rtl_core.models.catalogue import build
from rtl_core.models.cost import forward_cost
from rtl_core.models.network import Network
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.layout import Layout

NAME, SHAPE, TICKETS = "cifar10_paper", (3, 32, 32), 10
DENSITIES = (0.75, 0.5, 0.25)  # of the paper's table
LAUNCH = 6e-6  # seconds a kernel that Python launches; assumed
THROUGHPUT = 5e12  # multiply-adds a second in small convolutions on a modern GPU; assumed
BACKWARD = 3  # a training step's arithmetic over the forward pass's
# What launches nothing: views, and memory that is only reserved.
NO_KERNEL = {
    *("alias", "as_strided", "chunk", "detach", "empty", "empty_like", "empty_strided", "expand", "lift_fresh"),
    *("narrow", "permute", "reshape", "resolve_conj", "resolve_neg", "select", "slice", "split", "squeeze", "t"),
    *("transpose", "unbind", "unsqueeze", "view", "_unsafe_view", "_reshape_alias", "is_nonzero", "item"),
}


def full_form(density: float, controls: bool) -> Config:
    described = json.loads(files("rtl_core.presets.benchmarks").joinpath(f"{NAME}.json").read_text("utf-8"))
    values = merged(preset(described["preset"]), described["settings"])
    chosen = [name for name in parse(values).controls if controls and name not in described["without"]]
    return parse({**values, "density": density, "controls": chosen, "denser": [], "lighter": []})


def kernels_of_a_step(network: Network, config: Config) -> int:
    """Operations of one ticket's step that have no operation inside and are no views."""
    rng = np.random.default_rng(0)
    n = 4 * TICKETS
    data = Dataset(
        spec="noise",
        kind="image",
        x=rng.integers(0, 256, (n, *SHAPE), dtype=np.uint8),
        y=np.arange(n) % TICKETS,
        classes=tuple(map(str, range(TICKETS))),
        attributes=pd.DataFrame(index=range(n)),
        split=np.full(n, "train"),
        unit=np.arange(n),
        fingerprint="noise",
        mean=(0.5,) * 3,
        std=(0.3,) * 3,
    )
    partition = Partition("class", None, data.classes, data.y, True)
    subsets = ticket_subsets(data, partition, task_named(config.task))
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    masks = rng.random((TICKETS, layout.n)) < 0.5

    def operations(steps: int) -> int:
        subnetworks = cold_start(network, config.sharing, TICKETS, "cpu").subnetworks(data.classes, masks)
        stage = Stage("joint", "rtl", steps, 1e-4, 0)
        settings = config.model_copy(update={"optimiser": config.optimiser.model_copy(update={"batch_size": 4})})
        inputs = data.inputs_on("cpu")
        experiment = Experiment(settings, network, layout, subsets, inputs, silent, MemoryJournal())
        with profile(activities=[ProfilerActivity.CPU]) as seen:
            train_jointly(experiment, subnetworks, subsets, stage)
        leaves = [event for event in seen.events() if event.name.startswith("aten::") and not event.cpu_children]
        return sum(event.name.removeprefix("aten::") not in NO_KERNEL for event in leaves)

    return round((operations(2) - operations(1)) / TICKETS)


def table() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    torch.set_num_threads(1)
    config = full_form(DENSITIES[0], controls=False)
    network = build(config.model, SHAPE, 1, 0)
    kernels = kernels_of_a_step(network, config)
    cost = forward_cost(network)
    launching = kernels * LAUNCH
    computing = BACKWARD * cost.macs_dense * config.optimiser.batch_size / THROUGHPUT
    step = max(launching, computing)
    yield "# The paper's CIFAR-10 run on a GPU: an estimate, not a measurement\n"
    batch = config.optimiser.batch_size
    yield (
        f"GhostNet with {cost.n_prunable:,} prunable weights, {TICKETS} tickets, batches of {batch}. A step of one "
        f"ticket launches about {kernels:,} kernels, {1e3 * launching:.1f} ms at {1e6 * LAUNCH:.0f} µs each, and "
        f"computes {BACKWARD} x {cost.macs_dense * batch:,} multiply-adds, {1e3 * computing:.1f} ms at "
        f"{THROUGHPUT:.0e} a second. The slower decides: {1e3 * step:.1f} ms. Both rates are assumed; nothing here "
        "ran on a GPU. Made by `python -m benchmarks.gpu_estimate`.\n"
    )
    yield "| density | steps, RTL alone | minutes | steps with every control | minutes |"
    yield "|---|---|---|---|---|"
    for density in DENSITIES:
        counts = [gradient_steps(full_form(density, controls), TICKETS, cost.n_prunable) for controls in (False, True)]
        cells = " | ".join(f"{count:,} | {count * step / 60:.0f}" for count in counts)
        yield f"| {density:g} | {cells} |"


if __name__ == "__main__":
    show(__doc__, table)
