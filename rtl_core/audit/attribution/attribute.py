"""Maps of some samples with their checks: the JSON document of `attribute`, and the maps as one array."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from rtl_core.audit.attribution.baselines import baseline_of, default_baseline
from rtl_core.audit.attribution.explain import INPUTS, Maps, Question, confidence, explain, outputs_of
from rtl_core.audit.attribution.methods import method_named, settings_of
from rtl_core.audit.attribution.sanity import Sanity, sanity
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.audit.attribution.verdict import verdicts
from rtl_core.data.dataset import Dataset
from rtl_core.errors import BadInput
from rtl_core.events import Event, Report, silent
from rtl_core.statistics.estimates import json_number

MAX_SAMPLES = 1000
PREDICTED = "predicted"


def attribute(
    subject: Subject,
    ticket: str,
    method: str,
    samples: Sequence[int],
    baseline: str | None = None,
    target: str | int | None = None,
    seed: int = 0,
    parameters: Mapping[str, Any] | None = None,
    report: Report = silent,
) -> tuple[dict[str, Any], np.ndarray]:
    """(document, float32 maps (n, *shape)) of one ticket's answers to some rows of the test split.

    samples     places in the test split
    baseline    a name of baselines.py; None: black for pictures, the median for tables
    target      a class by name or number; None: the class that the ticket predicts. A one-vs-rest ticket has one
                output, the score of its own class
    parameters  the method's settings, where they differ from the defaults
    report      told of every `INPUTS` samples; it may raise `Stopped`

    Raises BadInput for names and numbers that are not there, and for methods that cannot explain the network.
    """
    began = time.monotonic()
    rows = _rows(subject.dataset, samples)
    chosen = method_named(method)
    settings = settings_of(chosen, dict(parameters or {}))
    output = output_of(subject, target)
    name = baseline or default_baseline(subject.dataset)
    module, records, arrays, outputs = subject.module(ticket), [], [], []
    for i in range(0, len(rows), INPUTS):
        x = subject.dataset.inputs(rows[i : i + INPUTS])
        question = Question(chosen, settings, baseline_of(name, subject.dataset, x, seed), subject.groups, seed)
        maps = explain(module, x, question, output)
        scores = sanity(subject, ticket, x, maps, question)
        records += _records(subject, ticket, maps, scores, confidence(module, x, maps.target))
        arrays.append(maps.attributions)
        outputs.append(outputs_of(module, torch.cat([question.baseline, x])))
        report(Event("attribute", method, min(i + INPUTS, len(rows)), len(rows), ticket=ticket))
    constant = bool((np.ptp(np.concatenate(outputs), axis=0) == 0).all())
    for record, sample, row in zip(records, samples, rows, strict=True):
        labels = subject.dataset.labels
        record.update(index=int(sample), y_true=None if labels is None else int(labels[row]))
        if constant:
            reason = "the ticket is dead: its output is the same for every input"
            record.update(verdict="do not trust", reason=reason)
    document = {
        "ticket": ticket,
        "method": method,
        "parameters": settings.model_dump(),
        "baseline": "zeros" if chosen.against == "zeros" else name,
        "target": PREDICTED if output is None and not subject.has_one_output else _name(subject, ticket, output or 0),
        "seed": seed,
        "dead": {"constant_output": constant, "empty_layers": list(subject.empty_layers(ticket))},
        "samples": records,
        "seconds": time.monotonic() - began,
    }
    return document, np.concatenate(arrays)


def output_of(subject: Subject, target: str | int | None) -> int | None:
    """The number of the output that explains `target`; None where each input's largest one is explained."""
    classes = subject.explains(subject.tickets.names[0])
    if target is None:
        return None
    if subject.has_one_output:
        raise BadInput("one-vs-rest tickets have one output, the score of their own class; leave the target out")
    if str(target) in classes:
        return classes.index(str(target))
    if str(target).isdigit() and int(target) < len(classes):
        return int(target)
    raise BadInput(f"there is no class '{target}'; the classes are: {', '.join(classes)}")


def _rows(dataset: Dataset, samples: Sequence[int]) -> np.ndarray:
    """Indices of the samples' rows."""
    test = dataset.rows("test")
    if not 0 < len(samples) <= MAX_SAMPLES:
        raise BadInput(f"1 to {MAX_SAMPLES:,} samples can be explained in one go, not {len(samples):,}")
    wrong = [sample for sample in samples if not 0 <= sample < len(test)]
    if wrong:
        raise BadInput(f"there is no test sample {wrong[0]}; they are numbered from 0 to {len(test) - 1:,}")
    return test[np.asarray(samples, np.int64)]


def _name(subject: Subject, ticket: str, output: int) -> str:
    return subject.explains(ticket)[output]


def _records(subject: Subject, ticket: str, maps: Maps, scores: Sanity, sure: np.ndarray) -> list[dict[str, Any]]:
    figures = {
        "output": maps.output,
        "confidence": sure,
        "baseline_output": maps.baseline_output,
        "sum": maps.sum,
        "delta": maps.delta,
        "relative_delta": maps.relative_delta,
    }
    checks = {
        "mask_swap": scores.mask_swap,
        "random_mask": scores.random_mask,
        "weight_randomisation": scores.weight_randomisation,
        "infidelity": scores.infidelity,
        "sensitivity": scores.sensitivity,
    }
    return [
        {
            "index": None,
            "y_true": None,
            "target": _name(subject, ticket, int(maps.target[i])),
            **{name: json_number(values[i]) for name, values in figures.items()},
            "steps": int(maps.steps[i]) or None,
            "sanity": {name: json_number(values[i]) for name, values in checks.items()},
            "weight_randomisation_curve": [json_number(value) for value in scores.curve[i]],
            "verdict": verdict,
            "reason": reason,
        }
        for i, (verdict, reason) in enumerate(verdicts(scores))
    ]
