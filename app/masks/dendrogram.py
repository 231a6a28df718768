"""Similar tickets: a dendrogram and a map. A click on a ticket selects it on all pages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, panels, session, terms
from app.charts import calm
from app.colours import Tone
from app.markdown import plain
from app.masks import findings
from app.masks.view import View
from app.segmented import one_of
from rtl_core.errors import BadInput
from rtl_core.overlap.clustering import Tree

_NAMED = 120  # tickets up to which leaves bear their names
_LABELLED = 40  # tickets up to which points of the map do: more would cover each other
_METHODS = {"PCA": "pca", "UMAP": "umap"}
_STAYS = {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {"opacity": 1}}}  # a click fades nothing


def leaves(view: View) -> tuple[int, ...]:
    """Tickets in the order of the tree at their own density, so that it stays while the density is changed."""
    return tuple(int(k) for k in view.at_target().tree.leaves)


def draw(view: View) -> None:
    if np.isnan(view.compared.measures.excess).all():
        st.info(plain(f"Every mask is full or empty{view.where} at this density: nothing tells tickets apart."))
        return
    tree = view.tree
    st.subheader(plain(findings.tree_title(tree, view.where)), anchor=False)
    _selectable(_dendrogram(tree, view, colours.tone()), view.names, "tree")
    panels.reading(
        "Tickets that join far to the right are most similar. Where two branches join is their mean distance, 1 − "
        "excess over chance: 1 is chance. Click a name's dot to select the ticket.",
        pd.DataFrame(tree.linkage, columns=["first", "second", "distance", "tickets"]),
        "tree",
    )
    st.space("small")
    _map(view)


def _selectable(figure: go.Figure, names: tuple[str, ...], key: str) -> None:
    """A figure whose points bear a ticket's place among `names` as the first of their customdata."""
    charts.show(figure, key=key, on_select=lambda: _take_ticket(names, key), selection_mode="points")


def _take_ticket(names: tuple[str, ...], key: str) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points and points[0].get("customdata"):
        st.session_state["ticket"] = names[int(points[0]["customdata"][0])]


def _dendrogram(tree: Tree, view: View, tone: Tone) -> go.Figure:
    """Branches to the left, tickets on the right, in their colours."""
    names = [view.names[k] for k in tree.leaves]
    x, y = _branches(tree)
    figure = go.Figure()
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines",
        line={"color": tone.muted, "width": 1.6 if len(names) <= _NAMED else 0.5},
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_vline(x=1, line={"color": tone.text, "dash": "dot", "width": 1})
    figure.add_scatter(
        x=[0] * len(names),
        y=list(range(len(names))),
        mode="markers+text" if len(names) <= _NAMED else "markers",
        text=names,
        textposition="middle right",
        cliponaxis=False,
        marker=_marker(view, [int(k) for k in tree.leaves], tone, 13 if len(names) <= _LABELLED else 8),
        customdata=[[int(k), view.names[k]] for k in tree.leaves],
        hovertemplate="%{customdata[1]}<extra></extra>",
        showlegend=False,
        **_STAYS,
    )
    figure.update_xaxes(title="distance, 1 − excess over chance (dotted: chance)", autorange="reversed", zeroline=False)
    figure.update_yaxes(visible=False, range=[len(names) - 0.4, -0.6])
    longest = max(map(len, names)) if len(names) <= _NAMED else 2
    rows = min(1_600, (26 if len(names) <= _LABELLED else 13) * len(names))
    calm(figure, height=90 + max(170, rows))
    return figure.update_layout(margin={"r": 24 + 8 * min(longest, 30)})


def _branches(tree: Tree) -> tuple[list[float | None], list[float | None]]:
    """The segments of all branches as one line with gaps: distance across, leaves down."""
    x: list[float | None] = []
    y: list[float | None] = []
    for places, heights in tree.segments:
        x += [*map(float, heights), None]
        y += [*map(float, places), None]
    return x, y


def _marker(view: View, tickets: list[int], tone: Tone, size: int) -> dict[str, Any]:
    """Dots in the tickets' colours; the selected one has a ring."""
    palette, chosen = colours.of_tickets(view.tickets.k), session.chosen_ticket(view.names)
    return {
        "size": size,
        "color": [palette[k] for k in tickets],
        "line": {"color": tone.text, "width": [3 if k == chosen else 0 for k in tickets]},
    }


def _map(view: View) -> None:
    method = one_of(
        "Map by",
        _METHODS,
        key="map",
        help="PCA: distances as faithful as two axes allow, with the share that they show. UMAP: who is near whom; "
        "distances between groups mean little.",
    )
    try:
        points, share = view.map_of_masks(_METHODS[method])
    except BadInput as error:
        st.info(plain(terms.sentence(str(error))))
        return
    st.subheader(plain(findings.map_title(method, share)), anchor=False)
    _selectable(_scatter(points, view, method, colours.tone()), view.names, "mask-map")
    panels.reading(
        "A point is a ticket; near points keep the same weights. The axes themselves mean nothing. Click a point to "
        "select the ticket.",
        points,
        "map",
    )


def _scatter(points: pd.DataFrame, view: View, method: str, tone: Tone) -> go.Figure:
    figure, places = go.Figure(), [view.names.index(name) for name in points.name]
    figure.add_scatter(
        x=points.x,
        y=points.y,
        mode="markers+text" if len(points) <= _LABELLED else "markers",
        text=points.name,
        textposition=_name_positions(points),
        marker=_marker(view, places, tone, 14 if len(points) <= _LABELLED else 9),
        customdata=[*zip(places, points.name, strict=True)],
        hovertemplate="%{customdata[1]}<extra></extra>",
        showlegend=False,
        **_STAYS,
    )
    axis = {
        "zeroline": False,
        "showgrid": False,
        "showticklabels": False,
        "showline": True,
        "mirror": True,
        "linecolor": tone.muted,
    }
    reach = 1.15 * float(np.abs(points[["x", "y"]] - points[["x", "y"]].mean()).to_numpy().max() or 1.0)
    middle = points[["x", "y"]].mean()
    figure.update_xaxes(title=f"{method} axis 1", range=[middle.x - reach, middle.x + reach], **axis)
    figure.update_yaxes(title=f"{method} axis 2", range=[middle.y - reach, middle.y + reach], scaleanchor="x", **axis)
    return calm(figure, height=460)


def _name_positions(points: pd.DataFrame) -> list[str]:
    """Where each name stands: on the side of its point that the nearest other point is not on."""
    places = points[["x", "y"]].to_numpy()
    apart = np.linalg.norm(places[:, None] - places[None, :], axis=2)
    np.fill_diagonal(apart, np.inf)
    below = places[apart.argmin(axis=1), 1] <= places[:, 1]
    return np.where(below, "top center", "bottom center").tolist()
