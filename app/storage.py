"""What storage buys: the methods of a run by the kilobytes that they store, and recipes measured over seeds."""

from __future__ import annotations

import json
from itertools import cycle
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import cache, charts, colours, demonstration, nav, panels, tasks, terms
from app.charts import calm, error_bars
from app.colours import Tone
from app.markdown import plain
from rtl_core.config import parse
from rtl_core.display_names import method_words
from rtl_core.errors import BadInput
from rtl_core.runs.store import project_root
from rtl_core.runs.stored_methods import stored_methods
from rtl_core.studies.benchmark import as_run
from rtl_core.studies.frontier import Frontier, Lead, Point, lead, read

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run
    from rtl_core.tickets.storage import Stored

RESULTS = project_root() / "docs" / "results" / "frontier.json"
ODDS = "_odds"  # ends the name of a method that reads another one's mask in a second way
HELP = (
    "Prunable weights at 4 bytes each, and masks in the smaller of two packings: a bit per weight for each mask, or "
    "the bits of their union and within it a bit per weight for each mask. A kilobyte is 1,000 bytes."
)


def draw(run: Run, methods: pd.DataFrame, metric: str) -> None:
    """Both charts of the Overview page: of this run, and of recipes over seeds where these data were measured."""
    frame = of_methods(run, methods)
    if not frame.empty:
        st.space("small")
        panels.chart(
            title(frame, metric),
            figure(frame, metric, colours.tone()),
            frame.drop(columns="method"),
            f"A dot is a method of this run with its 95 % interval. {HELP}",
            "storage",
        )
    frontier = _frontier(run.config.data.spec)
    if frontier is not None:
        _recipes(frontier)


def of_methods(run: Run, methods: pd.DataFrame) -> pd.DataFrame:
    """The methods of a run with the weights and kilobytes that they store, the smallest first."""
    try:
        stored = _stored(run)
    except BadInput as error:
        st.warning(plain(f"{error}."))
        return methods.head(0)
    kept = methods[[name.removesuffix(ODDS) in stored for name in methods.method]]
    each = [stored[name.removesuffix(ODDS)] for name in kept.method]
    frame = kept.assign(weights=[one.weights for one in each], kilobytes=[one.kilobytes for one in each])
    return frame.sort_values("kilobytes", ignore_index=True)


@cache.of_run(kind=st.cache_data, max_entries=16, show_spinner="Counting what every method stores")
def _stored(run: Run) -> dict[str, Stored]:
    return stored_methods(run)


def title(frame: pd.DataFrame, metric: str) -> str:
    """What the tickets reach with their kilobytes, beside the dense network that trained as long, or any dense one."""
    rows = {row.method: row for row in frame.itertuples()}
    own, dense = rows.get("rtl"), rows.get("dense_same_total", rows.get("dense"))
    if own is None:
        return "What the methods of this run store"
    reached = f"{_size(own.kilobytes)} of tickets reach {tasks.value(metric, getattr(own, metric))}"
    if dense is None:
        return reached
    return f"{reached}, {_size(dense.kilobytes)} of a dense network {tasks.value(metric, getattr(dense, metric))}"


def _size(kilobytes: float) -> str:
    return terms.size(1000 * kilobytes)


def figure(frame: pd.DataFrame, metric: str, tone: Tone) -> go.Figure:
    """The metric against stored kilobytes, a dot a method."""
    rows = frame.assign(value=frame[metric], details=[f"{terms.count(n)} weights" for n in frame.weights])
    return _dots(rows, metric, "on test data", tone)


@charts.kept
def _dots(rows: pd.DataFrame, metric: str, of: str, tone: Tone) -> go.Figure:
    """Kilobytes on a log scale against values with their intervals; every method has a mark of its own, and the tickets
    their colour. rows: method, label, value, low, high, kilobytes, details (the first line of a dot's hover text)."""
    scale, symbols, drawn = tasks.scale(metric), cycle(_SYMBOLS), go.Figure()
    for method in sorted(rows.method.unique(), key=lambda method: method != "rtl"):
        mine, own = rows[rows.method == method], method == "rtl"
        value, colour = scale * mine.value, colours.TICKETS[0] if own else tone.muted
        drawn.add_scatter(
            x=mine.kilobytes,
            y=value,
            name=method_words(method)[0],
            mode="markers",
            marker={"size": 12 if own else 8, "color": colour, "symbol": "diamond" if own else next(symbols)},
            error_y=error_bars(value, scale * mine.low, scale * mine.high, color=colour, thickness=1.2, width=3),
            customdata=mine[["label", "details"]].to_numpy(),
            hovertemplate=f"%{{customdata[0]}}<br>%{{y:.1f}} {tasks.unit(metric)}<br>%{{customdata[1]}}, %{{x:,.1f}} KB"
            "<extra></extra>",
        )
    reach = (rows.kilobytes.min(), rows.kilobytes.max())
    shown = _ticks(*reach)
    drawn.update_xaxes(type="log", tickvals=shown, ticktext=[f"{tick:,g}" for tick in shown], zeroline=False)
    drawn.update_xaxes(title="stored, kilobytes (log scale)")
    drawn.update_yaxes(title=f"{tasks.title_of(metric)} {of}, {tasks.unit(metric)}", zeroline=False)
    drawn.update_layout(legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
    return calm(drawn, height=460)


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers of a log scale around what is drawn: three at least, of the coarsest steps that give so many."""
    for steps in ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(1 + i / 4 for i in range(36))):
        ticks = [step * 10.0**power for power in range(-3, 8) for step in steps]
        shown = [tick for tick in ticks if low / 1.1 <= tick <= 1.1 * high]
        if len(shown) > 2:
            return shown
    return sorted({low, high})


_SYMBOLS = ("circle", "square", "triangle-up", "x", "circle-open", "square-open", "triangle-up-open", "cross", "star")


@st.cache_resource(show_spinner=False)  # frozen, and read only
def _frontiers(changed: int) -> list[Frontier]:
    return read(RESULTS)


def _frontier(spec: str) -> Frontier | None:
    """The study of these data; None where there is none, or where its file cannot be read."""
    if not RESULTS.exists():
        return None
    try:
        known = _frontiers(RESULTS.stat().st_mtime_ns)
    except BadInput as error:
        st.warning(plain(f"{error}."))
        return None
    return next((one for one in known if one.data == spec), None)


def _recipes(frontier: Frontier) -> None:
    """The study's points; one that is clicked, or chosen below, shows its settings and can be trained."""
    points = [*frontier.tickets, *shown_controls(frontier)]
    labels = [label(point) for point in points]
    st.space("small")
    st.subheader(plain(study_title(frontier)), anchor=False)
    charts.show(
        study_figure(frontier, points, colours.tone()),
        key="storage-study",
        on_select=lambda: _take(labels),
        selection_mode="points",
    )
    panels.reading(
        f"{frontier.title[0].upper()}{frontier.title[1:]}, means over {len(frontier.seeds)} seeds with 95 % intervals, "
        f"all at the same total steps (python -m benchmarks.frontier).{against_one_mask(frontier)} "
        "Click a point for its settings.",
        pd.DataFrame([_numbers(point) for point in points]),
        "storage-study",
    )
    chosen = st.selectbox("A point's settings", range(len(points)), format_func=labels.__getitem__, key="storage-point")
    _settings(frontier, points[chosen])


def _take(labels: list[str]) -> None:
    picked = st.session_state["storage-study"].selection.points
    if picked and picked[0]["customdata"][0] in labels:
        st.session_state["storage-point"] = labels.index(picked[0]["customdata"][0])


def shown_controls(frontier: Frontier) -> list[Point]:
    """Every control at each density; the dense network once, as no density changes it."""
    controls = [p for p in frontier.points if p.method not in ("rtl", "dense_same_total")]
    return [*controls, frontier.dense]


def label(point: Point) -> str:
    """How a point is called where one is chosen."""
    title_ = method_words(point.method)[0]
    if point.method == "dense_same_total":
        return title_
    recipe = f", {point.recipe}" if point.recipe else ""
    return f"{title_} at {terms.density(point.density)}{recipe}: {_size(point.kilobytes)}"


def study_title(frontier: Frontier) -> str:
    """The smallest tickets that are not told apart from the dense network, as a ratio."""
    least, dense = frontier.level_with_dense(), frontier.dense
    if least is None:
        return "What storage buys: no tickets measured here reach the dense network of the same total steps"
    weights, kilobytes = dense.weights / least.weights, dense.kilobytes / least.kilobytes
    return (
        f"What storage buys: tickets not told apart from the dense network store {weights:.1f} times fewer weights, "
        f"{kilobytes:.1f} times fewer kilobytes with their masks"
    )


def study_figure(frontier: Frontier, points: list[Point], tone: Tone) -> go.Figure:
    """All recipes of the tickets, and the controls, over seeds."""
    rows = [
        {
            "method": point.method,
            "label": label(point),
            "value": point.mean,
            "low": point.interval[0],
            "high": point.interval[1],
            "kilobytes": point.kilobytes,
            "details": f"{terms.count(point.weights)} weights, {terms.count(point.used)} for an input",
        }
        for point in points
    ]
    return _dots(pd.DataFrame(rows), frontier.metric, "over seeds", tone)


def against_one_mask(frontier: Frontier) -> str:
    """How the tickets stand beside the best mask of the same storage, which uses all of it for every input."""
    leads = [
        f"{_written(lead(own, mask), frontier.metric)} at {terms.density(density)} density"
        for density in frontier.densities
        if (own := frontier.of("rtl", density)) and (mask := frontier.best_one_mask(density))
    ]
    return f" Tickets less one mask of the same storage: {terms.listed(leads)}." if leads else ""


def _numbers(point: Point) -> dict[str, Any]:
    low, high = point.interval
    return {
        "method": method_words(point.method)[0],
        "recipe": point.recipe,
        "density": point.density,
        "mean": point.mean,
        "low": low,
        "high": high,
        "n": len(point.values),
        "weights": point.weights,
        "kilobytes": point.kilobytes,
        "weights for an input": point.used,
        "steps": point.total_steps,
    }


def _settings(frontier: Frontier, point: Point) -> None:
    """What the point is, how it stands beside the dense network, and the way to train it."""
    st.markdown(plain(sentence(frontier, point)))
    st.code(f"python -m rtl_core {command(frontier, point)}", language="shell")
    demonstration.costly_button(
        "Train this on the Train page", "train-point", lambda: _prepare(frontier, point), demonstration.NOT_TRAINED
    )
    if st.session_state.pop("train_point", False):
        st.switch_page(nav.TRAIN)


def sentence(frontier: Frontier, point: Point) -> str:
    metric = frontier.metric
    reached = (
        f"{label(point)} · {tasks.value(metric, point.mean)} over {len(point.values)} seeds · "
        f"{terms.count(point.weights)} stored weights, {terms.count(point.used)} of them for an input · "
        f"{point.total_steps} steps for every subset"
    )
    if point.method == "dense_same_total":
        return reached
    return f"{reached} · less the dense network {_written(lead(point, frontier.dense), metric)}"


def command(frontier: Frontier, point: Point) -> str:
    """What measures the point again, over its seeds and with the controls."""
    density, *others = (one.removeprefix("density=") for one in reversed(point.settings))
    given = "".join(f" --set {one}" for one in reversed(others))
    return f"benchmark {frontier.benchmark} --densities {density}{given}"


def _written(gap: Lead, metric: str) -> str:
    """A difference with its interval, all three signed."""
    ends = [tasks.difference(metric, end) for end in (gap.low, gap.high)]
    return f"{tasks.difference(metric, gap.difference)} ({ends[0]} to {ends[1]})"


def _prepare(frontier: Frontier, point: Point) -> None:
    """Puts the point's settings into the form of the Train page."""
    controls = [] if point.method == "rtl" else [point.method.removesuffix(ODDS)]
    values = as_run(frontier.benchmark, (*point.settings, f"controls={json.dumps(controls)}"))
    st.session_state["draft"] = parse(values).model_dump(mode="json")
    st.session_state["draft_version"] = st.session_state.get("draft_version", 0) + 1
    st.session_state["train_point"] = True
