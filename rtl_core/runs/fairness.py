"""Fairness audits of a run, or of a table of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rtl_core.audit import evaluate
from rtl_core.audit.fairness import thresholds
from rtl_core.audit.fairness.audit import fairness
from rtl_core.audit.fairness.audit_settings import USUAL, AuditSettings
from rtl_core.audit.fairness.groups import Grouping, groupings
from rtl_core.audit.fairness.paired_changes import Change, changes
from rtl_core.audit.fairness.predictions import Predictions, from_table
from rtl_core.audit.fairness.results import Cell, FairnessReport, Gap, MaxGap
from rtl_core.audit.fairness.routing_gap import Decomposed, RoutingGap, decomposition, routing_gap
from rtl_core.audit.fairness.ticket_predictions import Decisions
from rtl_core.audit.fairness.weight_ablation import Ablations, ablations
from rtl_core.data.tables import read_table
from rtl_core.documents import INLINE, key
from rtl_core.errors import BadInput
from rtl_core.events import MemoryJournal, silent
from rtl_core.learning.batchnorm_recalibration import recalibrate
from rtl_core.learning.subnetwork import Subnetwork, TrainedMethod
from rtl_core.routing.routers import LeastDoubt
from rtl_core.runs import pipeline
from rtl_core.runs.checkpoint import Run, load_lighter
from rtl_core.runs.open_run import OpenRun, open_run
from rtl_core.statistics.clustered_rows import Units

SIDE_BY_SIDE = ("rtl", "dense", "imp_single", "imp_single_union")
COLUMNS = ("y_true", "y_pred", "score", "ticket")  # of a table, used by these names unless others are given


@dataclass(frozen=True)
class Audited:
    """An opened run, as a fairness audit sees it."""

    opened: OpenRun

    @classmethod
    def of(cls, run: Run, data: str | None = None) -> Audited:
        """data: another data set's SPEC; the run's own unless given. BadInput for runs without weights."""
        if run.masks_only:
            raise BadInput(f"run '{run.name}' has masks only and decides nothing; audit a table of predictions instead")
        return cls(open_run(run, data))

    @property
    def run(self) -> Run:
        return self.opened.run

    @property
    def routers(self) -> tuple[str, ...]:
        """Each row by its own subset's ticket, or by the ticket that is surest."""
        doubt = self.opened.task.doubt
        return ("context",) if doubt is None else ("context", doubt.router)

    def decisions(self, groups: Sequence[str] | None = None, split: str = "test") -> Decisions:
        """What turns outputs on a split's rows into predictions, with these group columns (all unless given)."""
        setting = self.opened
        eval_set = evaluate.evaluation_set(setting.dataset, setting.partition, setting.task, split)
        if len(eval_set.rows) == 0:
            raise BadInput(f"'{setting.dataset.spec}' has no {split} rows for this run, only rows to be tested on")
        return Decisions.of(eval_set, self.run.tickets.names, groups)

    def predictions(self, decisions: Decisions, method: str = "rtl", router: str = "context") -> Predictions:
        """What a method says to the rows when a router chooses the ticket."""
        learned = self.method(method)
        if router not in self.routers:
            raise BadInput(f"there is no router '{router}' for these tickets; choose among: {', '.join(self.routers)}")
        if router == "context":
            return self.decided(learned, decisions)
        answers = self.answers(learned, decisions)
        choice = LeastDoubt(lambda rows: answers.doubt, self.opened.task.doubt).choose(decisions.eval_set.rows).ticket
        return decisions.by_choice(answers.kept, choice)

    def method(self, name: str) -> TrainedMethod:
        if name not in self.opened.learned:
            raise BadInput(f"run '{self.run.name}' has no method '{name}'; it has: {', '.join(self.opened.learned)}")
        return self.opened.learned[name]

    def decided(self, learned: TrainedMethod, decisions: Decisions) -> Predictions:
        """Each subset by its own ticket."""
        network, layout = self.opened.network_of(learned), self.opened.layout
        return decisions.by_subset(evaluate.method_answers(network, learned, layout, decisions.eval_set))

    def answers(self, learned: TrainedMethod, decisions: Decisions) -> evaluate.Answers:
        """Every ticket's answers to every row; of one network for all subsets, as it is read for each."""
        eval_set, layout = decisions.eval_set, self.opened.layout
        if learned.reads == "per_subset":
            return evaluate.answers_of_all(self.opened.network_of(learned), learned.subnetworks, layout, eval_set)
        return evaluate.gathered(
            eval_set, evaluate.read_answers(self.opened.network_of(learned), learned, layout, eval_set)
        )


@dataclass(frozen=True)
class Question:
    """An audit, as the extras see it: what was asked, and the groupings with the index of their reference."""

    audited: Audited
    decisions: Decisions
    method: str
    router: str
    predictions: Predictions
    divided: tuple[tuple[Grouping, int], ...]
    groups: tuple[str, ...]
    settings: AuditSettings


@dataclass(frozen=True)
class NotApplicable:
    """Why an extra has no answer."""

    reason: str


@dataclass(frozen=True)
class AtLevel:
    """RTL at a level against RTL at its target: the target's decisions are `before`, the level's `after`."""

    level: int = field(metadata=key("rung"))
    density: float
    change: Change = field(metadata=INLINE)


@dataclass(frozen=True)
class MethodAudit:
    """The same audit of another method, its p adjusted within it, and what changes from the audited method's
    decisions (`before`) to its own (`after`). density: None where it was not recorded"""

    method: str
    density: float | None
    overall: list[Cell]
    cells: list[Cell]
    gaps: list[Gap]
    max_gaps: list[MaxGap]
    changes: list[Change]


@dataclass(frozen=True)
class RunAudit:
    """The audit of a run's decisions on n rows, which are its test rows unless data were given.

    uses_label    whether the router reads the label or the partition's attribute
    rows_left_out of other data: rows that the run was trained on; None where it could not be checked
    extras        name -> what it answers, or `NotApplicable`
    """

    run: str
    data: str
    split: str
    method: str
    router: str
    uses_label: bool
    n: int
    report: FairnessReport = field(metadata=INLINE)
    rows_left_out: int | None
    extras: dict[str, Any] = field(metadata=INLINE)


@dataclass(frozen=True)
class TableAudit:
    """The audit of a table of n predictions; extras as above."""

    table: str
    n: int
    report: FairnessReport = field(metadata=INLINE)
    extras: dict[str, Any] = field(metadata=INLINE)


def audit(
    audited: Audited,
    groups: Sequence[str],
    method: str = "rtl",
    router: str = "context",
    settings: AuditSettings = USUAL,
    extras: Sequence[str] = (),
) -> RunAudit:
    """`fairness` of what a run decides.

    method   one that the run has weights of
    router   "context": each row by its own subset's ticket, and one-vs-rest tickets each on all rows;
             `Audited.routers` lists the others
    extras   of `EXTRAS`
    """
    _check_extras(extras, EXTRAS)
    decisions = audited.decisions(groups)
    predictions = audited.predictions(decisions, method, router)
    report = fairness(predictions, groups, settings)
    pairs = divided(predictions, groups, report.references)
    question = Question(audited, decisions, method, router, predictions, pairs, tuple(groups), settings)
    counted = audited.opened.counted
    reads = router == "context" and not decisions.eval_set.task.choice_answers
    return RunAudit(
        run=audited.run.name,
        data=audited.opened.dataset.spec,
        split="test",
        method=method,
        router=router,
        uses_label=reads and audited.opened.partition.uses_label,
        n=len(decisions.eval_set.rows),
        report=replace(report, notes=[*counted.notes, *report.notes]),
        rows_left_out=counted.rows_left_out,
        extras={name: _extra(EXTRAS[name], question) for name in extras},
    )


def audit_table(
    path: Path,
    mapping: Mapping[str, Any],
    groups: Sequence[str],
    settings: AuditSettings = USUAL,
    extras: Sequence[str] = (),
) -> TableAudit:
    """An audit of a CSV or Parquet table with one decision per row.

    mapping   as in `predictions.from_table`, without the groups; columns of the names `COLUMNS` are found by
              themselves, `y_pred` only where no threshold is given
    extras    a table has no weights: of the extras it answers "decomposition"
    """
    _check_extras(extras, ("decomposition",))
    frame = read_table(path)
    cut = mapping.get("threshold") is not None
    if cut and mapping.get("y_pred"):
        raise BadInput(
            "a threshold turns scores into predictions; leave out the column of predictions, or the threshold"
        )
    roles = {role: role for role in COLUMNS if role in frame and not (cut and role == "y_pred")}
    predictions = from_table(frame, {**roles, **mapping, "groups": list(groups)})
    report = fairness(predictions, groups, settings)
    pairs = divided(predictions, groups, report.references)
    answers = {"decomposition": _decompositions(predictions, pairs)} if "decomposition" in extras else {}
    return TableAudit(path.name, len(frame), report, answers)


def what_if(
    run: Run,
    groups: Sequence[str],
    rule: thresholds.ThresholdRule,
    method: str = "rtl",
    router: str = "context",
    settings: AuditSettings = USUAL,
) -> list[thresholds.WhatIf]:
    """`thresholds.what_if` on the run's own data: chosen on its validation rows, measured on its test rows.

    One for each of `groups` and for their intersection, whose gaps it has.
    """
    audited = Audited.of(run)
    if audited.opened.task.log_p is None:
        raise BadInput("Thresholds are for yes and no, and these tickets decide nothing.")
    columns = [*groups, *(() if rule.by == thresholds.TICKET else (rule.by,))]
    validation, test = (
        audited.predictions(audited.decisions(columns, split), method, router) for split in ("val", "test")
    )
    references_only = replace(settings, metrics=("selection_rate",), permutations=1)
    named = fairness(test, groups, references_only).references
    return [
        thresholds.what_if(validation, test, rule, grouping, base, settings)
        for grouping, base in divided(test, groups, named)
    ]


def divided(
    predictions: Predictions, groups: Sequence[str], references: Mapping[str, str]
) -> tuple[tuple[Grouping, int], ...]:
    """Each grouping with the index of its reference, as named in a report's `references`."""
    return tuple(
        (grouping, grouping.names.index(references[",".join(grouping.columns)]))
        for grouping in groupings(predictions.groups, groups)
    )


def _check_extras(extras: Sequence[str], known: Sequence[str]) -> None:
    for name in extras:
        if name not in known:
            raise BadInput(f"there is no extra '{name}' here; choose among: {', '.join(known)}")


def _extra(answer: Callable[[Question], Any], question: Question) -> Any:
    """An answer, or the reason why there is none."""
    try:
        return answer(question)
    except BadInput as reason:
        return NotApplicable(str(reason))


def _routing(question: Question) -> list[RoutingGap]:
    audited, eval_set = question.audited, question.decisions.eval_set
    if eval_set.task.choice_answers:
        raise BadInput("one-vs-rest tickets answer other questions, so none could have stood in for another")
    right = audited.answers(audited.method(question.method), question.decisions).credit
    given, tickets = question.predictions.ticket, question.decisions.tickets
    units = Units.from_ids(eval_set.units)
    return [
        record
        for grouping, _ in question.divided
        for record in routing_gap(right, given, grouping, units, tickets, question.settings)
    ]


def _decomposition(question: Question) -> list[Decomposed]:
    return _decompositions(question.predictions, question.divided)


def _decompositions(predictions: Predictions, pairs: Sequence[tuple[Grouping, int]]) -> list[Decomposed]:
    if len(predictions.tickets) < 2:
        raise BadInput("all rows have the same ticket, so a gap has no part between tickets")
    return [record for grouping, base in pairs for record in decomposition(predictions, grouping, base)]


def _where(question: Question) -> Ablations:
    audited, setting = question.audited, question.audited.opened
    learned = audited.method(question.method)
    _only_context(question)
    if len(setting.dataset.rows("train")) == 0:
        raise BadInput("norm statistics are re-estimated on the run's training rows, which other data do not have")
    experiment = pipeline.experiment(setting, silent, MemoryJournal())

    def decide(subnetworks: Sequence[Subnetwork]) -> Predictions:
        return audited.decided(replace(learned, subnetworks=tuple(subnetworks)), question.decisions)

    def settle(subnetwork: Subnetwork, k: int) -> Subnetwork:
        return recalibrate(experiment, subnetwork, experiment.subsets[k])

    return ablations(learned.subnetworks, setting.layout, decide, settle, question.divided, question.settings)


def _density(question: Question) -> list[AtLevel]:
    """RTL at its target and at each lighter level.

    Denser levels were measured on weights that were not kept and so are not here."""
    _only_context(question)
    if question.method != "rtl":
        raise BadInput("only the tickets themselves are stored at several densities")
    audited, tickets = question.audited, question.audited.run.tickets
    learned, buffers = audited.method("rtl"), load_lighter(audited.run)
    records = []
    for level in (level for level in tickets.levels if level.kind != "denser"):
        subnetworks = learned.subnetworks
        if level.kind == "lighter":
            masks = tickets.masks(level)
            subnetworks = tuple(
                replace(subnetwork, mask=masks[k], buffers=buffers[level.index, k])
                for k, subnetwork in enumerate(learned.subnetworks)
            )
        after = audited.decided(replace(learned, subnetworks=subnetworks), question.decisions)
        for grouping, base in question.divided:
            records += [
                AtLevel(level.index, level.density, change)
                for change in changes(question.predictions, after, grouping, base)
            ]
    return records


def _methods(question: Question) -> list[MethodAudit]:
    _only_context(question)
    audited, records = question.audited, []
    density = {row.method: row.density for row in audited.run.record.evaluation.methods}
    for name in (name for name in SIDE_BY_SIDE if name in audited.opened.learned):
        other = audited.predictions(question.decisions, name)
        report = fairness(other, question.groups, question.settings)
        pairs = question.divided if name != question.method else ()
        paired = [change for pair in pairs for change in changes(question.predictions, other, *pair)]
        of_report = (report.overall, report.cells, report.gaps, report.max_gaps)
        records.append(MethodAudit(name, density.get(name), *of_report, paired))
    return records


def _only_context(question: Question) -> None:
    if question.router != "context":
        raise BadInput("this is answered for the router 'context', by which each row goes to its own ticket")


EXTRAS: dict[str, Callable[[Question], Any]] = {
    "routing": _routing,
    "decomposition": _decomposition,
    "where": _where,
    "by_density": _density,
    "methods": _methods,
}
