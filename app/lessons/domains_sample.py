"""The five tickets of the sample `domains`: their view, pictures to ask them about, and their answers as bars."""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from app import cache, colours, terms
from app.routing.choice_reason import Reason
from app.routing.view import View, routing_of
from rtl_core.data.dataset import Dataset
from rtl_core.runs import store
from rtl_core.statistics.estimates import Estimate

OF_CLASS = 2  # pictures of each class to choose from: with ten classes each of the five domains comes four times
STYLE = """<style>
.five { display: grid; grid-template-columns: max-content max-content 1fr max-content; gap: .5rem 1rem;
  align-items: center; line-height: 1.4; margin: 0; }
.five i { display: block; height: 1.05rem; border-radius: 3px; min-width: 2px; }
.five span:nth-child(4n) { font-variant-numeric: tabular-nums; text-align: right; }
</style>"""


def view() -> View:
    """The sample with its gate; its tickets have answered every test picture."""
    return View(routing_of(cache.load_run(store.samples()["domains"])), "gate")


@cache.of_run(View, max_entries=2, show_spinner=False)
def to_choose_from(seen: View) -> tuple[Dataset, np.ndarray]:
    """Test pictures of every class, of one domain after the other, and (n,) the ticket that each one is for.

    `pictures.own_picture` offers the first test pictures of a class, which here are all of one domain.
    """
    eval_set, dataset = seen.eval_set, seen.dataset
    places = []
    for i in range(OF_CLASS * len(dataset.classes)):
        c, k = i // OF_CLASS, i % len(seen.names)
        among = np.flatnonzero((eval_set.y == c) & (eval_set.subset == k))
        places.append(among[i % len(among)])  # not the same piece of clothing twice
    rows = eval_set.rows[places]
    some = replace(
        dataset,
        x=dataset.x[rows],
        y=dataset.y[rows],
        attributes=dataset.attributes.iloc[rows].reset_index(drop=True),
        split=dataset.split[rows],
        unit=dataset.unit[rows],
    )
    return some, eval_set.subset[places]


@cache.of_run(View, max_entries=2, show_spinner=False)
def right(seen: View) -> np.ndarray:
    """bool (K, n): whether each ticket answers each test picture rightly."""
    return seen.routing.answers.credit


def reason(seen: View, picture: np.ndarray) -> Reason:
    """What gate and tickets make of a picture float32 (c, h, w) in [0, 1]."""
    return seen.reason_for(np.rint(255 * picture[None]).astype(np.uint8))


def answers(seen: View, answer_reason: Reason, tickets: range) -> str:
    """HTML: what some tickets say of a picture, each with a bar as long as its confidence."""
    predicted = [seen.dataset.classes[answer] for answer in answer_reason.answer]
    return bars([(k, seen.names[k], predicted[k], float(answer_reason.confidence[k])) for k in tickets])


def bars(rows: list[tuple[int, str, str, float]]) -> str:
    """HTML, a line per ticket in its colour: (ticket, its name, what stands before the bar, share in [0, 1])."""
    palette = colours.of_tickets(len(colours.TICKETS))
    cells = "".join(
        f"<span>{escape(name)}</span><strong>{escape(predicted)}</strong>"
        f'<i style="width: {100 * share:.1f}%; background: {palette[k]}"></i><span>{terms.percent(share, 0)}</span>'
        for k, name, predicted, share in rows
    )
    return f'{STYLE}<div class="five">{cells}</div>'


def whisker(estimates: list[Estimate], colour: str) -> dict[str, Any]:
    """Plotly's error bars in percent, from each value to the ends of its interval."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [100 * (one.high - one.value) for one in estimates],
        "arrayminus": [100 * (one.value - one.low) for one in estimates],
        "color": colour,
        "thickness": 1.6,
        "width": 5,
    }
