"""Which alarm rings before tickets collapse and is silent just above: `python -m benchmarks.alarm`.

Thresholds are chosen on the tuning runs and meet the held-out ones, which have other seeds and other data or partitions
(alarm_runs.py). Every descent is judged twice: to its end, and as the run that stopped shortly before its accuracy
fell, whose rounds would have been the same, bit for bit. The page is docs/results/alarm.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from benchmarks.alarm_runs import HELD_OUT, HELD_OUT_SEEDS, RESULTS, TUNING, TUNING_SEEDS, study
from rtl_core.audit import collapse
from rtl_core.config import CollapseSettings
from rtl_core.statistics.intervals import wilson

Rounds = dict[str, list[float]]
Runs = dict[str, dict]
Rise = Callable[[Rounds], np.ndarray]  # per round, densest first: more is nearer to collapse

STOPS_BEFORE = 3  # rounds above its fall at which a run must still be silent; said before the held-out runs were made
OTHER_STOPS = (2, 4, 5)


def falls(name: str) -> Rise:
    return lambda rounds: collapse.drops(rounds[name])


def rises(name: str) -> Rise:
    return lambda rounds: collapse.drops(-np.array(rounds[name]))


def relative(name: str) -> Rise:
    """A loss over its least so far, as a ratio."""
    return lambda rounds: collapse.drops(-np.log(np.maximum(rounds[name], 1e-3)))


def after_the_cut(name: str, cut: str = "next") -> Rise:
    """How far a figure lies below its best so far once the next cut is made, or the one after it too ("after_next"),
    and nothing is trained after it."""
    return lambda rounds: np.maximum.accumulate(rounds[name]) - np.array(rounds[f"{cut}_{name}"])


def both(*rules: Rise) -> Rise:
    return lambda rounds: np.min([rule(rounds) for rule in rules], axis=0)


def together(*rules: Rise) -> Rise:
    return lambda rounds: np.sum([rule(rounds) for rule in rules], axis=0)


def one_round_ahead(rule: Rise) -> Rise:
    """Where it will be in the next round if it goes on as it did in this one."""

    def ahead(rounds: Rounds) -> np.ndarray:
        now = rule(rounds)
        return now + np.maximum(np.diff(now, prepend=0), 0)

    return ahead


def in_spreads(rounds: Rounds) -> np.ndarray:
    sure = zip(rounds["doubt"], rounds["doubt_spread"], strict=True)
    return collapse.DOUBT.off_best([{"confidence": -doubt, "doubt_spread": spread} for doubt, spread in sure])


def less_the_gap(rounds: Rounds) -> np.ndarray:
    """The fall of confidence, less what it has come nearer to that on training rows."""
    over = np.array(rounds["train_confidence"]) - np.array(rounds["confidence"])
    best = [int(np.argmax(rounds["confidence"][: i + 1])) for i in range(len(over))]
    return collapse.drops(rounds["confidence"]) - np.maximum(over[best] - over, 0)


CONFIDENCE, BRIER, DOUBT = "confidence", "Brier score", "doubt, in spreads"
NOTHING, SEEN, ALL = "none", "of training rows", "of validation rows"  # labels

# name -> labels that the alarm is given, and what it goes by
RULES: dict[str, tuple[str, Rise]] = {
    CONFIDENCE: (NOTHING, falls("confidence")),
    "confidence on training rows": (NOTHING, falls("train_confidence")),
    "confidence, on both kinds of rows": (NOTHING, both(falls("confidence"), falls("train_confidence"))),
    "confidence, less the gap to training rows": (NOTHING, less_the_gap),
    "confidence, one round ahead": (NOTHING, one_round_ahead(falls("confidence"))),
    "confidence after the next cut": (NOTHING, after_the_cut("confidence")),
    "confidence after two more cuts": (NOTHING, after_the_cut("confidence", "after_next")),
    "entropy": (NOTHING, rises("entropy")),
    "rows more in doubt than a round before": (NOTHING, lambda rounds: np.array(rounds["doubt_rose"])),
    "answers that the next cut changes": (NOTHING, lambda rounds: 1 - np.array(rounds["next_agreement"])),
    DOUBT: (NOTHING, in_spreads),
    "accuracy on training rows": (SEEN, falls("train_accuracy")),
    "loss on training rows": (SEEN, rises("train_loss")),
    "confidence + accuracy on training rows": (SEEN, together(falls("confidence"), falls("train_accuracy"))),
    "accuracy": (ALL, falls("accuracy")),
    "accuracy after the next cut": (ALL, after_the_cut("accuracy")),
    "loss": (ALL, rises("loss")),
    "loss at the best temperature": (ALL, rises("calibrated_loss")),
    "loss at the best temperature, relative": (ALL, relative("calibrated_loss")),
    BRIER: (ALL, rises("brier")),
    "Brier score, one round ahead": (ALL, one_round_ahead(rises("brier"))),
    "confidence + Brier score": (ALL, together(falls("confidence"), rises("brier"))),
    "confidence and Brier score, both": (ALL, both(falls("confidence"), rises("brier"))),
}


@dataclass(frozen=True)
class Count:
    """How an alarm did.

    fell, by_then, warned  runs that fell; alarms no later than that and not too early; those a round before at least
    safe, false            runs that did not fall, or stopped before; alarms in them
    never, never_false     the same of those that never fell at all
    leads                  rounds, of the runs that fell
    """

    fell: int
    by_then: int
    warned: int
    safe: int
    false: int
    never: int
    never_false: int
    leads: tuple[int, ...]

    @property
    def median_lead(self) -> float:
        return median(self.leads) if self.leads else float("nan")


def count(runs: Runs, rise: Rise, threshold: float, stops_before: int = STOPS_BEFORE) -> Count:
    fell, safe, never = [], [], []
    for run in runs.values():
        values, off = run["rounds"][run["metric"]], rise(run["rounds"])
        whole, stop = collapse.judge(off, values, threshold), collapse.stopping_before(values, stops_before)
        if whole.fall is None:
            never.append(whole.alarm is not None)
        else:
            fell.append(whole)
        if stop is not None:
            safe.append(collapse.first_alarm(off[:stop], threshold) is not None)
    leads = tuple(one.lead for one in fell if one.lead is not None)
    early = collapse.EARLY_ROUNDS
    by_then, warned = (sum(least <= lead <= early for lead in leads) for least in (0, 1))
    return Count(len(fell), by_then, warned, len(safe), sum(safe), len(never), sum(never), leads)


def calibrate(runs: Runs, rise: Rise) -> float:
    """The threshold that judges most runs rightly, an alarm no later than the fall or silence where none should come,
    and of these warns of most falls a round before; the middle of the longest stretch of those that do."""
    reach = max(float(rise(run["rounds"]).max()) for run in runs.values())
    thresholds = np.linspace(0, reach, 1001)[1:]
    counts = [count(runs, rise, threshold) for threshold in thresholds]
    worth = [(one.by_then - one.false, one.warned) for one in counts]
    best = np.flatnonzero([each == max(worth) for each in worth])
    longest = max(np.split(best, np.flatnonzero(np.diff(best) > 1) + 1), key=len)
    return float((thresholds[longest[0]] + thresholds[longest[-1]]) / 2)


def share(hits: int, n: int) -> str:
    """30 of 31 (97 % [84, 99]), by Wilson."""
    if n == 0:
        return "none to judge"
    low, high = (float(end) for end in wilson(hits, n))
    return f"{hits} of {n} ({100 * hits / n:.0f} % [{100 * low:.0f}, {100 * high:.0f}])"


def line(one: Count) -> str:
    leads = f"{one.median_lead:g}, {min(one.leads)} to {max(one.leads)}" if one.leads else "-"
    return (
        f"{share(one.by_then, one.fell)} | {share(one.warned, one.fell)} | {share(one.false, one.safe)} "
        f"| {one.never_false} of {one.never} | {leads}"
    )


def short(one: Count) -> str:
    return f"{one.by_then} / {one.warned} of {one.fell} | {one.false} of {one.safe} | {one.median_lead:g}"


COLUMNS = ("no later than the fall", "a round before at least", "false alarms", "of them, never fell", "lead")


def table(first: Sequence[str], rows: Sequence[str], rest: Sequence[str] = COLUMNS) -> str:
    """Markdown with the columns of `line`, or others, after some."""
    names = (*first, *rest)
    return "\n".join((f"| {' | '.join(names)} |", "|" + "---|" * len(names), *rows))


def page(tuning: Runs, held_out: Runs) -> str:
    """The result as Markdown."""
    defaults = CollapseSettings()
    judged = {  # the rule that is used, and the one before
        f"Brier score, {defaults.brier_threshold:g} above its least": (RULES[BRIER][1], defaults.brier_threshold),
        f"confidence, {defaults.threshold:g} below its best (the rule before)": (
            RULES[CONFIDENCE][1],
            defaults.threshold,
        ),
    }
    classifying = {name: run for name, run in held_out.items() if run["metric"] == "accuracy"}
    doubt = count(classifying, RULES[DOUBT][1], defaults.doubt_threshold)
    main = [f"| {name} | {line(count(held_out, *rule))} |" for name, rule in judged.items()]
    stops = [
        f"| {name} | {stop} | {share(one.false, one.safe)} |"
        for name, rule in judged.items()
        for stop in sorted((STOPS_BEFORE, *OTHER_STOPS))
        for one in (count(held_out, *rule, stop),)
    ]
    settings = [
        f"| {case} | {' | '.join(short(count(own, *rule)) for rule in judged.values())} |"
        for case in HELD_OUT
        for own in ({name: run for name, run in held_out.items() if name.startswith(f"{case} / ")},)
    ]
    tries, tried = [], {}
    for name, (labels, rise) in RULES.items():
        threshold = calibrate(tuning, rise)
        tried[name] = count(tuning, rise, threshold), count(held_out, rise, threshold)
        tries.append(f"| {name} | {labels} | {threshold:.3g} | {short(tried[name][0])} | {line(tried[name][1])} |")
    seconds = sum(run["seconds"] for run in (*tuning.values(), *held_out.values()))
    return f"""# Which alarm rings before tickets collapse, and is silent just above

`python -m benchmarks.alarm`. All tickets train a round, lose 30 % of their weights, rewind, train again, until two
rounds into their fall. After every round each is asked at most 1,000 validation rows and as many training rows, and
once more with the next cuts made. All of it is in alarm.json, so a rule is tried without training.

A run has *fallen* in the first round whose mean accuracy (balanced, for one-vs-rest tickets) on validation rows lies
0.02 or more below its best so far and whose next round does too. Every descent is judged twice: to its end, where an
alarm should come, and as the run that stopped {STOPS_BEFORE} rounds before its fall, at 2.9 times the density, where
none should: its rounds would have been the same, bit for bit. A descent that never falls is a run in which none should
come. An alarm that warns {STOPS_BEFORE} rounds ahead is a false one by that: it has a window of two rounds, and when a
fall comes is itself uncertain by a round.

Thresholds are chosen on {len(tuning)} tuning runs, so that most are judged rightly: an alarm no later than the fall,
silence where none should come; of these the one that warns of most falls a round before. They meet {len(held_out)}
held-out runs; no seed, and no pair of data and partition, is in both. The rule that is used was settled on the tuning
runs: of those with at most 5 % false alarms and at least 95 % of the falls caught there, the one that warned of most a
round before. 95 % intervals by Wilson take runs as independent. Lead: median, least and most, in rounds. All runs
together took {seconds / 60:.0f} minutes, two at a time on a busy machine.

- Tuning, seeds {", ".join(map(str, TUNING_SEEDS))}: {"; ".join(TUNING)}.
- Held out, seeds {", ".join(map(str, HELD_OUT_SEEDS))}: {"; ".join(HELD_OUT)}.

## The rule, and the one before, on the same held-out runs

{table(["rule"], main)}

{verdict(count(held_out, *next(iter(judged.values()))))}

{of_all(tried)}

How near the fall a run may stop:

{table(["rule"], stops, ["stops so many rounds before its fall", "false alarms"])}

By setting, no later than the fall / a round before at least, false alarms, median lead:

{table(["setting"], settings, ["now", "false", "lead", "before", "false", "lead"])}

## Tasks whose answers are not one of a few

They have no probabilities to score. Their alarm goes by doubt, {defaults.doubt_threshold:g} standard deviations of the
rows' doubt above its least. No such task is in the study; on the {len(classifying)} held-out runs of tickets that tell
all classes, whose doubt is the entropy of the answer, it does this:

{table([], [f"| {line(doubt)} |"])}

## Every rule that was tried

Each with the threshold that the tuning runs give it. In tuning: no later than the fall / a round before at least,
false alarms, median lead.

{table(["goes by", "labels", "threshold", "tuning", "false", "lead"], tries)}

*Less the gap*: the fall of confidence, less what confidence on validation rows has come nearer to that on training
rows. *One round ahead*: as far off its best as it will be in the next round if it goes on like this. *After the next
cut*, or two: nothing is trained after it. *At the best temperature*: the one that fits the labels of the validation
rows best. *Rows more in doubt*: their share.
"""


def verdict(one: Count) -> str:
    """Whether the targets are met: recall of 95 % at least, 5 % false alarms at most, a lead of a round."""
    targets = {
        "recall no later than the fall (95 % wanted)": one.by_then >= 0.95 * one.fell,
        "recall a round before at least (95 % wanted)": one.warned >= 0.95 * one.fell,
        "false alarms (5 % at most wanted)": one.false <= 0.05 * one.safe,
        "median lead (a round wanted)": one.median_lead >= 1,
    }
    each = "; ".join(f"{name}: {'met' if met else '**missed**'}" for name, met in targets.items())
    return f"Of the targets set beforehand: {each}."


def of_all(tried: dict[str, tuple[Count, Count]]) -> str:
    """Which rules meet recall and false alarms in tuning and held out, and which of those that warn is nearest."""

    def meets(one: Count) -> bool:
        return one.by_then >= 0.95 * one.fell and one.false <= 0.05 * one.safe

    def listed(names: list[str]) -> str:
        return ", ".join(names) or "none"

    first, second = ([name for name, pair in tried.items() if meets(pair[i])] for i in (0, 1))
    ahead = [name for name in second if tried[name][1].median_lead >= 1]
    warning = [name for name, (_, held_out) in tried.items() if held_out.median_lead >= 1]
    most = max(warning, key=lambda name: tried[name][1].by_then - tried[name][1].false, default=None)
    judged = "none"
    if most:
        nearest = tried[most][1]
        judged = f"{most} ({share(nearest.by_then, nearest.fell)}; false {share(nearest.false, nearest.safe)})"
    return (
        "Of all rules below, at the thresholds that the tuning runs give them, recall of 95 % no later than the fall "
        f"with at most 5 % false alarms is reached in tuning by: {listed(first)}; held out by: {listed(second)}; held "
        f"out with a median lead of a round by: {listed(ahead)}. Accuracy itself catches every fall by what a fall is, "
        "and with this threshold it mostly warns of none. Of the rules with a median lead of a round held out, most "
        f"runs are judged rightly by: {judged}. Which one that is was seen on these very runs, so it would have to be "
        "shown on others."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    text = page(study("tuning", workers), study("held_out", workers))
    (RESULTS / "alarm.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
