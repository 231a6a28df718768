"""The small multiples: the input, then one tile a network with its map, its answer and the verdict on the map."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import colours, terms
from app.attribution import heatmaps
from app.attribution.view import View
from app.colours import Tone

if TYPE_CHECKING:
    from rtl_core.runs.attribution import Checked

VERDICTS = {"ok": "✓ trust within limits", "doubtful": "? doubtful", "do not trust": "✕ do not trust"}
_CLASSES = {"ok": "ok", "doubtful": "doubtful", "do not trust": "bad"}
_CONTROLS = {"dense": "dense control", "random mask": "random mask"}  # how `beside` names them: how they are called
_NO_BREAK = "\u00a0"


def called(name: str) -> str:
    """How tiles and charts call a network."""
    return _CONTROLS.get(name, name)


def palette(view: View, tone: Tone) -> dict[str, str]:
    """Network -> colour: the tickets' own, and grey for what they are compared with."""
    names = view.run.tickets.names
    return dict(zip(names, colours.of_tickets(len(names)), strict=True)) | dict.fromkeys(_CONTROLS, tone.muted)


def draw(view: View, checks: Mapping[str, Checked]) -> None:
    """The tiles under one colour scale; tickets without an entry in `checks` are not checked yet."""
    comparison, tone, fills = view.side_by_side, colours.tone(), palette(view, colours.tone())
    named, of = view.explained_names(), view.task.explained_as
    pictures = _maps(view, tone) if view.kind.maps else dict.fromkeys(comparison.names, "")
    tiles = [_input_tile(view)] if view.kind.maps else []
    for i, name in enumerate(comparison.names):
        number, sure = f"{comparison.maps.output[i]:+.2f}".replace("-", "−"), view.explained.subject.sure
        reached = terms.percent(float(comparison.confidence[i])) if sure else number
        answer = f"{named[i]} {reached.replace(' ', _NO_BREAK)}"
        control = name in _CONTROLS
        notes = [f"{of} {comparison.maps.output[i]:+.2f}" if sure else of, view.against]
        if control:
            notes.append(f"beside {view.compared}")
        elif view.dead(name):
            notes.append("dead: it says the same to every input")
        elif name == view.chosen.subset:
            notes.append("of its own subset")
        verdict = "" if control else _verdict(checks.get(name))
        tiles.append(tile(fills[name], called(name), pictures[name], answer, notes, verdict))
    st.html(f'<div class="lab-maps">{"".join(tiles)}</div>')
    if view.kind.maps:
        _scale(view, tone)


def _maps(view: View, tone: Tone) -> dict[str, str]:
    """Network -> the <img> of its map."""
    comparison = view.side_by_side
    planes = heatmaps.planes(comparison.maps.attributions, view.signed)
    limits = heatmaps.limits(planes, view.shared)
    drawn = {}
    for name, plane, limit in zip(comparison.names, planes, limits, strict=True):
        if view.opacity is None:
            pixels = heatmaps.alone(plane, limit, view.signed, tone)
        else:
            pixels = heatmaps.over(view.chosen.x[0], plane, limit, view.signed, view.opacity, tone)
        drawn[name] = img(pixels, f"Map of {called(name)} for {view.chosen.called}")
    return drawn


def img(pixels: np.ndarray, alt: str) -> str:
    return f'<img src="{heatmaps.address(pixels)}" alt="{escape(alt)}">'


def _input_tile(view: View) -> str:
    if view.chosen.truth:
        truth = f"truly {view.chosen.truth}"
    else:
        truth = "its class is not known" if view.explained.subject.sure else ""
    picture = img(view.kind.picture(view.chosen.x[0]), f"The input: {view.chosen.called}")
    return tile("rgba(128,138,148,.6)", "the input", picture, truth, [view.chosen.called], "")


def tile(colour: str, title: str, picture: str, answer: str, notes: list[str], verdict: str = "") -> str:
    small = "<br>".join(escape(note) for note in notes)
    return (
        f'<div class="lab-map" style="--ticket: {colour}"><div class="title">{escape(title)}</div>{picture}'
        f'<div class="answer">{escape(answer)}</div><div class="small">{small}</div>{verdict}</div>'
    )


def _verdict(checked: Checked | None) -> str:
    if checked is None:
        return '<div class="lab-verdict">… not checked yet</div>'
    badge = f'<div class="lab-verdict {_CLASSES[checked.verdict]}">{VERDICTS[checked.verdict]}</div>'
    return badge if checked.verdict == "ok" else f'{badge}<div class="small">{escape(checked.reason)}</div>'


def _scale(view: View, tone: Tone) -> None:
    """The colour scale with its ends in numbers, or that every map has its own."""
    planes = heatmaps.planes(view.side_by_side.maps.attributions, view.signed)
    limit = heatmaps.limits(planes, True)[0]
    ends = (f"−{limit:.2g}", f"+{limit:.2g}") if view.signed else ("0", f"{limit:.2g}")
    if not view.shared:
        ends = ("−", "+") if view.signed else ("0", "most")
    reading = "against the answer · for the answer" if view.signed else "nothing · much"
    same = "the same scale on every map" if view.shared else "every map on a scale of its own: compare shapes only"
    st.html(
        f'<div class="lab-key"><span>{ends[0]} '
        f'<i class="ramp" style="background: {heatmaps.gradient(view.signed, tone)}">'
        f"</i> {ends[1]} and beyond</span><span>{reading}</span><span>{same}</span></div>"
    )
