"""Routing gap and decomposition: is a group sent to a worse ticket, and is a gap inside tickets or between them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from app import colours, panels
from app.fairness import findings, run_predictions
from app.fairness.interval_chart import Series, intervals
from app.fairness.records import flat, of_difference
from app.fairness.view import Audit, called
from app.frames import frame
from rtl_core.audit.fairness.routing_gap import decomposition
from rtl_core.errors import BadInput

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run

_TERMS = {"gap": "the whole gap", "within": "inside tickets", "between": "who is sent where"}


def routing(run: Run, audit: Audit, metric: str) -> None:
    """Each group by the ticket that it was given against the best other one, on the same rows."""
    records = frame(run_predictions.extra(run, audit, "routing"))
    names = {called(ticket) for ticket in audit.strata}
    records = records[records.ticket.map(called).isin(names)]
    shown = records[records.lead_over_best.notna()].reset_index(drop=True)
    if shown.empty:
        raise BadInput("No group here is large enough to ask whether another ticket would serve it better.")
    palette = dict(zip(run.tickets.names, colours.of_tickets(run.tickets.k), strict=True))
    tone = colours.tone()
    decides = audit.predictions.decides
    another = "are right in another ticket only" if decides else "more by the best ticket of each row"
    rows = of_difference(
        shown,
        "lead_over_best",
        metric,
        note=lambda row: f"<br>{findings.value(metric, row.another_right)} {another}",
    )
    by = "decided rightly by the ticket given" if decides else f"{findings.lower(audit.term(metric)[0])} by its ticket"
    panels.chart(
        findings.routing_title(shown, metric),
        intervals(
            [
                Series(called(t), palette.get(t, tone.text), rows[shown.ticket.map(called) == called(t)])
                for t in audit.strata
            ],
            f"{by}, less by the best other one, {findings.unit_of_difference(metric)}",
            tone,
        ),
        flat(records),
        "Right of 0, the group's own ticket serves its rows better than any other single ticket; left of 0, another "
        "would have served it better. The best other one is chosen on one half of the rows and measured on the "
        "other.",
        "routing",
    )


def decomposed(run: Run | None, audit: Audit, metric: str) -> None:
    """The gap of every group as the sum of what happens inside tickets and of who is sent where."""
    rate = audit.rate(metric)
    records = _decomposed(audit)
    shown = records[(records.metric == rate) & records.gap.notna()].reset_index(drop=True)
    if shown.empty:
        raise BadInput("No group here is large enough for its gap to be divided.")
    tone, who = colours.tone(), "people" if audit.predictions.decides else "rows"
    look = zip(
        _TERMS.items(),
        (tone.text, tone.diverging[-1], tone.diverging[0]),
        ("circle", "square", "diamond"),
        strict=True,
    )
    panels.chart(
        findings.decomposition_title(shown, audit.term(rate)[0]),
        intervals(
            [Series(name, colour, of_difference(shown, term, rate), symbol) for (term, name), colour, symbol in look],
            f"gap to the reference in {findings.lower(audit.term(rate)[0])}, {findings.unit_of_difference(rate)}",
            tone,
        ),
        flat(records.drop(columns="tickets")),
        f"Inside tickets: {who} of both groups that have the same ticket are treated differently. Who is sent where: "
        "the groups are spread differently over tickets that decide differently. Both add up to the gap; neither "
        "says why.",
        "parts",
    )


def _decomposed(audit: Audit) -> pd.DataFrame:
    if len(audit.predictions.tickets) < 2:
        raise BadInput("All rows have the same ticket, so a gap has no part between tickets.")
    records = []
    for grouping, reference in zip(audit.divided, audit.references, strict=True):
        records += decomposition(audit.predictions, grouping, grouping.names.index(reference))
    return frame(records)
