"""Maps of some samples with their checks: the JSON document of `attribute`, and the maps as one array."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from rtl_core.audit.attribution.explain import INPUTS, Maps, confidence, explain, outputs_of
from rtl_core.audit.attribution.map_request import MapRequest
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
    samples: Sequence[int],
    request: MapRequest,
    report: Report = silent,
) -> tuple[dict[str, Any], np.ndarray]:
    """(document, float32 maps (n, *shape)) of one ticket's answers to some rows of the test split.

    samples  places in the test split
    report   told of every `INPUTS` samples; it may raise `Stopped`

    Raises BadInput for names and numbers that are not there, and for methods that cannot explain the network.
    """
    began = time.monotonic()
    rows = _rows(subject.dataset, samples)
    settings, output = request.settings, request.output(subject)
    module, records, arrays, outputs = subject.module(ticket), [], [], []
    for i in range(0, len(rows), INPUTS):
        x = subject.dataset.inputs(rows[i : i + INPUTS])
        question = request.question(subject, x)
        maps = explain(module, x, question, output)
        scores = sanity(subject, ticket, x, maps, question)
        sure = confidence(module, x, maps.target) if subject.sure else np.full(len(x), np.nan)
        records += _records(subject, ticket, maps, scores, sure)
        arrays.append(maps.attributions)
        outputs.append(outputs_of(module, torch.cat([question.baseline, x])))
        report(Event("attribute", request.method, min(i + INPUTS, len(rows)), len(rows), ticket=ticket))
    constant = bool((np.ptp(np.concatenate(outputs), axis=0) == 0).all())
    for record, sample, row in zip(records, samples, rows, strict=True):
        labels = subject.dataset.labels
        record.update(index=int(sample), y_true=None if labels is None else int(labels[row]))
        if constant:
            reason = "the ticket is dead: its output is the same for every input"
            record.update(verdict="do not trust", reason=reason)
    document = {
        "ticket": ticket,
        "method": request.method,
        "parameters": settings.model_dump(),
        "baseline": "zeros" if question.method.against == "zeros" else request.baseline_for(subject.dataset),
        "target": PREDICTED if output is None and not subject.has_one_output else _name(subject, ticket, output or 0),
        "seed": request.seed,
        "dead": {"constant_output": constant, "empty_layers": list(subject.empty_layers(ticket))},
        "samples": records,
        "seconds": time.monotonic() - began,
    }
    return document, np.concatenate(arrays)


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
