"""Lesson: which map lies? Tell the map of a trained network from that of one that knows nothing, then ask a score."""

from __future__ import annotations

from html import escape

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from app import charts, colours, terms
from app.attribution import heatmaps, tiles
from app.colours import Tone
from app.kinds import pixels
from app.lessons import frame, pictures
from app.lessons import lesson_sanity_scores as scores
from app.lessons.lesson import Lesson
from app.lessons.lesson_sanity_scores import METHODS, Compared
from app.markdown import plain
from rtl_core.rng import numpy_generator
from rtl_core.statistics.intervals import paired_t

EACH = 3  # pictures a method
ROUNDS = tuple(method for method in METHODS for _ in range(EACH))
SIDES = "AB"
_PICKS = "lying_map-picks"
_COLOURS = dict(zip(METHODS, (colours.TICKETS[1], colours.TICKETS[2]), strict=True))
_PAGE = """<style>
.map-row { display: flex; flex-wrap: wrap; gap: .8rem 1.2rem; align-items: flex-start; margin: .2rem 0; }
.map-row figure { margin: 0; width: var(--side, 190px); }
.map-row.small { --side: 76px; gap: .5rem .6rem; }
.map-row img { width: 100%; image-rendering: pixelated; border-radius: 6px; display: block; }
.map-row figcaption { font-size: .95rem; line-height: 1.35; margin-top: .35rem; }
.map-row.small figcaption { font-size: .84rem; }
.map-row .learned img { outline: 3px solid light-dark(#1F6F8B, #5FB6D0); outline-offset: 1px; }
.map-key i { display: inline-block; width: 7rem; height: .7rem; border-radius: 3px; margin: 0 .5rem;
  vertical-align: -.05rem; }
.map-results { display: flex; flex-wrap: wrap; gap: .7rem 2.2rem; }
</style>"""


def play() -> bool:
    st.html(_PAGE)
    frame.prose(
        "An [[attribution]] is a map: it colours each pixel by how much it spoke for a [[network]]'s answer, or "
        "against it. Here are two such maps of the same picture. One comes from a network that was trained to tell "
        "clothes apart. The other comes from the same network after the [[weights|weight]] of each [[layer]] were "
        "shuffled: it knows nothing any more.\n\n"
        f"Two methods draw the maps, for {EACH} pictures each: [[guided backpropagation]] and [[integrated gradients]]."
    )
    frame.step(1, "Which map comes from the trained network?")
    picks = frame.state(_PICKS, "")
    picks = picks[: len(ROUNDS)] if set(picks) <= set(SIDES) else ""
    if len(picks) < len(ROUNDS):
        _ask(picks)
        return False
    _results(picks)
    frame.step(2, "Now let a score look")
    frame.prose(
        "The score puts the pixels of both maps in order, from those most against the answer to those most for it, "
        "and asks how similar the two orders are: their [[rank correlation]]. A map that explains the network must "
        "change when the network forgets. Whiskers and brackets are 95 % [[intervals|interval]]."
    )
    if not frame.reveal("lying_map-scored", "Compare the maps"):
        return False
    _score()
    frame.step(3, "Your own picture, and both methods checked")
    _own()
    return True


def order(seed: int = 0) -> list[tuple[int, str]]:
    """For each round the place of its picture among those shown, and the side on which the trained network's map is."""
    draws = numpy_generator(seed, "which map lies")
    places = draws.permutation(scores.N)[: len(ROUNDS)]
    return [(int(place), SIDES[draws.integers(2)]) for place in places]


def hits(picks: str, method: str) -> int:
    """How many of a method's rounds were picked rightly."""
    return sum(pick == side for pick, (_, side), of in zip(picks, order(), ROUNDS, strict=True) if of == method)


def _ask(picks: str) -> None:
    """One round: the picture, two maps, two buttons. Whether a pick was right is told after the last one."""
    at = len(picks)
    place, learned = order()[at]
    method, tone = ROUNDS[at], colours.tone()
    compared_maps, row = scores.compared(method), scores.shown().rows[place]
    maps = {learned: compared_maps.learned[place], _other(learned): compared_maps.shuffled[place]}
    shown = [_figure(pixels(scores.dataset().x[row]), "The picture")]
    shown += [_figure(_painted(maps[side], tone), f"Map {side}") for side in SIDES]
    frame.prose(f"Picture {at + 1} of {len(ROUNDS)}, maps by [[{METHODS[method].lower()}]].")
    st.html(f'<div class="map-row">{"".join(shown)}</div>{_key(tone)}')
    with st.container(horizontal=True):
        for side in SIDES:
            st.button(
                plain(f"Map {side} is from the trained network"),
                key=f"lying_map-{side}",
                on_click=frame.keep,
                args=(_PICKS, picks + side),
            )


def _results(picks: str) -> None:
    """All rounds with the trained network's map framed, and how often it was found."""
    tone, shown = colours.tone(), scores.shown()
    for method, title in METHODS.items():
        compared_maps, groups = scores.compared(method), []
        for pick, (place, side), of in zip(picks, order(), ROUNDS, strict=True):
            if of != method:
                continue
            groups.append(
                '<div class="map-row small">'
                + _figure(pixels(scores.dataset().x[shown.rows[place]]), "picture")
                + _figure(_painted(compared_maps.learned[place], tone), "trained", "learned")
                + _figure(
                    _painted(compared_maps.shuffled[place], tone), "knows nothing" + ("" if pick == side else " ← you")
                )
                + "</div>"
            )
        st.html(
            f"<p><strong>{title}</strong>: you found the trained network {hits(picks, method)} of {EACH} times</p>"
            f'<div class="map-results">{"".join(groups)}</div>'
        )
    learned, shuffled = (terms.percent(share, 0) for share in shown.accuracy)
    frame.prose(
        f"Tossing a coin finds {EACH / 2:g} of {EACH}. On {len(shown.rows)} [[test pictures|test data]] the trained "
        f"network is right in {learned}, the shuffled one in {shuffled}; its maps look no less careful."
    )
    st.button("Play again from the first picture", key="lying_map-again", type="tertiary", on_click=_again)


def _again() -> None:
    for key in (_PICKS, "lying_map-scored"):
        frame.keep(key, None)


def _score() -> None:
    from rtl_core.audit.attribution.verdict import SHUFFLED_BAD

    by_method = {method: scores.compared(method) for method in METHODS}
    unchanged = {method: int((one.curve.mean(axis=1) > SHUFFLED_BAD).sum()) for method, one in by_method.items()}
    guided, integrated = METHODS
    frame.surprise(
        f"Guided backpropagation hardly asks what the network has learned: **{unchanged[guided]} of {scores.N}** of "
        f"its maps stay similar while the network forgets. Of integrated gradients' maps, **{unchanged[integrated]} of "
        f"{scores.N}** do."
    )
    frame.plot(figure(by_method, SHUFFLED_BAD, colours.tone()), "lying_map-curves", 300)
    st.caption(
        f"Mean over {scores.N} pictures with its 95 % interval. Above the dashed line, on average over the layers, a "
        "map counts as one that does not depend on what was learned."
    )
    ends = {method: _description(one.curve[:, -1]) for method, one in by_method.items()}
    frame.prose(
        f"With all layers shuffled, maps by [[guided backpropagation]] still have a rank correlation of {ends[guided]} "
        f"with those of the trained network, and maps by [[integrated gradients]] one of {ends[integrated]}."
    )
    sizes = _description(by_method[integrated].by_size)
    frame.prose(
        "Why is it so hard to see? Look at the maps by integrated gradients again: both show the garment. That shape "
        "comes from the picture, since black pixels get nothing from any network. Leave out whether a "
        f"pixel speaks for or against, and the rank correlation of the two maps is {sizes}. What the network adds is "
        "which pixels speak for and which against, and that is what the eye passes over."
    )
    frame.side_note(
        "Adebayo and others found this in 2018 (“Sanity Checks for Saliency Maps”). The score is no proof either: a "
        "map that depends on the network may still be wrong about it. The Attribution page has further checks."
    )


def _description(values: np.ndarray) -> str:
    """A mean with its interval."""
    mean, low, high, _, n = paired_t(values)
    text = f"**{mean:.2f}** ({low:.2f} to {high:.2f}, n\u00a0=\u00a0{n})"
    return text.replace("-", "−")


def figure(by_method: dict[str, Compared], limit: float, tone: Tone) -> go.Figure:
    """Rank correlation with the trained network's map as layer after layer forgets, from the answer down."""
    drawn = go.Figure()
    for method, one in by_method.items():
        mean, low, high = np.array([paired_t(column)[:3] for column in one.curve.T]).T
        at = np.arange(1, len(mean) + 1)
        drawn.add_scatter(
            x=np.r_[0, at],
            y=np.r_[1, mean],
            mode="lines+markers",
            line={"color": _COLOURS[method], "width": 2.4},
            marker={"size": 9},
            error_y=charts.error_bars(np.r_[0, mean], np.r_[0, low], np.r_[0, high]),
            hovertemplate=f"{METHODS[method]}: %{{y:.2f}}<extra></extra>",
        )
        drawn.add_annotation(
            x=at[-1],
            y=mean[-1],
            text=METHODS[method],
            xanchor="right",
            yanchor="bottom",
            yshift=12,
            showarrow=False,
            font={"color": tone.text},
        )
    drawn.add_hline(limit, line={"color": tone.muted, "dash": "dash", "width": 1.2})
    drawn.update_xaxes(title="layers shuffled, from the answer down", dtick=1, zeroline=False)
    drawn.update_yaxes(title="rank correlation", range=[-0.25, 1.08], zeroline=True)
    return drawn.update_layout(showlegend=False)


def _own() -> None:
    picture = pictures.own_picture("lying_map-own", scores.dataset())
    if picture is None:
        st.info("Choose, draw or upload a picture to see its maps.")
        return
    tone = colours.tone()
    for method, title in METHODS.items():
        compared_maps, checked, answer = scores.of_picture(method, picture)
        kind = {"ok": "ok", "doubtful": "doubtful"}.get(checked.verdict, "bad")
        st.html(
            f"<p><strong>{title}</strong>: why “{escape(answer)}”?</p>"
            '<div class="map-row" style="--side: 132px">'
            + _figure(_painted(compared_maps.learned[0], tone), "trained", "learned")
            + _figure(_painted(compared_maps.shuffled[0], tone), "knows nothing")
            + f'<div style="flex: 1 1 12rem"><div class="lab-verdict {kind}">{tiles.VERDICTS[checked.verdict]}</div>'
            f"<p>{escape(checked.reason)}</p></div></div>"
        )
    st.html(_key(tone))


def _painted(attributions: np.ndarray, tone: Tone) -> np.ndarray:
    """uint8 (h, w, 3): a map (c, h, w) on a scale of its own."""
    plane = heatmaps.planes(attributions[None], signed=True)
    return heatmaps.alone(plane[0], heatmaps.limits(plane, shared=False)[0], signed=True, tone=tone)


def _figure(pixels: np.ndarray, caption: str, kind: str = "") -> str:
    return f'<figure class="{kind}">{tiles.img(pixels, caption)}<figcaption>{caption}</figcaption></figure>'


def _key(tone: Tone) -> str:
    ramp = f'<i style="background: {heatmaps.gradient(True, tone)}"></i>'
    return f'<p class="map-key learn-note">against the answer {ramp} for it</p>'


def _other(side: str) -> str:
    return SIDES.replace(side, "")


LESSON = Lesson(
    slug="lying_map",
    question="Which map lies?",
    promise="You will tell the maps of a trained network from those of one that knows nothing.",
    minutes=7,
    trains=False,
    pictures=True,
    take_home="A beautiful map proves nothing: ask whether it changes when the network forgets.",
    play=play,
)
