"""A run trained again from theta_0: its levels one by one, or the masks of a safe density together.

`probe` is for runs that were cut in one go and so have no rounds that an alarm could hear; `relax` measures what going
back gives. Both are kept in the run's audits, and `diagnose` finds them there.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple

from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.events import Event, MemoryJournal, Report, silent
from rtl_core.read_only import refused_in_public
from rtl_core.runs import retraining_file
from rtl_core.runs.checkpoint import Run, load_learned
from rtl_core.runs.diagnose import diagnose
from rtl_core.runs.diagnosis import Diagnosis
from rtl_core.runs.retraining_file import PROBE, RELAX, BeforeAndAfter, Probed, Relaxed, masks_digest
from rtl_core.tasks.task import figure_value

PROBE_STEPS = 100  # per level and ticket, at most: what a probe trains


class Cost(NamedTuple):
    """Gradient steps, and about how many seconds they take at the pace at which the run itself was trained."""

    steps: int
    seconds: float


def cost(run: Run) -> Cost:
    """What a probe takes."""
    check_trainable(run)
    steps = _probe_steps(run.config) * run.tickets.k * len(run.tickets.levels)
    return Cost(steps, steps * pace(run))


def relax_cost(run: Run) -> Cost:
    """The same of `relax`."""
    check_trainable(run)
    steps = run.config.joint.steps * run.tickets.k
    return Cost(steps, steps * pace(run))


@refused_in_public("retraining levels")
def probe(run: Run, root: Path | None = None, report: Report = silent) -> Diagnosis:
    """Trains every level's masks from theta_0, each ticket alone, and measures it on validation rows;
    the diagnosis with what was heard. `report` may raise `Stopped`. BadInput where the run cannot be trained again."""
    from rtl_core.learning.method_steps import ticket_rounds
    from rtl_core.runs import train_methods
    from rtl_core.runs.prepare import refusing_divergence

    check_trainable(run)
    retraining_file.place(run, root)  # before any work
    began, steps, tickets = time.monotonic(), _probe_steps(run.config), run.tickets
    config = run.config.model_copy(
        update={"extract": run.config.extract.model_copy(update={"steps": steps}), "controls": ()}
    )
    new_experiment, start, eval_set = before_extraction(run, config, report)
    records, done, total = [], 0, tickets.k * len(tickets.levels)
    rounds = [ticket_rounds(new_experiment, start, k) for k in range(tickets.k)]
    measures = [train_methods.measure(new_experiment, eval_set, k) for k in range(tickets.k)]
    report(Event("start", "rtl", steps=total))
    for level in tickets.levels:
        masks = tickets.masks(level)
        for k in range(tickets.k):
            with refusing_divergence(config):
                (trained,) = rounds[k].train(masks[k], level.index)
            figures = measures[k](trained)
            place = {"ticket": k, "rung": level.index, "density": level.density, "kind": level.kind}
            records.append({**place, "measure": "retrained", **figures})
            done += 1
            report(Event("probe", "rtl", done, total))
    kept = Probed(masks_digest(run), records, steps, time.monotonic() - began)
    retraining_file.write(run, root, PROBE, kept)
    return diagnose(run, root)


@refused_in_public("training masks together")
def relax(run: Run, density: float, root: Path | None = None, report: Report = silent) -> Diagnosis:
    """Trains the masks of the level at `density` together from theta_0, as the run's own were; the
    diagnosis with both beside each other, on validation rows. BadInput where the run cannot be trained again."""
    from rtl_core.audit import evaluate as audit
    from rtl_core.learning.method_steps import learn_tickets
    from rtl_core.runs.prepare import refusing_divergence

    check_trainable(run)
    if not 0 < density <= 1:
        raise BadInput(f"a density to go back to is a share of the weights, above 0 and at most 1 (got {density:g})")
    level = run.tickets.level_at(density)
    if level.density <= run.tickets.target.density:
        own = run.tickets.target.density
        denser = [f"{level.density:g}" for level in run.tickets.levels if level.density > own]
        raise BadInput(
            f"going back means denser masks than the run's own {own:g}, and the level nearest to {density:g} is "
            f"{level.density:g}; denser ones of this run: {', '.join(denser) or 'none'}"
        )
    retraining_file.place(run, root)  # before any work
    began = time.monotonic()
    new_experiment, start, eval_set = before_extraction(run, run.config.model_copy(update={"controls": ()}), report)
    total = run.config.joint.steps * run.tickets.k
    report(Event("start", "rtl", steps=total))
    with refusing_divergence(run.config):
        after = learn_tickets(new_experiment, start, "rtl", run.tickets.masks(level), 0, run.config.joint.steps)
    figures = []
    for learned in (load_learned(run)["rtl"], after):
        answers = audit.method_answers(new_experiment.network, learned, new_experiment.layout, eval_set)
        figures.append(audit.method_figures(eval_set, answers, run.config.seed))
    before, now = figures
    metric = eval_set.task.headline.name
    kept = Relaxed(
        masks_digest(run),
        density=level.density,
        metric=metric,
        before=figure_value(before, metric),
        after=figure_value(now, metric),
        ci=BeforeAndAfter(before["ci"][metric], now["ci"][metric]),
        n=now["n"],
        steps=total,
        seconds=time.monotonic() - began,
    )
    retraining_file.write(run, root, RELAX, kept)
    return diagnose(run, root)


def before_extraction(run: Run, config: Config, report: Report) -> tuple[Any, Any, Any]:
    """(the experiment, theta_0 with what tickets have of their own there, questions on validation rows):
    the run as it was before its extraction. The warm start is trained again, to the same bits on the same machine."""
    from rtl_core.audit import evaluate as audit
    from rtl_core.learning.method_steps import warm_start
    from rtl_core.runs import pipeline
    from rtl_core.runs.prepare import experiment, refusing_divergence
    from rtl_core.runs.run_data import own_dataset

    journal = MemoryJournal()
    setting = pipeline.prepare(config, silent, journal, own_dataset(run))
    if setting.partition.names != run.tickets.names:
        raise BadInput(
            f"tickets were added to '{run.name}' or taken away: it cannot be trained again from its settings"
        )

    def on_event(event: Event) -> None:
        if event.phase in ("warm_start", "joint", "extract"):  # for the caller's bar, and its word to stop
            report(event)

    new_experiment = experiment(setting, on_event, journal)
    eval_set = audit.evaluation_set(setting.dataset, setting.partition, setting.task, "val", audit.LEVEL_ROWS)
    with refusing_divergence(config):
        return new_experiment, warm_start(new_experiment), eval_set


def check_trainable(run: Run) -> None:
    """BadInput where a run cannot be trained again."""
    if run.masks_only:
        raise BadInput(f"run '{run.name}' has masks only: there is nothing to train again")
    if run.config.mode == "gated":
        raise BadInput(f"run '{run.name}' learned its masks by scores over frozen weights: they passed no levels")


def _probe_steps(config: Config) -> int:
    return min(config.extract.steps, PROBE_STEPS)


def pace(run: Run) -> float:
    """Seconds a gradient step, from the run's own training."""
    from rtl_core.learning.baselines import gradient_steps

    steps = gradient_steps(run.config, run.tickets.k, run.tickets.n)
    return run.info["environment"].get("seconds", 0.0) * run.config.workers / max(1, steps)
