"""What the numbers say, in sentences: the headline of every page and the titles of its charts."""

from __future__ import annotations

import pandas as pd

from app import tasks, terms
from rtl_core.audit.against_controls import Against, compare_with_controls
from rtl_core.audit.evaluation_rows import Evaluation
from rtl_core.display_names import method_words
from rtl_core.tasks.catalogue import task_named


def main_metric(task: str) -> str:
    """One-vs-rest tickets meet nine negatives for every positive: balanced accuracy. Otherwise accuracy."""
    return task_named(task).headline.name


def methods_frame(evaluation: Evaluation, metric: str) -> pd.DataFrame:
    """One row per method that applies, best first: method, label, value, low, high, steps and stored weights."""
    rows = []
    for row in evaluation.methods:
        if not row.applies or row.value(metric) is None:
            continue
        low, high = row.interval(metric) or (None, None)
        rows.append(
            {
                "method": row.method,
                "label": method_words(row.method)[0],
                metric: row.value(metric),
                "low": low,
                "high": high,
                "density": row.density,
                "params_total": row.params_total,
                "steps_extract": row.steps_extract,
                "steps_joint": row.steps_joint,
            }
        )
    columns = ["method", "label", metric, "low", "high", "density", "params_total", "steps_extract", "steps_joint"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        metric, ascending=not tasks.figure(metric).higher_is_better, ignore_index=True
    )


def against_rtl(methods: pd.DataFrame, metric: str) -> Against:
    """Labels of the controls that RTL is above, level with, below. Level: the 95 % intervals overlap."""
    columns = methods[["label", metric, "low", "high"]]
    return compare_with_controls(
        columns.itertuples(index=False, name=None), method_words("rtl")[0], tasks.figure(metric)
    )


def overview(methods: pd.DataFrame, metric: str, k: int, density: float) -> str:
    """The answer of the Overview page."""
    rtl = methods[methods.method == "rtl"]
    kept = terms.density(density)
    if rtl.empty:
        return f"{k} tickets keep {kept} of the weights each; nothing was evaluated"
    reached = f"{k} tickets at {kept} density reach {tasks.value(metric, rtl.iloc[0][metric])} {tasks.title_of(metric)}"
    controls = len(methods) - 1
    if controls == 0:
        return f"{reached}; no control was trained to compare with"
    against = against_rtl(methods, metric)
    if len(against.above) == controls:
        return f"{reached}, above all {controls} controls"
    phrases = [f"{name} {len(labels)}" for name, labels in vars(against).items() if labels]
    phrases = [phrase.replace("level", "level with") for phrase in phrases]
    return f"{reached}: {terms.listed(phrases)} of {controls} controls"


def methods_title(methods: pd.DataFrame, metric: str) -> str:
    """RTL beside random masks, at equal joint steps and at equal total steps: what learning the masks is worth."""
    value = methods.set_index("method")[metric]
    if "rtl" not in value:
        return "The controls of this run"
    leads = [
        f"{tasks.difference(metric, value['rtl'] - value[control])} {condition}"
        for control, condition in (("random", "at equal joint steps"), ("random_same_total", "at equal total steps"))
        if control in value
    ]
    if leads:
        return f"RTL against random masks: {', '.join(leads)}"
    best = methods[methods.method != "rtl"].head(1)
    if best.empty:
        return f"RTL reaches {tasks.value(metric, value['rtl'])}"
    return f"RTL against {best.iloc[0].label.lower()}: {tasks.difference(metric, value['rtl'] - best.iloc[0][metric])}"


def does_not_hold(methods: pd.DataFrame, metric: str) -> list[str]:
    """The claims that this run does not support, each in a plain sentence."""
    against = against_rtl(methods, metric)
    value = methods.set_index("label")[metric]
    rtl = methods[methods.method == "rtl"]
    if rtl.empty:
        return []
    own = rtl.iloc[0][metric]
    verb = {"level": "Level with", "below": "Below"}
    return [
        f"{verb[kind]} “{label}” ({tasks.value(metric, value[label])}, "
        f"RTL {tasks.difference(metric, own - value[label])})"
        for kind in ("below", "level")
        for label in getattr(against, kind)
    ]


def short(layer: str) -> str:
    """A tensor's name without the part that all of them have; a bare number, as in nn.Sequential, is called a layer."""
    name = layer.removesuffix(".weight")
    return f"layer {name}" if name.isdigit() else name


def p_value(p: float, smallest: float = 0.0001) -> str:
    """A p-value in words; `smallest`: the least that its test can give."""
    if p != p:
        return "p undefined"
    return f"p ≤ {smallest:.1g}" if p <= smallest else f"p = {p:.2g}"
