"""Can the tickets' lead at equal total steps be made larger? `python -m benchmarks.recipes [--confirm]`.

Recipes of joint training are tried on the five domains at a density of 10 %, on validation rows and tuning seeds,
against random masks of the same total steps (which store more weights) under the same recipe, where it is one for all.
`--confirm` repeats the most promising on test rows with seeds that nothing was chosen with. Figures are kept in
docs/results/recipes.json, so the command goes on where it was interrupted; the page is docs/results/recipes.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from benchmarks.cut_while_training import Plan, cut_while_training
from benchmarks.resumable import hashed, kept
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config, merged, parse
from rtl_core.events import MemoryJournal, silent
from rtl_core.files import replacing
from rtl_core.learning.baselines import CONTROLS
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.experiment import Experiment
from rtl_core.learning.method_steps import extract_ticket, learn_tickets, ticket_set, warm_start
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.learning.rewind_point import merged as merged_start
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod, as_module
from rtl_core.learning.subsets import Subset
from rtl_core.runs.prepare import Setting, experiment, prepare
from rtl_core.statistics.intervals import paired_t
from rtl_core.tickets.ticket_set import TicketSet, nested, numbered

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
TUNING_SEEDS, FRESH_SEEDS = (0, 1, 2), (31, 32, 33, 34, 35)
CONTROL = "random_same_total"
BASE = {
    "data": {"spec": "bundled:domains"},
    "density": 0.1,
    "denser": [],
    "lighter": [],
    "workers": 1,
    "controls": [],
    "joint": {"start": "merged"},
}
TEMPERATURE, TAUGHT = 2.0, 0.7  # of distillation: how soft, and its share of the loss


@dataclass(frozen=True)
class Recipe:
    """What differs from the tickets of `BASE`.

    settings  of the tickets and the control
    taught    each ticket is taught by the dense network that it was cut from (a forward pass more, no step)
    plan      masks are found while the shared weights train, for as many steps in all, and nothing is extracted
    """

    words: str
    settings: dict[str, Any]
    taught: bool = False
    plan: Plan | None = None


COSINE = {"joint": {"decay": "cosine"}}
RECIPES = {
    "merged": Recipe("joint training starts from the merged extractions", {}),
    "own norms": Recipe("and every ticket scales and shifts its norms itself", {"sharing": {"norm_affine": "ticket"}}),
    "cosine": Recipe("and its learning rate falls to 0, for the control too", COSINE),
    "cosine, twice the rate": Recipe("the same from .006", {"joint": {"decay": "cosine", "learning_rate": 6e-3}}),
    "cosine, own norms": Recipe("both", {**COSINE, "sharing": {"norm_affine": "ticket"}}),
    "cosine, more joint": Recipe(
        "200 steps to extract, 200 joint", {"joint": {"decay": "cosine", "steps": 200}, "extract": {"steps": 200}}
    ),
    "cosine, longer warm start": Recipe(
        "600 steps of warm start, 160 to extract, 160 joint",
        {"joint": {"decay": "cosine", "steps": 160}, "extract": {"steps": 160, "warm_steps": 600}},
    ),
    "cosine, taylor": Recipe("cut by |w g|", {**COSINE, "extract": {"score": "taylor"}}),
    "taught": Recipe("each ticket is taught by the dense network that it was cut from", {}, True),
    "cosine, taught": Recipe("both", COSINE, True),
    "cosine, taught, own norms": Recipe("all three", {**COSINE, "sharing": {"norm_affine": "ticket"}}, True),
    "cosine, taught, longer warm start": Recipe(
        "both, with 600 steps of warm start, 160 to extract, 160 joint",
        {"joint": {"decay": "cosine", "steps": 160}, "extract": {"steps": 160, "warm_steps": 600}},
        True,
    ),
    "while training": Recipe("masks found while the shared weights train, nothing extracted", {}, plan=Plan()),
    "while training, cosine": Recipe("the same, its learning rate falling to 0", COSINE, plan=Plan()),
    "while training, early": Recipe("the same, cut from 5 to 40 % of the steps", COSINE, plan=Plan(0.05, 0.4)),
    "while training, regrown": Recipe(
        "the same, 5 % of a ticket exchanged at each cut by the mean gradient", COSINE, plan=Plan(exchanged=0.05)
    ),
    "while training, shared more": Recipe(
        "the same after 600 steps of warm start",
        {**COSINE, "extract": {"warm_steps": 600, "steps": 200}},
        plan=Plan(),
    ),
}
Job = tuple[str, int, str]  # recipe, seed, split


def config_of(recipe: str, seed: int) -> Config:
    return parse({**merged(BASE, RECIPES[recipe].settings), "seed": seed})


def run(job: Job) -> dict[str, Any]:
    """Accuracy and stored weights of the tickets and of random masks with the same total of steps."""
    recipe, seed, split = job
    config = config_of(recipe, seed)
    setting = prepare(config, silent, MemoryJournal())
    new_experiment = experiment(setting, silent, MemoryJournal())
    start = warm_start(new_experiment)
    if RECIPES[recipe].plan is not None:
        return _while_training(job, setting, new_experiment, start)
    extractions = [extract_ticket(new_experiment, start, k, None) for k in range(len(new_experiment.subsets))]
    tickets = ticket_set(new_experiment, extractions)
    begin = merged_start(start, [each.trained for each in extractions], tickets.masks(), setting.layout)
    steps = extractions[0].steps
    taught = replace(new_experiment, subsets=taught_subsets(new_experiment, [each.trained for each in extractions]))
    rtl = learn_tickets(
        taught if RECIPES[recipe].taught else new_experiment, begin, "rtl", tickets.masks(), steps, config.joint.steps
    )
    control = CONTROLS[CONTROL].learn(new_experiment, start, tickets, steps)
    return figures(setting, split, rtl, control)


def _while_training(job: Job, setting: Setting, new_experiment: Experiment, start: RewindPoint) -> dict[str, Any]:
    """Tickets without an extraction, and random masks of their layers' counts for as many steps."""
    recipe, _, split = job
    steps = setting.config.extract.steps + setting.config.joint.steps
    rtl = cut_while_training(new_experiment, start, RECIPES[recipe].plan, steps)
    masks = np.stack([subnetwork.mask for subnetwork in rtl.subnetworks])
    levels = numbered([(setting.config.density, "target")])
    tickets = TicketSet(
        new_experiment.names,
        new_experiment.names,
        new_experiment.layout,
        nested(levels, masks.shape, lambda level: masks),
        levels,
    )
    return figures(
        setting, split, rtl, CONTROLS[CONTROL].learn(new_experiment, start, tickets, setting.config.extract.steps)
    )


def figures(setting: Setting, split: str, *learned: TrainedMethod) -> dict[str, Any]:
    """Method -> accuracy on the rows of a split, weights stored and steps taken in all."""
    eval_set = audit.evaluation_set(setting.dataset, setting.partition, setting.task, split)
    by_method = {}
    for one in learned:
        answers = audit.method_answers(setting.network, one, setting.layout, eval_set)
        accuracy = audit.method_figures(eval_set, answers, setting.config.seed)["accuracy"]
        steps = one.steps_warm + one.steps_extract + one.steps_joint
        by_method[one.method] = {"accuracy": accuracy, "stored": one.stores(setting.layout).weights, "steps": steps}
    return by_method


def taught_subsets(new_experiment: Experiment, teachers: Sequence[Subnetwork]) -> tuple[Subset, ...]:
    """The same subsets with a loss that is in part the distance from what the ticket's own dense network answers."""
    return tuple(
        _taught(new_experiment, subset, teacher)
        for subset, teacher in zip(new_experiment.subsets, teachers, strict=True)
    )


def _taught(new_experiment: Experiment, subset: Subset, teacher: Subnetwork) -> Subset:
    rows = np.concatenate(subset.pools)
    module = as_module(
        new_experiment.network, recalibrate(new_experiment, replace(teacher, mask=None), subset), new_experiment.layout
    )
    with torch.no_grad():
        answers = torch.cat(
            [module(new_experiment.inputs(some)) for some in np.array_split(rows, len(rows) // 500 + 1)]
        )
    place = np.full(rows.max() + 1, -1)
    place[rows] = np.arange(len(rows))

    def targets(some: np.ndarray) -> torch.Tensor:
        return torch.cat([subset.targets(some)[:, None].float(), answers[place[some]]], dim=1)

    def loss(outputs: torch.Tensor, both: torch.Tensor) -> torch.Tensor:
        """Hinton et al., 2015: cross-entropy, and the divergence from the softened teacher times T^2."""
        own = subset.loss(outputs, both[:, 0].long())
        soft = functional.log_softmax(outputs / TEMPERATURE, dim=1)
        theirs = functional.log_softmax(both[:, 1:] / TEMPERATURE, dim=1)
        apart = functional.kl_div(soft, theirs, reduction="batchmean", log_target=True)
        return (1 - TAUGHT) * own + TAUGHT * TEMPERATURE**2 * apart

    return replace(subset, targets=targets, loss=loss)


def digest(job: Job) -> str:
    config, split = config_of(*job[:2]), job[2]
    return hashed(config.model_dump_json() + split + str(RECIPES[job[0]].taught) + str(RECIPES[job[0]].plan))


def study(recipes: Sequence[str], seeds: tuple[int, ...], split: str, workers: int) -> dict[str, dict]:
    jobs = {f"{recipe} / seed {seed}": (recipe, seed, split) for seed in seeds for recipe in recipes}
    return kept(RESULTS / "recipes.json", jobs, digest, run, workers)


def leads(runs: dict[str, dict], recipe: str, seeds: Sequence[int]) -> list[float]:
    own = [runs[f"{recipe} / seed {seed}"] for seed in seeds]
    return [each["rtl"]["accuracy"] - each[CONTROL]["accuracy"] for each in own]


def promising(runs: dict[str, dict], count: int = 3) -> list[str]:
    """The recipes with the largest mean lead on tuning seeds."""
    return sorted(RECIPES, key=lambda recipe: -float(np.mean(leads(runs, recipe, TUNING_SEEDS))))[:count]


def table(runs: dict[str, dict], recipes: Sequence[str], seeds: Sequence[int]) -> str:
    lines = [
        "| recipe | what it is | RTL | random masks | RTL - random masks | stored by each |",
        "|---|---|---|---|---|---|",
    ]
    for recipe in recipes:
        own = [runs[f"{recipe} / seed {seed}"] for seed in seeds]
        means = {name: np.mean([each[name]["accuracy"] for each in own]) for name in ("rtl", CONTROL)}
        stored = {name: np.mean([each[name]["stored"] for each in own]) for name in ("rtl", CONTROL)}
        lead, low, high, *_ = paired_t(leads(runs, recipe, seeds))
        lines.append(
            f"| {recipe} | {RECIPES[recipe].words} | {means['rtl']:.3f} | {means[CONTROL]:.3f} "
            f"| {lead:+.3f} [{low:+.3f}, {high:+.3f}] | {stored['rtl']:,.0f}, {stored[CONTROL]:,.0f} |"
        )
    return "\n".join(lines)


def page(tried: dict[str, dict], confirmed: dict[str, dict]) -> str:
    """The result as Markdown."""
    lines = [
        "# Recipes of joint training",
        "",
        "`python -m benchmarks.recipes --confirm`. Five domains, density 10 %, accuracy when told the domain. RTL",
        "against random masks with each ticket's own layer counts and as many training steps in all",
        "(`random_same_total`), which store more weights. A recipe holds for both, but that only tickets can be taught",
        "by the networks that they were cut from. Differences are paired by seed, with the 95 % interval of a paired",
        "t, not adjusted for the number of recipes.",
        "",
        f"## Tried: validation rows, seeds {', '.join(map(str, TUNING_SEEDS))}",
        "",
        table(tried, list(RECIPES), TUNING_SEEDS),
    ]
    if confirmed:
        best = promising(tried)
        lines += [
            "",
            f"## Repeated: test rows, seeds {', '.join(map(str, FRESH_SEEDS))}",
            "",
            "The three that led most above, with seeds that nothing was chosen with.",
            "",
            table(confirmed, best, FRESH_SEEDS),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--confirm", action="store_true", help="repeat the best on test rows with fresh seeds")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    tried = study(list(RECIPES), TUNING_SEEDS, "val", options.workers)
    confirmed = study(promising(tried), FRESH_SEEDS, "test", options.workers) if options.confirm else {}
    with replacing(RESULTS / "recipes.md") as draft:
        draft.write_text(page(tried, confirmed), "utf-8")


if __name__ == "__main__":
    main()
