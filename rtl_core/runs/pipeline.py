"""The one place where data, partition, tickets, controls and evaluation are wired into a run."""

from __future__ import annotations

import copy
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from rtl_core import __version__
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config
from rtl_core.data import partitions, sources
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.events import Event, Journal, MemoryJournal, Report, Tensors, silent
from rtl_core.learning.backbone import backbone_features
from rtl_core.learning.controls import CONTROLS, gradient_steps
from rtl_core.learning.extract import Measure
from rtl_core.learning.methods import (
    Experiment,
    extract_ticket,
    extraction_steps,
    learn_tickets,
    ticket_set,
    warm_start,
)
from rtl_core.learning.norms import recalibrate
from rtl_core.learning.parts import Learned
from rtl_core.learning.start import Start
from rtl_core.learning.subsets import ticket_subsets, which_subset
from rtl_core.models.catalogue import build
from rtl_core.models.cost import forward_cost, macs_nonzero
from rtl_core.models.network import Network
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import dead_layers
from rtl_core.tickets.ticket_set import Rung, TicketSet

RUNG_ROWS = 1000  # validation rows per ticket on which a rung is measured
LEARNED_ENOUGH = 0.1  # extraction steps x learning rate below which masks hardly differ from random ones
ONE_MASK = ("imp_single", "imp_single_ovr", "imp_single_union")  # cut from the same training: run in turn

T = TypeVar("T")


@dataclass(frozen=True)
class Setting:
    """A run before any training: what is learned from and with what."""

    config: Config
    dataset: Dataset
    partition: Partition
    network: Network
    one_network: Network | None
    layout: Layout


@dataclass(frozen=True)
class Outcome:
    """A finished training: what `runs.checkpoint.save_checkpoint` takes."""

    tickets: TicketSet
    theta_0: Tensors
    learned: tuple[Learned, ...]
    lighter_buffers: dict[tuple[int, int], Tensors]
    info: dict[str, Any]


def prepare(config: Config, report: Report, journal: Journal, dataset: Dataset | None = None) -> Setting:
    """Data, partition and networks of a run; raises BadInput where they do not fit together."""
    torch.set_num_threads(config.threads)
    if config.device == "cuda" and not torch.cuda.is_available():
        raise BadInput("setting 'device': this machine has no CUDA device that PyTorch can use; take cpu")
    dataset = dataset if dataset is not None else sources.load(config.data, config.seed)
    features = None
    if config.partition.by in ("kmeans", "hdbscan") and config.partition.features == "backbone":
        backbone = build(config.model, dataset.input_shape, len(dataset.classes), config.seed)
        features = backbone_features(backbone, dataset, config, report, journal)
    partition = partitions.split(dataset, config.partition, config.seed, features)
    one_vs_rest = config.task == "one_vs_rest"
    network = build(config.model, dataset.input_shape, 1 if one_vs_rest else len(dataset.classes), config.seed)
    one_network = build(config.model, dataset.input_shape, partition.k, config.seed) if one_vs_rest else None
    layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
    return Setting(config, dataset, partition, network, one_network, layout)


def experiment(setting: Setting, report: Report, journal: Journal) -> Experiment:
    """The setting as the learning room sees it, with modules of its own (training swaps their tensors)."""
    task, one = setting.config.task, None
    if setting.one_network is not None:
        one = which_subset(setting.dataset, setting.partition)
    return Experiment(
        setting.config,
        _own(setting.network),
        setting.layout,
        ticket_subsets(setting.dataset, setting.partition, task),
        setting.dataset.inputs,
        report,
        journal,
        _own(setting.one_network) if setting.one_network else None,
        one,
    )


def train(setting: Setting, report: Report, journal: Journal) -> Outcome:
    """A whole run: warm start, Algorithm 1 per ticket, Algorithm 2, the controls, evaluation."""
    config, k, began = setting.config, setting.partition.k, time.monotonic()

    def lab() -> Experiment:
        return experiment(setting, report, journal)

    start = warm_start(lab())
    asked = audit.questions(setting.dataset, setting.partition, config.task, "val", RUNG_ROWS)
    extractions = _side_by_side(
        config, [lambda i=i: extract_ticket(at := lab(), start, i, _measure(at, asked, i)) for i in range(k)]
    )
    tickets = ticket_set(lab(), extractions)
    learned = _methods(setting, lab, start, tickets)
    lighter_buffers, lighter_records = _lighter(lab(), learned["rtl"], tickets, asked)
    early = [
        {"ticket": i, "kind": _rung(tickets, r["rung"]).kind, "measure": "extraction", **r}
        for i, e in enumerate(extractions)
        for r in e.records
    ]
    report(Event("evaluate", "rtl"))
    info = {
        "evaluation": evaluate(setting, tickets, learned),
        "rungs": [*early, *lighter_records],
        **describe(setting, tickets),
        "environment": {**_environment(config), "seconds": time.monotonic() - began},
    }
    return Outcome(tickets, start.shared, tuple(learned.values()), lighter_buffers, info)


def _methods(setting: Setting, lab: Callable[[], Experiment], start: Start, tickets: TicketSet) -> dict[str, Learned]:
    """RTL and every control that was asked for and applies, in the config's order."""
    config = setting.config
    wanted = [m for m in config.controls if CONTROLS[m].does_not_apply(config, tickets.k) is None]
    groups = [[m for m in wanted if m in ONE_MASK], *([m] for m in wanted if m not in ONE_MASK)]

    def rtl() -> list[Learned]:
        steps = extraction_steps(config, setting.layout.n)
        return [learn_tickets(lab(), start, "rtl", tickets.masks(), steps, config.joint.steps)]

    jobs = [rtl, *(lambda g=g: [CONTROLS[m].learn(lab(), start, tickets) for m in g] for g in groups if g)]
    done = {one.method: one for many in _side_by_side(config, jobs) for one in many}
    return {method: done[method] for method in ("rtl", *wanted)}


def _side_by_side(config: Config, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Runs independent jobs on `config.workers` threads: torch leaves the interpreter's lock while it computes,
    and since every random draw is a function of its name, the order changes no bit of any result."""

    def quietly(job: Callable[[], T]) -> T:
        torch.set_num_threads(config.threads)  # the setting is the calling thread's own
        return job()

    with ThreadPoolExecutor(min(config.workers, len(jobs))) as pool:
        return [future.result() for future in [pool.submit(quietly, job) for job in jobs]]


def _measure(lab: Experiment, asked: audit.Questions, k: int) -> Measure:
    """How well ticket k's weights of the moment do on validation rows when cut to a mask."""

    def measure(part: Any) -> dict[str, Any]:
        part = _recalibrated(lab, part, k)
        logits = audit.own_logits(lab.network, part, lab.layout, asked, k)
        return audit.summary(audit.ticket_figures(asked, k, logits))

    return measure


def _recalibrated(lab: Experiment, part: Any, k: int) -> Any:
    batches = lab.config.sharing.recalibrate_batches
    return recalibrate(lab.network, part, lab.subsets[k], lab.layout, lab.inputs, batches, lab.config.seed)


def _lighter(
    lab: Experiment, rtl: Learned, tickets: TicketSet, asked: audit.Questions
) -> tuple[dict[tuple[int, int], Tensors], list[dict[str, Any]]]:
    """Lighter tickets: nested masks on the final weights, with norm statistics of their own, on validation rows."""
    buffers, records = {}, []
    for rung in (r for r in tickets.rungs if r.kind != "denser"):
        for k, (part, mask) in enumerate(zip(rtl.parts, tickets.masks(rung), strict=True)):
            part = part if rung.kind == "target" else _recalibrated(lab, replace(part, mask=mask), k)
            logits = audit.own_logits(lab.network, part, lab.layout, asked, k)
            found = audit.summary(audit.ticket_figures(asked, k, logits))
            place = {"ticket": k, "rung": rung.index, "density": rung.density, "kind": rung.kind}
            records.append({**place, "measure": "final", **found})
            if rung.kind == "lighter":
                buffers[rung.index, k] = part.buffers
    return buffers, records


def evaluate(setting: Setting, tickets: TicketSet, learned: dict[str, Learned], split: str = "test") -> dict[str, Any]:
    """The JSON document of `evaluate`: tickets, methods and routers on the rows of a split."""
    config = setting.config
    asked = audit.questions(setting.dataset, setting.partition, config.task, split)
    outputs = {
        method: audit.method_outputs(_network_of(setting, one), one, setting.layout, asked)
        for method, one in learned.items()
    }
    counts = tickets.masks().sum(axis=1)
    own = [
        {
            "name": name,
            "density": float(counts[k] / tickets.n),
            "params": int(counts[k]),
            **audit.ticket_figures(asked, k, outputs["rtl"][k]),
        }
        for k, name in enumerate(tickets.names)
    ]
    methods = [
        _method_row(setting, one, audit.method_figures(asked, outputs[m], config.seed)) for m, one in learned.items()
    ]
    for method in config.controls:
        reason = CONTROLS[method].does_not_apply(config, tickets.k)
        if reason is not None:
            methods.append({"method": method, "applies": False, "reason": reason})
    everyone = _answers_of_all(setting, learned["rtl"], asked, outputs["rtl"])
    return {
        "split": split,
        "tickets": own,
        "methods": methods,
        "routers": audit.routers(asked, setting.partition, everyone, config.task),
    }


def _answers_of_all(setting: Setting, rtl: Learned, asked: audit.Questions, own: list[np.ndarray]) -> np.ndarray:
    """(K, n, outputs): every ticket's logits on every row; one-vs-rest tickets were asked all of them already."""
    if asked.task == "one_vs_rest":
        return np.stack(own)
    network, layout, dataset = setting.network, setting.layout, setting.dataset
    return np.stack([audit.part_logits(network, part, layout, dataset, asked.rows) for part in rtl.parts])


def _network_of(setting: Setting, learned: Learned) -> Network:
    return setting.one_network if learned.reads == "argmax" else setting.network


def _method_row(setting: Setting, learned: Learned, figures: dict[str, Any]) -> dict[str, Any]:
    masks = [np.ones(setting.layout.n, bool) if part.mask is None else part.mask for part in learned.parts]
    separate = len({id(part.shared) for part in learned.parts}) > 1
    stored = sum(int(m.sum()) for m in masks) if separate else int(np.logical_or.reduce(masks).sum())
    return {
        "method": learned.method,
        "applies": True,
        "density": float(np.mean([m.mean() for m in masks])),
        "params_total": stored,
        "steps_warm": learned.steps_warm,
        "steps_extract": learned.steps_extract,
        "steps_joint": learned.steps_joint,
        "decision": "argmax over subsets" if learned.reads == "argmax" else "each subset's own output",
        **figures,
    }


def describe(setting: Setting, tickets: TicketSet) -> dict[str, Any]:
    """What the run is, for the record: data, partition, model, cost, warnings."""
    dataset, partition, cost = setting.dataset, setting.partition, forward_cost(setting.network)
    masks = tickets.masks()
    kept = [{name: int(mask[part].sum()) for name, part in tickets.layout.slices().items()} for mask in masks]
    return {
        "config": setting.config.model_dump(mode="json"),
        "data": {
            "spec": dataset.spec,
            "kind": dataset.kind,
            "fingerprint": dataset.fingerprint,
            "classes": list(dataset.classes),
            "input_shape": list(dataset.input_shape),
            "mean": list(dataset.mean),
            "std": list(dataset.std),
            "licence": dataset.licence,
            "notes": list(dataset.notes),
            **{f"n_{split}": len(dataset.rows(split)) for split in ("train", "val", "test")},
        },
        "partition": {
            "by": partition.by,
            "column": partition.column,
            "uses_label": partition.uses_label,
            "silhouette": partition.silhouette,
            "notes": list(partition.notes),
            "sizes": partitions.sizes(dataset, partition).to_dict("records"),
        },
        "model": setting.network.description,
        "cost": {**asdict(cost), "macs_nonzero": [macs_nonzero(cost, counts) for counts in kept]},
        "warnings": warnings(setting.config, tickets),
    }


def warnings(config: Config, tickets: TicketSet) -> list[str]:
    """Sentences about what would make this run's figures mean less than they seem to."""
    found = []
    travel = config.extract.steps * config.extract.learning_rate
    if travel < LEARNED_ENOUGH:
        found.append(
            f"Extraction is short ({config.extract.steps} steps at learning rate {config.extract.learning_rate:g}): the "
            "weights hardly travel before they are pruned, so the masks mostly reflect the initial weights."
        )
    for name, mask in zip(tickets.names, tickets.masks(), strict=True):
        empty = dead_layers(mask, tickets.layout)
        if empty:
            found.append(f"Ticket '{name}' is dead: nothing is kept in {', '.join(empty)}.")
    return found


def estimate(config: Config) -> dict[str, Any]:
    """What a run will cost, before it starts: sizes, and seconds from a few timed steps on this machine.

    Clusters on a backbone's features need that backbone trained first, so their subsets are not known yet.
    """
    if config.partition.features == "backbone" and config.partition.by in ("kmeans", "hdbscan"):
        quick = config.partition.model_copy(update={"features": "pca"})
        config = config.model_copy(update={"partition": quick})
    setting = prepare(config, silent, MemoryJournal())
    cost = forward_cost(setting.network)
    steps = gradient_steps(config, setting.partition.k, setting.layout.n)
    trial = config.model_copy(
        update={"extract": config.extract.model_copy(update={"warm_steps": 4 * setting.partition.k})}
    )
    trial_setting = replace(setting, config=trial)
    began = time.monotonic()
    done = warm_start(experiment(trial_setting, silent, MemoryJournal())).steps * setting.partition.k
    per_step = (time.monotonic() - began) / done
    return {
        "n_prunable": cost.n_prunable,
        "params_total": cost.params_total,
        "flops_executed": cost.flops_executed,
        "steps": steps,
        "seconds": 1.15 * steps * per_step / min(config.workers, 2),
        "subsets": partitions.sizes(setting.dataset, setting.partition).to_dict("records"),
    }


def _rung(tickets: TicketSet, index: int) -> Rung:
    return next(rung for rung in tickets.rungs if rung.index == index)


def _own(network: Network) -> Network:
    return replace(network, module=copy.deepcopy(network.module))


def _environment(config: Config) -> dict[str, Any]:
    return {
        "rtl_lab": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": config.threads,
        "device": config.device,
    }
