"""What swapping two tickets does to each one's own pictures, and how many weights the two have in common."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app import cache, colours, terms
from app.colours import Tone
from app.lessons import domains_sample
from app.routing.view import View
from rtl_core.statistics.clustered_rows import Units
from rtl_core.statistics.estimates import Estimate, proportion
from rtl_core.statistics.intervals import bootstrap_ratios

_STYLE = """<style>
.many-weights { display: flex; height: 1.6rem; gap: 2px; }
.many-weights i { border-radius: 3px; }
.many-said { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; margin: .5rem 0 0; }
.many-said i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin-right: .45em; }
</style>"""


@dataclass(frozen=True)
class Swapped:
    """What happens on one ticket's own pictures when another ticket answers them.

    n                    pictures
    own, other           share answered rightly by the pictures' own ticket and by the other one
    loss, low, high      own less other, with its 95 % interval: both answered the same pictures
    """

    n: int
    own: Estimate
    other: Estimate
    loss: float
    low: float
    high: float


@cache.of_run(View, kind=st.cache_data, max_entries=32, show_spinner=False)
def of_pair(seen: View, a: int, b: int) -> tuple[Swapped, Swapped]:
    """On a's own pictures, and on b's."""
    right, eval_set = domains_sample.right(seen), seen.eval_set
    own = {k: eval_set.subset == k for k in (a, b)}
    return tuple(swapped(right[:, own[k]], eval_set.units[own[k]], k, other) for k, other in ((a, b), (b, a)))


def swapped(right: np.ndarray, units: np.ndarray, k: int, other: int) -> Swapped:
    """right bool (K, n): who answers each of ticket k's own pictures rightly; units (n,): which are independent."""
    of, all_rows = Units.from_ids(units), np.ones(len(units), bool)
    own, theirs = (proportion(right[i], all_rows, of) for i in (k, other))
    low, high = bootstrap_ratios(right[k].astype(float) - right[other], units, seed=0, names=("many", k, other))
    return Swapped(len(units), own, theirs, own.value - theirs.value, float(low[0]), float(high[0]))


def least_lost(right: np.ndarray, subset: np.ndarray) -> tuple[int, int, float]:
    """The pair of tickets that loses least by being swapped, and the mean of its two losses.

    right bool (K, n) over all pictures; subset (n,): whose own each picture is
    """
    k = len(right)
    accuracy = np.stack([right[:, subset == own].mean(axis=1) for own in range(k)])  # (own pictures, who answers)
    losses = np.diag(accuracy)[:, None] - accuracy
    mean = {(a, b): float(losses[a, b] + losses[b, a]) / 2 for a, b in combinations(range(k), 2)}
    a, b = min(mean, key=mean.__getitem__)
    return a, b, mean[a, b]


def refitted(seen: View, k: int, other: int) -> Estimate:
    """Accuracy on ticket k's own pictures with the other's mask and norm statistics measured anew on k's."""
    value, low, high = _exchanged(seen, k, other)
    return Estimate(value, low, high, np.zeros(0))


@cache.of_run(View, kind=st.cache_data, max_entries=32, show_spinner="Measuring the statistics anew")
def _exchanged(seen: View, k: int, other: int) -> tuple[float, float, float]:
    from rtl_core.audit.mask_exchange import exchange

    trained = seen.routing.opened.trained_tickets
    exchanged = exchange(trained, seen.names[k], seen.names[other], draws=0).set_index("variant")
    return tuple(float(exchanged.loc["swapped", name]) for name in ("value", "low", "high"))


def dots(
    seen: View, pair: tuple[int, int], both: tuple[Swapped, Swapped], refitted: list[Estimate], tone: Tone
) -> go.Figure:
    """One line per subset and answering ticket, own first; the dot has the answering ticket's colour."""
    a, b = pair
    palette, figure, order = colours.of_tickets(len(seen.names)), go.Figure(), []
    for i, (k, other) in enumerate(((a, b), (b, a))):
        theirs = f"{seen.names[other]}’s"
        lines = [
            (k, "own ticket", both[i].own, "circle"),
            (other, f"{theirs} ticket", both[i].other, "diamond"),
        ]
        if refitted:
            lines.append((other, f"{theirs} mask, scaled anew", refitted[i], "diamond-open"))
        for ticket, who, estimates, symbol in lines:
            order.append(f"<b>{seen.names[k]}</b> pictures<br>{who}")
            figure.add_scatter(
                x=[100 * estimates.value],
                y=order[-1:],
                mode="markers+text",
                text=[f"{100 * estimates.value:.1f}"],
                textposition="top center",
                textfont={"color": tone.text},
                marker={"size": 13, "color": palette[ticket], "symbol": symbol, "line": {"width": 2}},
                error_x=domains_sample.whisker([estimates], palette[ticket]),
                hovertemplate=f"%{{x:.1f}} % of {both[i].n:,}<extra></extra>",
            )
    guessing = 100 / len(seen.dataset.classes)
    figure.add_vline(x=guessing, line={"color": tone.muted, "width": 1.2, "dash": "dot"})
    figure.add_annotation(
        x=guessing,
        y=1,
        yref="paper",
        yanchor="bottom",
        text="guessing by lot",
        showarrow=False,
        font={"color": tone.muted},
    )
    figure.update_xaxes(title="named rightly on test pictures, %", range=[0, 100], zeroline=False)
    figure.update_yaxes(
        categoryorder="array", categoryarray=order[::-1], range=[-0.5, len(order) - 0.35], ticklabelstandoff=8
    )
    return figure.update_layout(showlegend=False)


def weights(seen: View, a: int, b: int) -> str:
    """The weights that either of two tickets keeps, as a bar."""
    masks, palette = seen.run.tickets.masks(), colours.of_tickets(len(seen.names))
    pieces = (
        (int((masks[a] & ~masks[b]).sum()), palette[a], f"{seen.names[a]} alone"),
        (int((masks[a] & masks[b]).sum()), colours.tone().muted, "both"),
        (int((masks[b] & ~masks[a]).sum()), palette[b], f"{seen.names[b]} alone"),
    )
    bar = "".join(f'<i style="flex: {n}; background: {colour}"></i>' for n, colour, _ in pieces)
    legend = "".join(
        f'<span><i style="background: {colour}"></i>{terms.count(n)}: {who}</span>' for n, colour, who in pieces
    )
    kept = f'<div class="many-weights" aria-hidden="true">{bar}</div><p class="many-said">Weights kept by {legend}</p>'
    return _STYLE + kept
