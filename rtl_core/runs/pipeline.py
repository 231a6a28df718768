"""The one place where data, partition, tickets, controls and evaluation are wired into a run."""

from __future__ import annotations

import platform
import time
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from rtl_core import __version__
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config
from rtl_core.data import partitions
from rtl_core.data.changes import described
from rtl_core.display_names import AT_EQUAL_STORAGE, method_words
from rtl_core.documents import plain
from rtl_core.events import Event, Journal, MemoryJournal, Report, silent
from rtl_core.learning.baselines import does_not_apply, gradient_steps
from rtl_core.learning.method_steps import warm_start
from rtl_core.learning.subnetwork import TrainedMethod
from rtl_core.models.cost import forward_cost, macs_nonzero
from rtl_core.routing.gate import LinearGate
from rtl_core.runs import routing
from rtl_core.runs.checkpoint import Outcome
from rtl_core.runs.gates import gate_tensors
from rtl_core.runs.prepare import Setting, experiment, prepare, refusing_divergence
from rtl_core.runs.record import SubsetSizes, TrainingCost
from rtl_core.runs.train_methods import MODES, lighter_tickets
from rtl_core.tasks.catalogue import task_named
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import dead_layers
from rtl_core.tickets.storage import stored
from rtl_core.tickets.ticket_set import TicketSet

GATE_TRAINED = {"paper": "on the partition, after the tickets", "gated": "together with the mask scores"}
DECISIONS = {
    "per_subset": "each subset's own output",
    "argmax": "argmax over subsets",
    "odds": "likelier than 1 / K",
}
ABOUT = 0.1  # by how much storage may differ and still be called equal: widths come in steps
LEARNED_ENOUGH = 0.1  # extraction steps x learning rate below which masks hardly differ from random ones


def train(setting: Setting, report: Report, journal: Journal) -> Outcome:
    """A whole run: tickets and controls as the mode learns them, lighter tickets, a gate, evaluation."""
    config, began, new_experiment = setting.config, time.monotonic(), experiment(setting, report, journal)
    eval_set = audit.evaluation_set(setting.dataset, setting.partition, setting.task, "val", audit.LEVEL_ROWS)
    with refusing_divergence(config):
        trained = MODES[config.mode](setting, new_experiment, eval_set)
    lighter_buffers, lighter_records = lighter_tickets(
        new_experiment, trained.learned["rtl"], trained.tickets, eval_set
    )
    report(Event("evaluate", "rtl"))
    described = describe(setting, trained.tickets)
    info = {
        "evaluation": evaluate(setting, trained.tickets, trained.learned, trained.gate),
        "rungs": [*trained.records, *lighter_records],
        **described,
        "warnings": [*described["warnings"], *unequal_storage(trained.learned, setting.layout)],
        "sharing": trained.sharing,
        "gate": {
            "features": trained.gate.features.name,
            "macs": trained.gate.macs,
            "trained": GATE_TRAINED[config.mode],
        },
        "environment": {**_environment(config), "seconds": time.monotonic() - began},
    }
    learned, gate = tuple(trained.learned.values()), gate_tensors(trained.gate, trained.seen)
    return Outcome(trained.tickets, info, trained.start.shared, learned, lighter_buffers, gate)


def evaluate(
    setting: Setting,
    tickets: TicketSet,
    learned: dict[str, TrainedMethod],
    gate: LinearGate | None,
    split: str = "test",
) -> dict[str, Any]:
    """The JSON document of `evaluate`: tickets, methods and routers on the rows of a split."""
    config = setting.config
    eval_set = audit.evaluation_set(setting.dataset, setting.partition, setting.task, split)
    read = _read(learned)
    answers = {
        method: audit.method_answers(setting.network_of(one), one, setting.layout, eval_set)
        for method, one in read.items()
    }
    counts = tickets.masks().sum(axis=1)
    own = [
        {
            "name": name,
            "density": float(counts[k] / tickets.n),
            "params": int(counts[k]),
            **audit.ticket_figures(eval_set, k, answers["rtl"][k]),
            **audit.ticket_details(eval_set, k, answers["rtl"][k]),
        }
        for k, name in enumerate(tickets.names)
    ]
    methods = [
        _method_row(setting, one, audit.method_figures(eval_set, answers[m], config.seed)) for m, one in read.items()
    ]
    for method in config.controls:
        reason = does_not_apply(method, config, tickets.k)
        if reason is not None:
            methods.append({"method": method, "applies": False, "reason": reason})
    return {
        "split": split,
        "tickets": own,
        "methods": methods,
        "routers": plain(routing.router_rows(setting, tickets, learned["rtl"], eval_set, gate)),
    }


def _read(learned: dict[str, TrainedMethod]) -> dict[str, TrainedMethod]:
    """The methods, and one multi-class mask read in a second way: its argmax says yes to one subset alone, which makes
    it cautious beside tickets that each weigh yes against no."""
    odds = [
        replace(one, method=f"{one.method}_odds", reads="odds") for one in learned.values() if one.reads == "argmax"
    ]
    return {**learned, **{one.method: one for one in odds}}


def _method_row(setting: Setting, learned: TrainedMethod, figures: dict[str, Any]) -> dict[str, Any]:
    stores, n = learned.stores(setting.layout), setting.layout.n
    whole = learned.network_size(setting.layout)
    kept = [whole if one.mask is None else int(one.mask.sum()) for one in learned.subnetworks]
    return {
        "method": learned.method,
        "applies": True,
        "density": float(np.mean(kept)) / n,
        "params_total": stores.weights,
        "bits": stores.bits,
        "bits_union": stores.bits_union,
        "bits_bound": stores.bits_bound,
        "steps_warm": learned.steps_warm,
        "steps_extract": learned.steps_extract,
        "steps_joint": learned.steps_joint,
        "decision": DECISIONS[learned.reads],
        **figures,
    }


def describe(setting: Setting, tickets: TicketSet) -> dict[str, Any]:
    """What the run is, for the record: data, partition, model, cost, warnings."""
    dataset, partition, cost = setting.dataset, setting.partition, forward_cost(setting.network)
    masks = tickets.masks()
    kept = [{name: int(mask[span].sum()) for name, span in tickets.layout.slices().items()} for mask in masks]
    return {
        "config": setting.config.model_dump(mode="json"),
        "data": described(dataset),
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
        "storage": storage(tickets),
        "warnings": warnings(setting.config, tickets),
    }


def storage(tickets: TicketSet) -> dict[str, Any]:
    """What the tickets store together, and each on its own; `private`: weights that no other ticket keeps."""
    masks = tickets.masks()
    alone = masks & (masks.sum(axis=0) == 1)
    each = [
        {"name": name, "private": int(own.sum()), **asdict(stored([mask], tickets.layout))}
        for name, mask, own in zip(tickets.names, masks, alone, strict=True)
    ]
    return {**asdict(stored(list(masks), tickets.layout)), "tickets": each}


def warnings(config: Config, tickets: TicketSet) -> list[str]:
    """Sentences about what would make this run's figures mean less than they seem to."""
    sentences = []
    extract = config.extract
    if config.mode == "paper" and extract.steps * extract.learning_rate < LEARNED_ENOUGH:
        sentences.append(
            f"Extraction is short ({extract.steps} steps at learning rate {extract.learning_rate:g}): the "
            "weights hardly travel before they are pruned, so the masks mostly reflect the initial weights."
        )
    if config.partition.by == "class" and not task_named(config.task).choice_answers:
        sentences.append(
            "Every subset is one class and its ticket tells all classes: whoever chooses the ticket by the label gives "
            "the answer away. Figures of tickets and methods on their own subsets are upper bounds; the gate's are not."
        )
    masks = tickets.masks()
    if len(masks) > 1 and (masks == masks[0]).all():
        sentences.append(
            "All tickets keep the same weights: they are one mask, and differ at most in norm statistics and heads."
        )
    for name, mask in zip(tickets.names, masks, strict=True):
        empty = dead_layers(mask, tickets.layout)
        if empty:
            sentences.append(f"Ticket '{name}' is dead: nothing is kept in {', '.join(empty)}.")
    return sentences


def unequal_storage(learned: dict[str, TrainedMethod], layout: Layout) -> list[str]:
    """A sentence for each control that is meant for equal storage and stores more, or less, than the tickets."""
    own = learned["rtl"].stores(layout).weights
    stores = {name: learned[name].stores(layout).weights for name in AT_EQUAL_STORAGE if name in learned}
    return [
        f"“{method_words(name)[0]}” stores {weights:,} weights where the tickets store {own:,}: a network of this kind "
        "has no width that comes nearer, so it is no control at equal storage here."
        for name, weights in stores.items()
        if abs(weights - own) > ABOUT * own
    ]


def estimate(config: Config) -> TrainingCost:
    """What a run will cost, by a few timed steps on this machine.

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
    with refusing_divergence(config):
        done = warm_start(experiment(trial_setting, silent, MemoryJournal())).steps * setting.partition.k
    per_step = (time.monotonic() - began) / done
    return TrainingCost(
        n_prunable=cost.n_prunable,
        params_total=cost.params_total,
        flops_executed=cost.flops_executed,
        steps=steps,
        seconds=1.15 * steps * per_step / min(config.workers, 2),
        subsets=[SubsetSizes(**row) for row in partitions.sizes(setting.dataset, setting.partition).to_dict("records")],
    )


def _environment(config: Config) -> dict[str, Any]:
    return {
        "rtl_lab": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": config.threads,
        "device": config.device,
    }
