"""Lesson: when is a gap a gap? Groups made by lot, audited again and again, and then a real one."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from plotly.subplots import make_subplots

from app import charts, colours, terms
from app.colours import Tone
from app.fairness.interval_chart import Series, intervals
from app.lessons import frame, lesson_significance_draws
from app.lessons.lesson import Lesson
from app.lessons.lesson_significance_draws import DRAWS, LARGE, SIZES
from app.markdown import plain
from rtl_core.audit.fairness.group_metrics import RANKED, SHOWN
from rtl_core.statistics.intervals import wilson

SMALL, *_, LARGEST = SIZES
GUESSES = ("None", "1 in 20", "1 in 5", "Half", "Nearly all")
ENOUGH = 5  # presses, before the thousand draws are offered
_SHOWN = 30  # of the draws, the last ones
_STYLE = """<style>
.noise-people { font-size: 1.12rem; line-height: 1.7; margin: 0; }
.noise-people > span { letter-spacing: .12em; padding: 0 .5em; white-space: nowrap; }
</style>"""


def play() -> bool:
    below = st.container()
    with frame.settings():
        label, about = "Luck (seed of all draws)", terms.GLOSSARY["seed"]
        seed = frame.number(label, 0, 999, 0, key="noise-seed", width=220, help=plain(about))
    with below:
        return _tell(seed)


def _tell(seed: int) -> bool:
    frame.prose(
        "A [[network]] reads a census table and says who earns more than 50,000 dollars a year. Suppose that a yes "
        f"is a loan. You audit it on {SMALL} people: half of them are [[group]] A, half group B, and you compare "
        "how often it says yes. But the groups are made **by lot**. Whatever difference you find, there is none."
    )
    frame.step(1, "Guess first")
    frame.prose(
        f"If A gets a yes in 33 % of cases and B in 20 %, the [[gap]] is 13 points. How often will a gap between two "
        f"random groups of {SMALL // 2} be above {LARGE} points, one way or the other?"
    )
    guess = frame.guess("noise-guess", f"Gaps above {LARGE} points", GUESSES)
    if guess is None:
        return False
    frame.step(2, f"Audit {SMALL} people, and then others, and count")
    if not _pressing(seed):
        return False
    frame.step(3, f"The same {DRAWS:,} times, with more people")
    if not frame.reveal("noise-many", f"Do it {DRAWS:,} times"):
        return False
    _many(seed, guess)
    frame.step(4, "And a gap between groups that no lot has made")
    _real(seed)
    return True


def _pressing(seed: int) -> bool:
    """The draws so far; whether there are enough of them."""
    presses = min(max(frame.state("noise-presses", 0), 0), DRAWS)
    st.button(
        f"Another {SMALL} people" if presses else f"Audit {SMALL} people",
        key="noise-another",
        type="secondary" if presses >= ENOUGH else "primary",
        on_click=frame.keep,
        args=("noise-presses", presses + 1),
    )
    if not presses:
        return False
    so_far = lesson_significance_draws.by_lot(SMALL, seed)[:presses]
    last, large, out = so_far.iloc[-1], int(so_far.large.sum()), int(so_far.beyond.sum())
    half = SMALL // 2
    st.html(_STYLE + _people("A", int(last.yes_a), half) + _people("B", int(last.yes_b), half))
    frame.prose(
        f"A gap of **{terms.points(last.gap)}**. So far **{large} of {presses}** "
        f"{'gap is' if presses == 1 else 'gaps are'} above {LARGE} points."
    )
    frame.plot(_strip(so_far[-_SHOWN:], colours.tone()), "noise-strip", 300)
    frame.prose(
        f"The whisker is the 95 % [[interval]]: where the true gap plausibly lies. It leaves out zero in **{out} of "
        f"{presses}**."
    )
    if presses < ENOUGH:
        st.caption(plain(f"Press on: {ENOUGH - presses} more at least."))
    return presses >= ENOUGH


def _people(group: str, yes: int, n: int) -> str:
    dots = f'<span style="color: {colours.TICKETS[0]}">{"●" * yes}</span>{"○" * (n - yes)}'
    caption = f"{yes} of {n} get a yes: {terms.percent(yes / n, 0)}"
    return f'<p class="noise-people">Group {group} <span aria-hidden="true">{dots}</span> {caption}</p>'


def _strip(draws: pd.DataFrame, tone: Tone) -> go.Figure:
    """One draw beside the other, with their intervals; gaps that are large stand out by shape and colour."""
    figure = go.Figure()
    figure.add_hrect(y0=-LARGE, y1=LARGE, fillcolor=tone.muted, opacity=0.16, line_width=0)
    for large, colour, symbol in ((False, tone.muted, "circle"), (True, colours.TICKETS[1], "diamond")):
        rows = draws[draws.large == large]
        figure.add_scatter(
            x=rows.index + 1,
            y=100 * rows.gap,
            mode="markers",
            name=f"above {LARGE} points" if large else f"up to {LARGE} points",
            marker={"size": 12 if large else 9, "color": colour, "symbol": symbol},
            error_y=charts.error_bars(rows.gap, rows.low, rows.high, 100, color=colour, thickness=1.6, width=4),
            customdata=100 * rows[["low", "high"]],
            hovertemplate="audit %{x}<br>gap %{y:+.1f} points, interval %{customdata[0]:+.1f} to "
            "%{customdata[1]:+.1f}<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": tone.text, "width": 1.2})
    first = int(draws.index[0]) + 1
    figure.update_xaxes(
        title="audit", range=[first - 0.6, max(first + 9, int(draws.index[-1]) + 1) + 0.6], tickformat="d"
    )
    figure.update_yaxes(title="A less B, points", range=[-75, 75], zeroline=False)
    figure.update_layout(legend={"orientation": "h", "y": 1, "yanchor": "bottom", "x": 0})
    return figure


def _many(seed: int, guess: str) -> None:
    draws = {n: lesson_significance_draws.by_lot(n, seed) for n in SIZES}
    share = {n: float(draw.large.mean()) for n, draw in draws.items()}
    frame.surprise(
        f"With {SMALL} people **{terms.percent(share[SMALL], 0)}** of the gaps are above {LARGE} points, though there "
        f"is none. With {LARGEST:,} people **{terms.percent(share[LARGEST], 0)}** are. You said: {guess.lower()}."
    )
    frame.plot(_histograms(draws, share, colours.tone()), "noise-many", 430)
    low, high = wilson(draws[SMALL].large.sum(), DRAWS)
    st.caption(
        f"{DRAWS:,} audits of each size, the groups made by lot among "
        f"{terms.count(lesson_significance_draws.people())} people that took no part in "
        f"training. The {terms.percent(share[SMALL], 0)} itself is known to {terms.interval([low, high], 0)}."
    )
    out = terms.listed([f"{terms.percent(draw.beyond.mean())} at {n:,}" for n, draw in draws.items()])
    frame.prose(
        f"The interval told you so. It left out zero in only {out} people: it is made to err about 5 times in 100, "
        f"however few people there are. And the app does not rank a group of fewer than {RANKED} people, and shows no "
        f"figure at all under {SHOWN}."
    )


def _histograms(draws: dict[int, pd.DataFrame], share: dict[int, float], tone: Tone) -> go.Figure:
    figure = make_subplots(
        rows=len(draws),
        shared_xaxes=True,
        vertical_spacing=0.11,
        subplot_titles=[f"{n:,} people: {terms.percent(share[n])} above {LARGE} points" for n in draws],
    )
    for row, (n, draw) in enumerate(draws.items(), 1):
        width = 200 / n if n < LARGEST else 1.0  # points; with few people only every so many are possible
        for large, colour in ((False, tone.muted), (True, colours.TICKETS[1])):
            figure.add_histogram(
                x=100 * draw.gap[draw.large == large],
                xbins={"start": -60 - width / 2, "end": 60 + width / 2, "size": width},
                marker_color=colour,
                hovertemplate="gap about %{x:.0f} points<br>%{y} audits<extra></extra>",
                row=row,
                col=1,
            )
    figure.update_annotations(xanchor="left", x=0)
    figure.update_xaxes(range=[-60, 60], zeroline=False)
    figure.update_xaxes(title="gap between two random groups, points", row=len(draws), col=1)
    figure.update_yaxes(showticklabels=False, zeroline=False, showgrid=False)
    figure.update_layout(showlegend=False, barmode="overlay", bargap=0.05)
    return figure


def _real(seed: int) -> None:
    frame.prose("The same network, the same question, but A are women and B are men. First with few, then with all.")
    gaps = lesson_significance_draws.real(seed)
    known = gaps[gaps.status != "refused"]
    rows = pd.DataFrame(
        {
            "place": [f"{row.n:,} people" for row in known.itertuples()],
            "value": 100 * known.gap.astype(float),
            "low": 100 * known.low.astype(float),
            "high": 100 * known.high.astype(float),
            "hollow": known.status != "ok",
            "text": [terms.points(gap) for gap in known.gap],
            "hover": [
                f"{row.denominator:,} women, {row.reference_denominator:,} men<br>95 % interval "
                f"{terms.points(row.low)} to {terms.points(row.high)}"
                for row in known.itertuples()
            ],
            "key": known.index,
        }
    )
    title = "share of yes among women less among men, points"
    frame.plot(intervals([Series("gap", colours.TICKETS[0], rows)], title, colours.tone()), "noise-real", 290)
    few = [
        f"With {row.n:,} people there are {row.denominator:,} women and {row.reference_denominator:,} men: "
        f"{'too few for any figure' if row.status == 'refused' else 'too few to rank, so the dot is hollow'}."
        for row in gaps[gaps.status != "ok"].itertuples()
    ]
    st.caption(plain(" ".join(["The whisker is the 95 % interval.", *few])))
    whole = gaps.iloc[-1]
    verdict = "leaves out zero: this gap is no luck of the draw" if whole.beyond else "holds zero: it may be chance"
    frame.prose(
        f"Over all {whole.n:,} people the gap is **{terms.points(whole.gap)}**, with an interval from "
        f"{terms.points(whole.low)} to {terms.points(whole.high)} ({whole.denominator:,} women and "
        f"{whole.reference_denominator:,} men). It {verdict}. That it is there does not say why."
    )
    frame.side_note(
        "Look at twenty gaps where there is none, and about one interval leaves out zero. So the Fairness page tests "
        "all that you ask together, as its [[adjusted p]]."
    )


LESSON = Lesson(
    slug="noise",
    question="When is a gap a gap?",
    promise="You will audit a network on two groups between which there is no difference, and find one.",
    minutes=7,
    trains=False,
    pictures=False,
    take_home="Before you believe a gap, look at its interval and at how many people it counts.",
    play=play,
)
