"""What tickets say, as the table of decisions that a fairness audit reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import special

from rtl_core.audit.evaluate import EvaluationSet
from rtl_core.audit.fairness.groups import tidy_groups
from rtl_core.audit.fairness.predictions import ONE_TICKET, GroupedRows, Predictions
from rtl_core.errors import BadInput

OTHER, OWN = "other", "own"  # what a one-vs-rest ticket tells apart: its own subset from the rest
_ALONE = "each ticket is judged on all rows, by whether it tells its own subset from the rest"
_BALANCED = "one-vs-rest tickets are trained on as many rows of their subset as of the rest: their scores run high"
_ANSWER = "the chosen ticket is the answer, so the rows are not divided by ticket"


@dataclass(frozen=True)
class Decisions:
    """Turns the outputs of a run's networks on some rows into `Predictions`.

    groups   (n rows of `eval_set`) attributes of the data as categories
    notes    how number columns were cut: by all rows of the data, so that a group is the same in every split
    """

    eval_set: EvaluationSet
    tickets: tuple[str, ...]
    groups: pd.DataFrame
    notes: tuple[str, ...]

    @classmethod
    def of(cls, eval_set: EvaluationSet, tickets: Sequence[str], columns: Sequence[str] | None = None) -> Decisions:
        """columns: of the data's attributes, all unless given. BadInput where there are no such ones."""
        attributes = eval_set.dataset.attributes
        if attributes.shape[1] == 0:
            raise BadInput(
                f"'{eval_set.dataset.spec}' has no group columns, such as sex or age; "
                "audit data with attributes, or a table of predictions"
            )
        for name in columns or ():
            if name not in attributes:
                raise BadInput(f"There is no group column '{name}'; the data have: {', '.join(attributes)}.")
        groups, notes = tidy_groups(attributes[list(dict.fromkeys(columns))] if columns else attributes)
        return cls(eval_set, tuple(tickets), groups.iloc[eval_set.rows].reset_index(drop=True), notes)

    def by_subset(self, outputs: Sequence[np.ndarray]) -> Predictions:
        """Every ticket on what it is made for; outputs as `evaluate.method_answers` gives them.

        Where answers are no classes, each row is worth what its own subset's ticket answers. multiclass: each row is
        answered by its own subset's ticket. one_vs_rest: each ticket answers yes or no to every row, so the table has
        K rows for each one, of one unit.
        """
        eval_set, k = self.eval_set, len(self.tickets)
        if eval_set.task.log_p is None:
            credit = np.empty(len(eval_set.rows))
            for i, own in enumerate(outputs):
                among = eval_set.judged(i)
                credit[among] = eval_set.task.credit(own, eval_set.truth(i, among))
            return self._of_credit(credit, eval_set.subset)
        if not eval_set.task.choice_answers:
            logits = np.empty((len(eval_set.rows), outputs[0].shape[1]))
            for i, own in enumerate(outputs):
                logits[eval_set.judged(i)] = own
            return self._answers(eval_set.y, logits, eval_set.subset, eval_set.dataset.classes, self.tickets)
        logit = np.concatenate(outputs)[:, 0].astype(np.float64)
        ticket = np.repeat(np.arange(k), len(eval_set.rows))
        return Predictions(
            y_true=(np.tile(eval_set.subset, k) == ticket).astype(np.int64),
            y_pred=(logit > 0).astype(np.int64),
            score=special.expit(logit),
            ticket=ticket,
            groups=self.groups.iloc[np.tile(np.arange(len(eval_set.rows)), k)].reset_index(drop=True),
            unit=np.tile(eval_set.units, k),
            classes=(OTHER, OWN),
            tickets=self.tickets,
            notes=(*self.notes, _ALONE, _BALANCED),
        )

    def by_choice(self, all_logits: np.ndarray, choice: np.ndarray) -> Predictions:
        """Every row by the ticket that a router chose for it.

        all_logits  (K, n, outputs): each ticket's answer to every row
        choice      (n,) tickets. One-vs-rest tickets: the chosen one is the answer, which subset the row is of
        """
        eval_set = self.eval_set
        if eval_set.task.log_p is None:
            answers = all_logits[choice, np.arange(len(choice))]
            return self._of_credit(eval_set.task.credit(answers, eval_set.own_truth), choice)
        if not eval_set.task.choice_answers:
            logits = all_logits[choice, np.arange(len(choice))].astype(np.float64)
            return self._answers(eval_set.y, logits, choice, eval_set.dataset.classes, self.tickets)
        logits = all_logits[:, :, 0].T.astype(np.float64)
        one = np.zeros(len(choice), np.int64)
        return self._answers(eval_set.subset, logits, one, eval_set.names, (ONE_TICKET,), choice, (_ANSWER,))

    def _of_credit(self, credit: np.ndarray, ticket: np.ndarray) -> Predictions:
        """Of tasks whose answers are no classes."""
        task, unit = self.eval_set.task, self.eval_set.units
        note = f"tickets of task '{task.name}' make no decisions, so there are no rates: groups are compared by {{}}"
        rows = GroupedRows(self.groups, unit, (*self.notes, note.format(task.credited.title)))
        return Predictions.of_credit(credit, task.credited, ticket, self.tickets, rows)

    def _answers(
        self,
        truth: np.ndarray,
        logits: np.ndarray,
        ticket: np.ndarray,
        classes: tuple[str, ...],
        tickets: tuple[str, ...],
        predicted: np.ndarray | None = None,
        notes: tuple[str, ...] = (),
    ) -> Predictions:
        """The class with the largest output, unless `predicted` has the answers; scores are the softmax."""
        score = special.softmax(logits, axis=1)
        if len(classes) == 2:
            score, notes = score[:, 1], (*notes, f"the positive class is '{classes[1]}'")
        return Predictions(
            y_true=truth.astype(np.int64),
            y_pred=(logits.argmax(axis=1) if predicted is None else predicted).astype(np.int64),
            score=score,
            ticket=ticket.astype(np.int64),
            groups=self.groups,
            unit=self.eval_set.units,
            classes=classes,
            tickets=tickets,
            notes=(*self.notes, *notes),
        )
