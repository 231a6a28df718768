"""What the difference between two tickets does: ticket A under masks that take from B, on A's own rows.

    own      m_A
    added    m_A | m_B   B's private weights join
    removed  m_A & m_B   A's private weights go
    swapped  m_B         A's private weights make way for B's

A's head and the scale and shift of its norms stay, and norm statistics are re-estimated under every mask on A's
training rows, so that only the choice of weights differs. Whether it matters WHICH weights these are, only a control
can tell: as many weights of every layer, drawn at random, added from outside m_A and removed from within. What a
random addition finds outside m_A was trained for other tickets or, outside all masks, by the warm start alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy import stats

from rtl_core.audit.evaluate import evaluation_set, headline, own_answers, paired_change
from rtl_core.data.dataset import Split
from rtl_core.errors import BadInput
from rtl_core.learning.batchnorm_recalibration import NormBatches, with_statistics
from rtl_core.learning.subsets import ticket_subsets
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.rng import numpy_generator
from rtl_core.statistics.intervals import LEVEL
from rtl_core.tasks.task import Task
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.pruning import dead_layers
from rtl_core.tickets.ticket_set import TicketSet


def exchange(
    trained: TrainedTickets,
    a: str,
    b: str,
    layers: Collection[str] | None = None,
    draws: int = 5,
    split: Split = "test",
) -> pd.DataFrame:
    """One row per variant of ticket `a`'s mask, "own" first.

    layers  where the masks may change (None: everywhere); elsewhere ticket `a` keeps its own
    draws   random masks per variant; 0: no control

    Columns: variant, kept (weights), dead_layers (names of those with nothing kept), n (rows), metric (its name),
    value, low, high; difference to "own", diff_low, diff_high (units resampled, both masks on the same rows);
    logit_change (mean absolute), decisions_changed (share of the rows whose credit, or most likely answer, is another);
    control_mean over the random masks, and between control_low and control_high one more random mask would lie with
    95 % probability. NaN where undefined: intervals without spread, the control of "own".

    BadInput: a ticket or layer that is not there, the same ticket twice, no rows of ticket `a` in the split.
    """
    _check(trained.tickets, a, b, layers)
    return under_masks(trained, a, variants(trained.tickets, a, b, layers), ("exchange", a, b), draws, split)


def under_masks(
    trained: TrainedTickets,
    ticket: str,
    masks: Mapping[str, np.ndarray],
    purpose: Sequence[str],
    draws: int,
    split: Split,
) -> pd.DataFrame:
    """One row per variant of a ticket's mask, with the columns of `exchange`.

    masks    variant -> bool (N,); "own", the ticket's own mask, comes first
    purpose  names of what the masks are for: the random controls of different purposes are different draws
    """
    tickets, dataset, task, seed = trained.tickets, trained.dataset, trained.task, trained.seed
    k, layout = tickets.names.index(ticket), tickets.layout
    eval_set = evaluation_set(dataset, trained.partition, task, split)
    among = eval_set.judged(k)
    if not among.any():
        raise BadInput(f"the {split} split has no rows for ticket '{ticket}'; choose a split that has some")
    own_subnetwork, subset = trained.subnetworks[k], ticket_subsets(dataset, trained.partition, task)[k]
    batches = NormBatches(subset, trained.batches, seed)  # the very rows that the ticket's own statistics came from
    network, truth, units = trained.network, eval_set.truth(k, among), eval_set.units[among]

    def answers(mask: np.ndarray) -> np.ndarray:
        subnetwork = own_subnetwork
        if not np.array_equal(mask, own_subnetwork.mask):
            masked = replace(own_subnetwork, mask=mask)
            subnetwork = with_statistics(network, masked, layout, dataset.inputs, batches)
        return own_answers(network, subnetwork, layout, eval_set, k)

    def value_of(given: np.ndarray) -> tuple[float, float, float]:
        return headline(task, given, truth, units, dataset.classes)

    own = answers(masks["own"])
    rows = []
    for variant, mask in masks.items():
        given = own if variant == "own" else answers(mask)
        streams = [numpy_generator(seed, *purpose, variant, i) for i in range(draws if variant != "own" else 0)]
        control = [value_of(answers(at_random(masks["own"], mask, layout, stream)))[0] for stream in streams]
        (value, low, high), (diff_low, diff_high) = (
            value_of(given),
            paired_change(task, (own, given), truth, units, seed, purpose[0]),
        )
        control_mean, control_low, control_high = _spread(control)
        rows.append(
            {
                "variant": variant,
                "kept": int(mask.sum()),
                "dead_layers": dead_layers(mask, layout),
                "n": len(own),
                "metric": task.headline.name,
                "value": value,
                "low": low,
                "high": high,
                "difference": value - value_of(own)[0],
                "diff_low": diff_low,
                "diff_high": diff_high,
                "logit_change": float(np.abs(given - own).mean(dtype=np.float64)),
                "decisions_changed": float((_decisions(task, given, truth) != _decisions(task, own, truth)).mean()),
                "control_mean": control_mean,
                "control_low": control_low,
                "control_high": control_high,
            }
        )
    return pd.DataFrame(rows)


def variants(tickets: TicketSet, a: str, b: str, layers: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Variant -> bool (N,): ticket `a`'s mask with weights exchanged in the layers, as the module says."""
    own, other = (tickets.masks()[tickets.names.index(name)] for name in (a, b))
    masks = {"own": own, "added": own | other, "removed": own & other, "swapped": other}
    open_to = np.zeros(tickets.n, bool)
    for layer, span in tickets.layout.slices().items():
        open_to[span] = layers is None or layer in layers
    return {variant: np.where(open_to, mask, own) for variant, mask in masks.items()}


def at_random(own: np.ndarray, variant: np.ndarray, layout: Layout, generator: np.random.Generator) -> np.ndarray:
    """`own`, bool (N,), less and plus as many weights of every layer as `variant` removes and adds, drawn at random."""
    drawn = own.copy()
    for span in layout.slices().values():
        removed = int((own[span] & ~variant[span]).sum())
        added = int((variant[span] & ~own[span]).sum())
        drawn[span.start + generator.choice(np.flatnonzero(own[span]), removed, replace=False)] = False
        drawn[span.start + generator.choice(np.flatnonzero(~own[span]), added, replace=False)] = True
    return drawn


def _check(tickets: TicketSet, a: str, b: str, layers: Collection[str] | None) -> None:
    for name in (a, b):
        if name not in tickets.names:
            raise BadInput(f"there is no ticket '{name}'; there are: {', '.join(tickets.names)}")
    if a == b:
        raise BadInput(f"ticket '{a}' has nothing to exchange with itself; name another ticket")
    for layer in layers or ():
        if layer not in tickets.layout.names:
            raise BadInput(f"there is no layer '{layer}'; the prunable layers are: {', '.join(tickets.layout.names)}")


def _decisions(task: Task, answers: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(n,) the likeliest of the possible answers, or, where they are not a few, what each answer is worth."""
    return task.credit(answers, truth) if task.log_p is None else task.log_p(answers).argmax(axis=1)


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): where one more draw of a share would lie, by Student's prediction interval."""
    n = len(values)
    if n == 0:
        return np.nan, np.nan, np.nan
    mean = float(np.mean(values))
    if n < 2 or np.ptp(values) == 0:
        return mean, np.nan, np.nan
    half = stats.t.ppf(0.5 + LEVEL / 2, n - 1) * np.std(values, ddof=1) * np.sqrt(1 + 1 / n)
    return mean, max(mean - float(half), 0.0), min(mean + float(half), 1.0)
