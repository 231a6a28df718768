"""Diagnosis of a run: overlap, confidence and accuracy on the way down, where they turn, and what going back gives.

`diagnose` reads what is there. `probe` retrains a run's rungs one by one, for runs that were cut in one go and so
have no rounds that an alarm could hear; `relax` measures what the last safe masks give once they are trained
together. Both are kept in the run's audits and found there again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, FiniteFloat, ValidationError

from rtl_core.audit import collapse
from rtl_core.config import Config
from rtl_core.errors import BadInput
from rtl_core.events import Event, MemoryJournal, Report, silent
from rtl_core.runs import store
from rtl_core.runs.atomic import plain, read_json, write_json
from rtl_core.runs.checkpoint import Run, load_learned
from rtl_core.tickets.chance import chance_interval
from rtl_core.tickets.overlap import Overlap, overlap
from rtl_core.tickets.similarity import layer_profile, similarity
from rtl_core.tickets.ticket_set import Rung

PROBE_STEPS = 100  # per rung and ticket, at most: what a probe trains
_PROBE, _RELAX = "collapse-probe.json", "collapse-relax.json"
_MEASURES = ("retrained", "extraction", "final")  # the first that a rung has is the one that counts
_ALARM_KEYS = {"round", "density", "safe_density", "drop", "falls_most", "policy"}  # of an alarm among the metrics


def diagnose(run: Run, root: Path | None = None) -> dict[str, Any]:
    """The JSON document of `diagnose`; `root`: the user's runs, where audits of samples are kept."""
    root = root or run.folder.parent
    probed, relaxed = _kept(run, root, _PROBE), _kept(run, root, _RELAX)
    records = [*run.info.get("rungs", []), *(probed["records"] if probed else [])]
    counted = [overlap(run.tickets, rung) for rung in run.tickets.rungs]
    rounds = [_round(rung, counts, records) for rung, counts in zip(run.tickets.rungs, counted, strict=True)]
    layers = [row for rung, counts in zip(run.tickets.rungs, counted, strict=True) for row in _layers(rung, counts)]
    threshold = run.config.collapse.threshold if run.config else Config().collapse.threshold
    heard = [row for row in rounds if row["measure"] == "retrained"]
    for row, drop in zip(heard, collapse.drops([row["confidence"] for row in heard]) if heard else [], strict=True):
        row["drop"] = float(drop)
    metric = "balanced_accuracy" if run.config and run.config.task == "one_vs_rest" else "accuracy"
    alarm, fall = _alarm(heard, threshold), _fall(heard, metric)
    document = {
        "run": run.name,
        "k": run.tickets.k,
        "metric": metric,
        "watched": bool(heard),
        "threshold": threshold,
        "n": _rows_behind(records),
        "rounds": rounds,
        "layers": layers,
        "flags": [*_flags(heard, rounds, layers, alarm, fall, metric)],
        "alarm": alarm,
        "fall": fall,
        "lead": fall["round"] - alarm["round"] if alarm and fall else None,
        "last_safe_density": _last_safe(heard, alarm),
        "policy": run.config.collapse.policy if run.config else "off",
        "policy_events": _policy_events(run),
        "relaxed": relaxed,
        "probe": {key: probed[key] for key in ("steps", "seconds")} if probed else None,
    }
    return plain({**document, "advice": _advice(run, document)})


def cost(run: Run) -> dict[str, float]:
    """Gradient steps of a probe, and about how long they take, from the pace at which the run itself was trained."""
    _check(run)
    steps = _probe_steps(run.config) * run.tickets.k * len(run.tickets.rungs)
    return {"steps": steps, "seconds": steps * _pace(run)}


def relax_cost(run: Run) -> dict[str, float]:
    """The same of `relax`."""
    _check(run)
    steps = run.config.joint.steps * run.tickets.k
    return {"steps": steps, "seconds": steps * _pace(run)}


def probe(run: Run, root: Path | None = None, report: Report = silent) -> dict[str, Any]:
    """Trains every rung's masks from theta_0, each ticket alone, and measures it on validation rows; the document of
    `diagnose` with what was heard. `report` may raise `Stopped`. BadInput where the run cannot be trained again."""
    from rtl_core.learning.methods import ticket_rounds
    from rtl_core.runs import modes

    _check(run)
    _place(run, root)
    began, steps, tickets = time.monotonic(), _probe_steps(run.config), run.tickets
    config = run.config.model_copy(
        update={"extract": run.config.extract.model_copy(update={"steps": steps}), "controls": ()}
    )
    lab, start, asked = _again(run, config, report)
    records, done, total = [], 0, tickets.k * len(tickets.rungs)
    rounds = [ticket_rounds(lab(), start, k) for k in range(tickets.k)]
    measures = [modes.measure(lab(), asked, k) for k in range(tickets.k)]
    report(Event("start", "rtl", steps=total))
    for rung in tickets.rungs:
        masks = tickets.masks(rung)
        for k in range(tickets.k):
            found = measures[k](rounds[k].train(masks[k], rung.index))
            place = {"ticket": k, "rung": rung.index, "density": rung.density, "kind": rung.kind}
            records.append({**place, "measure": "retrained", **found})
            done += 1
            report(Event("probe", "rtl", done, total))
    _keep(run, root, _PROBE, {"records": records, "steps": steps, "seconds": time.monotonic() - began})
    return diagnose(run, root)


def relax(run: Run, density: float, root: Path | None = None, report: Report = silent) -> dict[str, Any]:
    """Trains the masks of the rung at `density` together from theta_0, as the run's own were; the document of
    `diagnose` with both beside each other, on validation rows. BadInput where the run cannot be trained again."""
    from rtl_core.audit import evaluate as audit
    from rtl_core.learning.methods import learn_tickets

    _check(run)
    if not 0 < density <= 1:
        raise BadInput(f"a density to go back to is a share of the weights, above 0 and at most 1 (got {density:g})")
    rung = run.tickets.rung_at(density)
    if rung.density <= run.tickets.target.density:
        raise BadInput(f"going back means denser masks than the run's own {run.tickets.target.density:g}")
    _place(run, root)
    began = time.monotonic()
    lab, start, asked = _again(run, run.config.model_copy(update={"controls": ()}), report)
    own = lab()
    total = run.config.joint.steps * run.tickets.k
    report(Event("start", "rtl", steps=total))
    after = learn_tickets(own, start, "rtl", run.tickets.masks(rung), 0, run.config.joint.steps)
    figures = []
    for learned in (load_learned(run)["rtl"], after):
        outputs = audit.method_outputs(own.network, learned, own.layout, asked)
        figures.append(audit.method_figures(asked, outputs, run.config.seed))
    before, now = figures
    metric = "balanced_accuracy" if run.config.task == "one_vs_rest" else "accuracy"
    kept = {
        "density": rung.density,
        "metric": metric,
        "before": before[metric],
        "after": now[metric],
        "ci": {"before": before["ci"][metric], "after": now["ci"][metric]},
        "n": now["n"],
        "steps": total,
        "seconds": time.monotonic() - began,
    }
    _keep(run, root, _RELAX, kept)
    return diagnose(run, root)


def _again(run: Run, config: Config, report: Report) -> tuple[Callable[[], Any], Any, Any]:
    """(an experiment of one's own, theta_0 with what tickets have of their own there, questions on validation rows):
    the run as it was before its extraction. The warm start is trained again, to the same bits on the same machine."""
    from rtl_core.audit import evaluate as audit
    from rtl_core.learning.methods import warm_start
    from rtl_core.runs import modes, pipeline
    from rtl_core.runs.setting import experiment

    journal = MemoryJournal()
    setting = pipeline.prepare(config, silent, journal)
    if setting.dataset.fingerprint != run.info["data"]["fingerprint"]:
        spec = run.info["data"]["spec"]
        raise BadInput(f"'{spec}' no longer holds the data that '{run.name}' was trained on; put them back")
    if setting.partition.names != run.tickets.names:
        raise BadInput(
            f"tickets were added to '{run.name}' or taken away: it cannot be trained again from its settings"
        )

    def told(event: Event) -> None:
        if event.phase in ("joint", "extract"):  # for the caller's bar, and its word to stop
            report(event)

    def lab() -> Any:
        return experiment(setting, told, journal)

    asked = audit.questions(setting.dataset, setting.partition, config.task, "val", modes.RUNG_ROWS)
    return lab, warm_start(lab()), asked


def _check(run: Run) -> None:
    if run.masks_only:
        raise BadInput(f"run '{run.name}' has masks only: there is nothing to train again")
    if run.config.mode == "gated":
        raise BadInput(f"run '{run.name}' learned its masks by scores over frozen weights: they went down no rungs")


def _probe_steps(config: Config) -> int:
    return min(config.extract.steps, PROBE_STEPS)


def _pace(run: Run) -> float:
    """Seconds a gradient step, from the run's own training."""
    from rtl_core.learning.controls import gradient_steps

    steps = gradient_steps(run.config, run.tickets.k, run.tickets.n)
    return run.info["environment"].get("seconds", 0.0) * run.config.workers / max(1, steps)


def _round(rung: Rung, counts: Overlap, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One rung: overlap of the pairs, and means over the tickets of what was measured there."""
    pairs = np.triu_indices(counts.k, 1)
    measures, band = similarity(counts), chance_interval(counts)

    def over_pairs(matrix: np.ndarray) -> float:
        return float(np.nanmean(matrix[pairs])) if np.isfinite(matrix[pairs]).any() else float("nan")

    here = [r for r in records if r["rung"] == rung.index]
    measure = next((m for m in _MEASURES if any(r.get("measure") == m for r in here)), None)
    here = [r for r in here if r.get("measure") == measure]
    return {
        "round": rung.index,
        "density": rung.density,
        "kind": rung.kind,
        "iou_mean": over_pairs(measures.iou),
        "chance_mean": over_pairs(measures.chance),
        "chance_low": over_pairs(band.low),
        "chance_high": over_pairs(band.high),
        "excess_mean": over_pairs(measures.excess),
        **{key: _mean([r.get(key) for r in here]) for key in ("balanced_accuracy", "accuracy", "confidence")},
        "ci": {
            key: [_mean([r["ci"].get(key, (None, None))[side] for r in here]) for side in (0, 1)]
            for key in ("balanced_accuracy", "accuracy")
        },
        "drop": None,
        "measure": measure,
    }


def _layers(rung: Rung, counts: Overlap) -> list[dict[str, Any]]:
    columns = ["layer", "iou_mean", "chance_mean", "excess_mean", "density_mean", "empty_tickets"]
    rows = layer_profile(counts)[columns].to_dict("records")
    return [{"round": rung.index, "density": rung.density, **row} for row in rows]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _rows_behind(records: Sequence[dict[str, Any]]) -> int | None:
    return min((record["n"] for record in records), default=None)


def _alarm(heard: Sequence[dict[str, Any]], threshold: float) -> dict[str, Any] | None:
    rang = collapse.first_alarm([row["confidence"] for row in heard], threshold) if heard else None
    if rang is None:
        return None
    row = heard[rang]
    return {"round": row["round"], "density": row["density"], "drop": row["drop"], "threshold": threshold}


def _fall(heard: Sequence[dict[str, Any]], metric: str) -> dict[str, Any] | None:
    at = collapse.fall([row[metric] for row in heard]) if heard else None
    return None if at is None else {"round": heard[at]["round"], "density": heard[at]["density"]}


def _last_safe(heard: Sequence[dict[str, Any]], alarm: dict[str, Any] | None) -> float | None:
    """The last retrained density before the alarm; without one, the lightest that was retrained."""
    safe = [row["density"] for row in heard if alarm is None or row["round"] < alarm["round"]]
    return safe[-1] if safe else None


def _flags(
    heard: Sequence[dict[str, Any]],
    rounds: Sequence[dict[str, Any]],
    layers: Sequence[dict[str, Any]],
    alarm: dict[str, Any] | None,
    fall: dict[str, Any] | None,
    metric: str,
) -> list[dict[str, Any]]:
    """Where something turned, the alarm first, then by round."""

    def flag(at: dict[str, Any], direction: str, signal: str, sentence: str, layer: str | None = None) -> dict:
        place = {"round": at["round"], "density": at["density"], "direction": direction, "signal": signal}
        return {**place, "layer": layer, "alarm": signal == "confidence", "sentence": sentence}

    found = []
    if alarm:
        sentence = f"Confidence lies {alarm['drop']:.3f} below its best: the alarm ({alarm['threshold']:g})."
        found.append(flag(alarm, "down", "confidence", sentence))
    if fall:
        sentence = f"{metric.replace('_', ' ').capitalize()} lies 2 points or more below its best and stays there."
        found.append(flag(fall, "down", "accuracy", sentence))
    for signal in ("iou", "excess"):
        for turn in collapse.turns(_below_all([row[f"{signal}_mean"] for row in rounds], rounds)):
            sentence = f"{_SAID[signal]} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
            found.append(flag(rounds[turn.round], turn.direction, signal, sentence))
    for layer in dict.fromkeys(row["layer"] for row in layers):
        own = [row for row in layers if row["layer"] == layer]
        for turn in collapse.turns(_below_all([row["excess_mean"] for row in own], rounds)):
            sentence = f"Excess overlap in {layer} {_MOVED[turn.direction]} by {abs(turn.change):.2f}."
            found.append(flag(own[turn.round], turn.direction, "excess", sentence, layer))
        empty = next((row for row in own if row["empty_tickets"]), None)
        if empty:
            sentence = f"{int(empty['empty_tickets'])} ticket(s) keep nothing in {layer}: they are dead."
            found.append(flag(empty, "down", "empty layer", sentence, layer))
    return sorted(found, key=lambda one: (not one["alarm"], one["round"]))


def _below_all(values: Sequence[float | None], rounds: Sequence[dict[str, Any]]) -> list[float | None]:
    """Without the rung that keeps all weights: there every mask is the same, and the first cut is no turn."""
    return [None if row["density"] >= 1 else value for value, row in zip(values, rounds, strict=True)]


_SAID = {"iou": "Mean IoU", "excess": "Mean excess overlap"}
_MOVED = {"up": "has risen above its least value", "down": "falls in one round"}


def _advice(run: Run, document: dict[str, Any]) -> str:
    alarm, safe, events = document["alarm"], document["last_safe_density"], document["policy_events"]
    if run.masks_only:
        return "These are masks without a network: overlap is all there is to see."
    if run.config.mode == "gated":
        return "Mask scores were learned at one density: there is no way down to look at."
    if not document["watched"]:
        return (
            "The rungs were cut from one training and nothing was trained between them, so no alarm can be given. "
            "Retrain the rungs (diagnose --probe), or train with extract.schedule=fraction and collapse.policy=warn."
        )
    if alarm is None and events:
        rang = ", ".join(f"{event['density']:.3g}" for event in events)
        return (
            f"The alarm rang at density {rang} while the run was trained, and its policy ({document['policy']}) went "
            f"back: {safe:.3g}, where the run is now, is the last safe density."
        )
    if alarm is None:
        return (
            f"No alarm down to density {safe:.3g}: the tickets still know what they did. A lighter target can be tried."
        )
    if safe is None:
        return "The alarm rings at the first rung: train longer per round, or take a larger network."
    gain = ""
    if document["relaxed"]:
        change = document["relaxed"]["after"] - document["relaxed"]["before"]
        gain = f" Measured, that changes {document['metric'].replace('_', ' ')} by {change:+.3f}."
    if alarm["density"] < run.tickets.target.density:
        return f"The tickets' own density {run.tickets.target.density:.3g} is safe; do not go below {safe:.3g}." + gain
    return (
        f"Go back to density {safe:.3g}, the last one before the alarm, and train those masks together from theta_0 "
        f"(diagnose --relax), or train again with collapse.policy=relax." + gain
    )


def _kept(run: Run, root: Path, name: str) -> dict[str, Any] | None:
    """An earlier result on the same masks; None where there is none. BadInput where it is damaged."""
    path = store.audits_folder(run.folder, root) / name
    if not path.is_file():
        return None
    again = f"delete {path} and measure again (diagnose --{'probe' if name == _PROBE else 'relax'})"
    try:
        document = read_json(path, store.MAX_AUDIT_BYTES)
    except BadInput as error:
        raise BadInput(f"{error}; {again}") from None
    if document.get("masks") != _masks_digest(run):
        return None
    try:
        checked = _SCHEMAS[name].model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{name}, '{'.'.join(map(str, first['loc']))}': {first['msg']}; {again}") from None
    if isinstance(checked, _Probed):
        places = [(rung.index, k) for rung in run.tickets.rungs for k in range(run.tickets.k)]
        if sorted((record.rung, record.ticket) for record in checked.records) != places:
            raise BadInput(f"{name} does not hold one record per rung and ticket; {again}")
    return document


def _keep(run: Run, root: Path | None, name: str, document: dict[str, Any]) -> None:
    write_json(_place(run, root) / name, plain({"masks": _masks_digest(run), **document}))


def _place(run: Run, root: Path | None) -> Path:
    """The folder of the run's audits, made where it is missing; BadInput before any work where it cannot be."""
    folder = store.audits_folder(run.folder, root or run.folder.parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made, so nothing could be kept there: {error.strerror}") from None
    return folder


def _policy_events(run: Run) -> list[dict[str, Any]]:
    """Alarms that the run noted while it trained; what a killed process or an edit left incomplete is passed over."""
    rows = [row for row in store.read_metrics(run.folder) if isinstance(row, dict)]
    return [row for row in rows if row.get("phase") == "collapse" and row.keys() >= _ALARM_KEYS]


def _masks_digest(run: Run) -> str:
    import hashlib

    return hashlib.sha256(run.tickets.pruned_at.tobytes()).hexdigest()[:16]


class _Intervals(BaseModel):
    before: tuple[float | None, float | None]
    after: tuple[float | None, float | None]


class _Record(BaseModel):
    ticket: int
    rung: int
    measure: Literal["retrained"]
    n: int
    accuracy: FiniteFloat
    balanced_accuracy: FiniteFloat | None
    confidence: FiniteFloat
    ci: dict[str, tuple[float | None, float | None]]


class _Probed(BaseModel):
    """What `probe` keeps."""

    records: list[_Record]
    steps: int
    seconds: FiniteFloat


class _Relaxed(BaseModel):
    """What `relax` keeps."""

    density: FiniteFloat
    metric: Literal["accuracy", "balanced_accuracy"]
    before: FiniteFloat
    after: FiniteFloat
    ci: _Intervals
    n: int
    steps: int
    seconds: FiniteFloat


_SCHEMAS: dict[str, type[BaseModel]] = {_PROBE: _Probed, _RELAX: _Relaxed}
