"""What going back gives: `python -m benchmarks.after_relaxing`, on the runs of the collapse study that go too far.

A run goes down past its collapse. Its masks at the end, and those of the round before the alarm, are then trained
together from theta_0 with the same steps. *Given back* is (after - before) / (alone - before): 100 % where joint
training on the safe masks reaches what the tickets had there, each trained on its own. Figures are kept in
docs/results/relax.json, so the command goes on where it was interrupted; the page is docs/results/relax.md.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.collapse_runs import CASES, HELD_OUT_SEEDS, RESULTS, Descent, config_of, descend, metric_of
from benchmarks.resumable import hashed, kept
from rtl_core.audit import collapse
from rtl_core.audit import evaluate as audit
from rtl_core.config import Config
from rtl_core.learning.method_steps import learn_tickets
from rtl_core.statistics.intervals import paired_t
from rtl_core.tickets.ticket_set import Level

SEEDS = HELD_OUT_SEEDS


def run(config: Config) -> dict[str, Any]:
    """Accuracy `before`, `after` and `alone` of one run, on validation rows; nothing but the rows without an alarm."""
    descent, metric = descend(config), metric_of(config)
    alarm = collapse.first_alarm(collapse.drops(descent.signal("confidence")), config.collapse.threshold)
    if not alarm:
        return {"rows": len(descent.eval_set.rows)}
    end, safe = descent.tickets.levels[-1], descent.tickets.levels[alarm - 1]
    return {
        "rows": len(descent.eval_set.rows),
        "end": end.density,
        "safe": safe.density,
        "before": _together(descent, end),
        "after": _together(descent, safe),
        "alone": descent.signal(metric)[alarm - 1],
    }


def _together(descent: Descent, level: Level) -> float:
    """Accuracy of the rung's masks, trained jointly."""
    experiment = descent.new_experiment()
    masks, steps = descent.tickets.masks(level), experiment.config.joint.steps
    answers = audit.method_answers(
        experiment.network,
        learn_tickets(experiment, descent.start, "rtl", masks, 0, steps),
        experiment.layout,
        descent.eval_set,
    )
    return float(audit.method_figures(descent.eval_set, answers, experiment.config.seed)[metric_of(experiment.config)])


def study(workers: int) -> dict[str, dict]:
    jobs = {f"{name} / seed {seed}": config_of(case, case.deep, seed) for seed in SEEDS for name, case in CASES.items()}
    return kept(RESULTS / "relax.json", jobs, lambda config: hashed(config.model_dump_json()), run, workers)


def given_back(run_: dict[str, Any]) -> float:
    return (run_["after"] - run_["before"]) / (run_["alone"] - run_["before"])


def row(case: str, own: list[dict]) -> str:
    """A line of the table."""
    alarmed = [run_ for run_ in own if "safe" in run_]
    if not alarmed:
        return f"| {case} | 0 of {len(own)} | | | | | | | |"
    end, safe, before, after, alone = (
        np.mean([run_[key] for run_ in alarmed]) for key in ("end", "safe", "before", "after", "alone")
    )
    gain, low, high, *_ = paired_t([run_["after"] - run_["before"] for run_ in alarmed])
    shares = ", ".join(f"{100 * given_back(run_):.0f} %" for run_ in alarmed)
    return (
        f"| {case} | {len(alarmed)} of {len(own)} | {end:.3g} | {safe:.3g} | {before:.3f} | {after:.3f} "
        f"| {gain:+.3f} [{low:+.3f}, {high:+.3f}] | {alone:.3f} | {shares} |"
    )


def page(runs: dict[str, dict]) -> str:
    """The result as Markdown."""
    rows = [row(case, [runs[f"{case} / seed {seed}"] for seed in SEEDS]) for case in CASES]
    return f"""# What going back to the last safe density gives

`python -m benchmarks.after_relaxing`. The runs of the collapse study that go too far ([collapse](collapse.md)), seeds
{", ".join(map(str, SEEDS))}. The masks of the last density, and those of the round before the alarm, each trained
together from theta_0 with the same steps; accuracy (balanced, for one-vs-rest tickets) on validation rows. *Alone* is
what the tickets reached at the safe density during extraction, each with weights of its own. *Given back* is
(after - before) / (alone - before), run by run; beyond 100 % where training together reaches more. A run that had
stopped at the safe density would hold the weights of *after*, bit for bit: a test holds that, so nothing is lost for
having gone too far.

| setting | alarm rang | end, density | safe, density | before | after | gain [95 % interval] | alone | given back |
|---|---|---|---|---|---|---|---|---|
{chr(10).join(rows)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    text = page(study(parser.parse_args().workers))
    (RESULTS / "relax.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
