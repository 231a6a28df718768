"""Which signal without labels warns before tickets collapse: `python -m benchmarks.collapse`.

Collapse is defined beforehand, by accuracy (audit/collapse.py `fall`). Runs go down to a density where some collapse
and some do not; the alarm's threshold is chosen on the tuning runs alone and then meets the held-out ones, whose
seeds, and some of whose settings, no tuning has seen. The page is docs/results/collapse.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from statistics import median

import numpy as np

from benchmarks.collapse_runs import CASES, HELD_OUT_SEEDS, RESULTS, TUNING_SEEDS, study
from rtl_core.audit import collapse
from rtl_core.audit.evaluate import LEVEL_ROWS
from rtl_core.statistics.intervals import wilson
from rtl_core.tasks.classification import ACCURACY

Runs = dict[str, dict]
Signal = Callable[[dict], list[float]]

SIGNAL_NAME, OVERLAP = "confidence", "IoU, as a rise"  # what the alarm hears, and the method's sources

# What an alarm could listen to: each falls where tickets lose what they can.
SIGNALS: dict[str, Signal] = {
    SIGNAL_NAME: lambda rounds: rounds["confidence"],
    "log odds of confidence": lambda rounds: [float(np.log(c / (1 - c))) for c in rounds["confidence"]],
    "margin of the two likeliest": lambda rounds: rounds["margin"],
    "entropy, as a rise": lambda rounds: [-e for e in rounds["entropy"]],
    "agreement with the round before": lambda rounds: rounds["agreement"],
    "agreement with the dense round": lambda rounds: rounds["agreement_with_dense"],
    OVERLAP: lambda rounds: [-i for i in rounds["iou"]],
    "IoU, as a drop": lambda rounds: rounds["iou"],
    "excess IoU, as a rise": lambda rounds: [-(e or 0.0) for e in rounds["excess"]],
}


def judged(runs: Runs, signal: str, threshold: float) -> dict[str, collapse.Judged]:
    return {
        name: collapse.judge(collapse.drops(SIGNALS[signal](run["rounds"])), run["rounds"][run["metric"]], threshold)
        for name, run in runs.items()
    }


def right(verdicts: dict[str, collapse.Judged]) -> int:
    return sum(one.verdict in (collapse.IN_TIME, collapse.SILENT) for one in verdicts.values())


def calibrate(runs: Runs, signal: str) -> float:
    """The middle of the longest stretch of thresholds at which most runs are judged rightly."""
    reach = max(float(collapse.drops(SIGNALS[signal](run["rounds"])).max()) for run in runs.values())
    thresholds = np.linspace(0, reach, 401)[1:]
    score = np.array([right(judged(runs, signal, t)) for t in thresholds])
    best = np.flatnonzero(score == score.max())
    stretches = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    longest = max(stretches, key=len)
    return float((thresholds[longest[0]] + thresholds[longest[-1]]) / 2)


def counts(result: dict[str, collapse.Judged]) -> str:
    """In time / too late / too early / missed of the collapsed runs; false alarms of the safe ones; median lead."""
    verdicts = [one.verdict for one in result.values()]
    order = (collapse.IN_TIME, collapse.TOO_LATE, collapse.TOO_EARLY, collapse.MISSED)
    leads = [one.lead for one in result.values() if one.lead is not None]
    collapsed = sum(one.fall is not None for one in result.values())
    return (
        f"{' / '.join(str(verdicts.count(v)) for v in order)} of {collapsed} "
        f"| {verdicts.count(collapse.FALSE_ALARM)} of {len(result) - collapsed} | {median(leads) if leads else '-'}"
    )


def count(verdicts: list[collapse.Judged], verdict: str) -> int:
    return sum(one.verdict == verdict for one in verdicts)


def share(count: int, n: int) -> str:
    """30 of 31 (97 % [84, 99]), by Wilson."""
    if n == 0:
        return "none to judge"
    low, high = (float(end) for end in wilson(count, n))
    return f"{count} of {n} ({100 * count / n:.0f} % [{100 * low:.0f}, {100 * high:.0f}])"


def page(tuning: Runs, held_out: Runs) -> str:
    """The result as Markdown."""
    threshold = calibrate(tuning, SIGNAL_NAME)
    each = judged(held_out, SIGNAL_NAME, threshold)
    fell = [one for one in each.values() if one.fall is not None]
    safe = [one for one in each.values() if one.fall is None]
    at_the_fall = sum(one.lead is not None and 0 <= one.lead <= collapse.EARLY_ROUNDS for one in fell)
    leads = [one.lead for one in fell if one.lead is not None]
    signals = []
    for name in SIGNALS:
        t = calibrate(tuning, name)
        signals.append(
            f"| {name} | {t:.3g} | {counts(judged(tuning, name, t))} | {counts(judged(held_out, name, t))} |"
        )
    cases = []
    for case in CASES:
        own = {name: one for name, one in each.items() if name.startswith(f"{case} /")}
        seen = "yes" if CASES[case].tuned else "no"
        cases.append(f"| {case} | {seen} | {counts(own)} |")
    return f"""# Which signal warns before tickets collapse

`python -m benchmarks.collapse`. All tickets train a round, lose 30 % of their weights, rewind, train again; after every
round they are asked {LEVEL_ROWS:,} validation inputs each (fewer where a subset has fewer), without labels.

Said before the runs were made: a run has *collapsed* in the first round whose mean accuracy (balanced, for one-vs-rest
tickets) lies {ACCURACY.fall:.2f} or more below its best so far and whose next round does too. An alarm 1 to
{collapse.EARLY_ROUNDS} rounds before is *in time*, at the fall or after it *too late*, sooner *too early*; in a run
that did not collapse any alarm is *false*. Thresholds are the middle of the best stretch on the tuning runs (seeds
{", ".join(map(str, TUNING_SEEDS))}); the held-out runs have seeds {", ".join(map(str, HELD_OUT_SEEDS))} and settings
that tuning never saw.

## The alarm: mean confidence, {threshold:.3f} below its best

On {len(each)} held-out runs, {len(fell)} collapsed and {len(safe)} not (95 % intervals by Wilson, runs independent):

- recall, alarm no later than the fall: {share(at_the_fall, len(fell))};
- alarm a round before it at least, and not too early: {share(count(fell, collapse.IN_TIME), len(fell))};
- false alarms, of the runs that did not collapse: {share(count(safe, collapse.FALSE_ALARM), len(safe))};
- precision, alarms in runs that collapsed: {share(len(leads), len(leads) + count(safe, collapse.FALSE_ALARM))};
- lead: median {median(leads) if leads else "-"} rounds, from {min(leads, default="-")} to {max(leads, default="-")}.

The runs that do not collapse mostly stop well above the density where others do, so their silence is easily had. The
hard ones are over-confident networks: their confidence comes down to what they are worth while accuracy stays.

| setting | in tuning | in time / too late / too early / missed | false alarms | median lead |
|---|---|---|---|---|
{chr(10).join(cases)}

## All signals, each with its own threshold

| signal | threshold | tuning: in time / too late / too early / missed | false | lead | held out: same | false | lead |
|---|---|---|---|---|---|---|---|
{chr(10).join(signals)}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", dest="runs", choices=("tuning", "held_out", "page"), help="all three unless given")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    by_group = {
        runs: study(runs, options.workers) for runs in ("tuning", "held_out") if options.runs in (None, runs, "page")
    }
    if len(by_group) == 2:
        text = page(**by_group)
        (RESULTS / "collapse.md").write_text(text)
        print(text)


if __name__ == "__main__":
    main()
