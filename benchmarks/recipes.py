"""Can the tickets' lead at equal total steps be made larger? `python -m benchmarks.recipes [--confirm]`.

Recipes of joint training are tried on the five domains at a density of 10 %, on validation rows and tuning seeds,
against random masks (which store more weights) and one mask of the same storage under the same recipe.
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
from rtl_core.learning.method_steps import extract_single, extract_ticket, learn_tickets, ticket_set, warm_start
from rtl_core.learning.rewind_point import RewindPoint
from rtl_core.learning.rewind_point import merged as merged_start
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod, as_module
from rtl_core.learning.subsets import Subset
from rtl_core.runs.prepare import Setting, experiment, prepare
from rtl_core.statistics.intervals import paired_t
from rtl_core.tickets.ticket_set import TicketSet, nested, numbered

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
TUNING_SEEDS, FRESH_SEEDS = (0, 1, 2), (31, 32, 33, 34, 35)
CONTROLS_SHOWN = ("random_same_total", "imp_single_union")
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
    "merged": Recipe("joint training starts from what the extractions have learned", {}),
    "own norms": Recipe("and every ticket scales and shifts its norms itself", {"sharing": {"norm_affine": "ticket"}}),
    "cosine": Recipe("merged, and the learning rate of joint training falls to 0", COSINE),
    "cosine, more joint": Recipe(
        "the same with 200 steps to extract, 200 joint",
        {"joint": {"decay": "cosine", "steps": 200}, "extract": {"steps": 200}},
    ),
    "cosine, taught": Recipe("and taught by the dense networks that the tickets were cut from", COSINE, True),
    "cosine, taught, own norms": Recipe("all three", {**COSINE, "sharing": {"norm_affine": "ticket"}}, True),
    "while training": Recipe("masks found while the shared weights train, nothing extracted", COSINE, plan=Plan()),
    "while training, regrown": Recipe(
        "the same, 5 % of a ticket exchanged at each cut by the mean gradient", COSINE, plan=Plan(exchanged=0.05)
    ),
}
Job = tuple[str, int, str]  # recipe, seed, split


def config_of(recipe: str, seed: int) -> Config:
    return parse({**merged(BASE, RECIPES[recipe].settings), "seed": seed})


def run(job: Job) -> dict[str, Any]:
    """Accuracy and stored weights of the tickets, of random masks, and of one mask of the tickets' storage, all with
    the same total of steps."""
    recipe, seed, split = job
    config, about = config_of(recipe, seed), RECIPES[recipe]
    setting = prepare(config, silent, MemoryJournal())
    plain = experiment(setting, silent, MemoryJournal())
    start = warm_start(plain)
    extractions = [extract_ticket(plain, start, k, None) for k in range(len(plain.subsets))]
    trained = [each.trained for each in extractions]
    joint = replace(plain, subsets=taught_subsets(plain, trained)) if about.taught else plain
    steps = extractions[0].steps
    if about.plan is None:
        tickets = ticket_set(plain, extractions)
        begin = merged_start(start, trained, tickets.masks(), setting.layout)
        rtl = learn_tickets(joint, begin, "rtl", tickets.masks(), steps, config.joint.steps)
    else:
        rtl = cut_while_training(plain, start, about.plan, steps + config.joint.steps)
        tickets = _as_tickets(plain, rtl)
    random = CONTROLS["random_same_total"].learn(plain, start, tickets, steps)
    return figures(setting, split, rtl, random, one_mask(plain, joint, start, tickets))


def one_mask(plain: Experiment, joint: Experiment, start: RewindPoint, tickets: TicketSet) -> TrainedMethod:
    """`imp_single_union`, whose joint training is that of the tickets."""
    extracted = extract_single(plain, start, float(tickets.masks().any(axis=0).mean()))
    masks, config = np.stack([extracted.mask] * tickets.k), plain.config
    return learn_tickets(joint, extracted.begin, "imp_single_union", masks, config.extract.steps, config.joint.steps)


def _as_tickets(experiment: Experiment, rtl: TrainedMethod) -> TicketSet:
    masks = np.stack([subnetwork.mask for subnetwork in rtl.subnetworks])
    levels = numbered([(experiment.config.density, "target")])
    pruned_at = nested(levels, masks.shape, lambda level: masks)
    return TicketSet(experiment.names, experiment.names, experiment.layout, pruned_at, levels)


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


def taught_subsets(plain: Experiment, teachers: Sequence[Subnetwork]) -> tuple[Subset, ...]:
    """The same subsets with a loss that is in part the distance from what the ticket's own dense network answers."""
    return tuple(_taught(plain, subset, teacher) for subset, teacher in zip(plain.subsets, teachers, strict=True))


def _taught(plain: Experiment, subset: Subset, teacher: Subnetwork) -> Subset:
    rows = np.concatenate(subset.pools)
    module = as_module(plain.network, recalibrate(plain, replace(teacher, mask=None), subset), plain.layout)
    with torch.no_grad():
        answers = torch.cat([module(plain.inputs(some)) for some in np.array_split(rows, len(rows) // 500 + 1)])
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


def leads(runs: dict[str, dict], recipe: str, seeds: Sequence[int], control: str) -> list[float]:
    own = [runs[f"{recipe} / seed {seed}"] for seed in seeds]
    return [each["rtl"]["accuracy"] - each[control]["accuracy"] for each in own]


def promising(runs: dict[str, dict], count: int = 2) -> list[str]:
    """The recipes with the largest mean lead over random masks on tuning seeds."""
    return sorted(RECIPES, key=lambda recipe: -float(np.mean(leads(runs, recipe, TUNING_SEEDS, CONTROLS_SHOWN[0]))))[
        :count
    ]


def table(runs: dict[str, dict], recipes: Sequence[str], seeds: Sequence[int]) -> str:
    """A row per recipe: the accuracy of each method, the tickets' two leads, what is stored."""
    head = "| recipe | what it is | RTL | random masks | one mask | RTL - random | RTL - one mask | stored |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for recipe in recipes:
        own = [runs[f"{recipe} / seed {seed}"] for seed in seeds]
        means = [f"{np.mean([each[name]['accuracy'] for each in own]):.3f}" for name in ("rtl", *CONTROLS_SHOWN)]
        gaps = []
        for control in CONTROLS_SHOWN:
            gap, low, high, *_ = paired_t(leads(runs, recipe, seeds, control))
            gaps.append(f"{gap:+.3f} [{low:+.3f}, {high:+.3f}]")
        stored = [f"{np.mean([each[name]['stored'] for each in own]):,.0f}" for name in ("rtl", CONTROLS_SHOWN[0])]
        cells = [recipe, RECIPES[recipe].words, *means, *gaps, " and ".join(stored)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def page(tried: dict[str, dict], confirmed: dict[str, dict]) -> str:
    """The result as Markdown."""
    lines = [
        "# Recipes of joint training",
        "",
        "`python -m benchmarks.recipes --confirm`. Five domains, density 10 %, accuracy when told the domain, all with",
        "the same total of steps. *Random masks*: each ticket's own layer counts anywhere (`random_same_total`); they",
        "store more weights, the second number of the last column. *One mask*: of the size of the tickets' union",
        "(`imp_single_union`), so that it stores as much as the tickets and uses all of it for every input. A recipe",
        "holds for all three, but that random masks are not taught. Differences are paired by seed, with the 95 %",
        "interval of a paired t, not adjusted for the number of recipes.",
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
            "The two that led random masks most above, with seeds that nothing was chosen with.",
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
