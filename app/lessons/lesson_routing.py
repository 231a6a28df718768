"""Lesson: deliver ten pictures to five tickets by hand, beside the gate, and see what a wrong delivery costs."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np
import streamlit as st

from app import colours, terms
from app.lessons import domains_sample, frame, lesson_routing_results, pictures
from app.lessons.lesson import Lesson
from app.lessons.lesson_routing_results import BUDGETS, Delivery
from app.markdown import plain
from app.routing.view import View
from app.segmented import one_of
from rtl_core.rng import numpy_generator

if TYPE_CHECKING:
    from rtl_core.audit.accuracy_cost import AtBudget

ROUNDS = 10
_PAGE = """<style>
.post-letter img { width: 196px; image-rendering: pixelated; border-radius: 8px; display: block; }
.post-done { display: grid; grid-template-columns: repeat(10, minmax(0, 1fr)); gap: .7rem; }
.post-done figure { margin: 0; font-size: .82rem; line-height: 1.35; overflow-wrap: anywhere; }
.post-done img { width: 100%; image-rendering: pixelated; border-radius: 6px; border-bottom: 6px solid; }
.post-done :is(img, strong, span) { display: block; }
@media (max-width: 1100px) { .post-done { grid-template-columns: repeat(5, minmax(0, 5.6rem)); } }
</style>"""


def play() -> bool:
    below = st.container()
    with frame.settings():
        seed = frame.number(
            "Luck (which ten pictures)",
            0,
            999,
            0,
            key="post-seed",
            width=220,
            help=terms.GLOSSARY["seed"],
            on_change=frame.keep,
            args=("post-to", None),
        )
    with below:
        return _tell(domains_sample.view(), seed)


def _tell(seen: View, seed: int) -> bool:
    st.html(_PAGE)
    frame.prose(
        "One [[network]] holds five [[tickets|ticket]]: each keeps some of its [[weights|weight]] and learned to name "
        f"clothes in one [[domain]]: {terms.listed(list(seen.names))}. A picture does not say where it belongs, so "
        "somebody must choose which ticket gets it. In the network a [[gate]] does. Now you do, too.\n\n"
        "The pictures you get are [[test pictures|test data]]. Whiskers and brackets are 95 % [[intervals|interval]]."
    )
    frame.step(1, f"Deliver {ROUNDS} pictures")
    letters = drawn(len(seen.eval_set.rows), seed)
    sent = delivered(frame.state("post-to", ""), len(seen.names))
    if len(sent) < ROUNDS:
        _letter(seen, letters[len(sent)], sent)
    if sent:
        st.html(_done(seen, letters, sent))
    if len(sent) < ROUNDS:
        return False
    _score(seen, letters, sent)
    frame.step(2, "Pay less for the answers")
    _budget(seen)
    frame.step(3, "An eleventh picture: your own")
    _own(seen)
    return True


def drawn(n: int, seed: int) -> np.ndarray:
    """int64 (ROUNDS,): which of n test pictures are delivered by hand."""
    return numpy_generator(seed, "pictures to deliver").choice(n, ROUNDS, replace=False)


def delivered(written: str, k: int) -> list[int]:
    """The tickets chosen so far, from the digits in the address; what is damaged counts as not yet played."""
    sent = []
    for digit in written[:ROUNDS]:
        if not ("0" <= digit <= "9" and int(digit) < k):
            break
        sent.append(int(digit))
    return sent


def _letter(seen: View, position: int, sent: list[int]) -> None:
    """The picture of this round, and a button per ticket."""
    x = pictures.address(seen.dataset.x[seen.eval_set.rows[position]])
    palette = colours.of_tickets(len(seen.names))
    rules = "".join(
        f".st-key-post-{k} button {{ border-left: 6px solid {colour}; }}" for k, colour in enumerate(palette)
    )
    st.html(f"<style>{rules}</style>")
    with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
        with st.container(width=200):
            st.html(f'<div class="post-letter"><img src="{x}" alt="Picture {len(sent) + 1}, enlarged"></div>')
        with st.container(width=320):
            st.markdown(f"Picture {len(sent) + 1} of {ROUNDS}: which ticket gets it?")
            with st.container(horizontal=True, gap="small"):
                so_far = "".join(map(str, sent))
                for k, name in enumerate(seen.names):
                    st.button(plain(name), key=f"post-{k}", on_click=frame.keep, args=("post-to", f"{so_far}{k}"))


def _done(seen: View, letters: np.ndarray, sent: list[int]) -> str:
    """The pictures delivered so far: whose they are, and who knew."""
    palette, figures = colours.of_tickets(len(seen.names)), ""
    for position, yours in zip(letters, sent, strict=False):
        own, gate = int(seen.eval_set.subset[position]), int(seen.ticket[position])
        choices = "".join(
            f"<span>{who} {'✓' if choice == own else f'✗ {escape(seen.names[choice])}'}</span>"
            for who, choice in (("you", yours), ("gate", gate))
        )
        x = pictures.address(seen.dataset.x[seen.eval_set.rows[position]])
        figures += (
            f'<figure><img src="{x}" alt="" style="border-color: {palette[own]}">'
            f"<figcaption><strong>{escape(seen.names[own])}</strong>{choices}</figcaption></figure>"
        )
    return f'<div class="post-done">{figures}</div>'


def _score(seen: View, letters: np.ndarray, sent: list[int]) -> None:
    """Both scores, and what a wrong delivery costs."""
    delivered = lesson_routing_results.of_view(seen)
    own = seen.eval_set.subset[letters]
    yours, gates = int((own == sent).sum()), int((own == seen.ticket[letters]).sum())
    cost = seen.routed.choice.macs / (seen.routed.choice.macs + seen.full_cost)
    frame.surprise(finding(yours, gates, delivered, cost))
    frame.plot(lesson_routing_results.answered(delivered, colours.tone()), "post-answered", 310)
    st.caption(
        f"n = {terms.count(delivered.n)} test pictures; for the lower two lines the {terms.count(delivered.misrouted)} "
        "that the gate misroutes. Whiskers are 95 % intervals."
    )
    frame.prose(wrong_delivery(delivered))
    frame.side_note(
        f"What counts here are [[multiply-adds|multiply-add]] with weights that are kept: "
        f"{terms.count(seen.routed.choice.macs)} for the gate, {terms.count(seen.full_cost)} for the ticket that "
        "answers. The gate does not look at clothes: it sees how bright and how rough the picture is, place by place."
    )


def finding(yours: int, gates: int, delivered: Delivery, cost: float) -> str:
    """The surprise, in the notation of `frame.prose`; cost: the gate's share of the computing."""
    hits = terms.interval([delivered.hits.low, delivered.hits.high])
    return (
        f"You delivered {yours} of {ROUNDS} rightly, the gate {gates}. Of {terms.count(delivered.n)} it delivers "
        f"**{terms.percent(delivered.hits.value)}** rightly ({hits}), for **{terms.percent(cost)}** of the "
        "computing that an answer takes."
    )


def wrong_delivery(delivered: Delivery) -> str:
    """What a wrong ticket costs one picture, and what the gate's mistakes cost all of them."""
    return (
        f"A wrong ticket is no small matter: it names {terms.percent(delivered.wrong.value, 0)} of the pictures "
        f"rightly, their own {terms.percent(delivered.own.value, 0)}. Of the {terms.count(delivered.misrouted)} that "
        f"the gate misroutes {terms.percent(delivered.lost.value, 0)} are named rightly; their own ticket would have "
        f"named {terms.percent(delivered.lost_own.value, 0)}. Yet they are few, so all of the gate's mistakes cost "
        f"**{100 * (delivered.own.value - delivered.gate.value):.1f} points** of [[accuracy]]."
    )


def _budget(seen: View) -> None:
    """The switch, and what each of its places buys."""
    target = seen.run.tickets.target
    frame.prose(
        f"Each ticket keeps {terms.density(target.density)} of the weights, and there are lighter tickets that keep "
        "only some of these. Set a [[budget]]: what a picture may cost on average, in "
        "[[multiply-adds|multiply-add]]."
    )
    if not frame.reveal("post-lighter", "Give the gate lighter tickets"):
        return
    chosen = one_of("Budget", BUDGETS, key="post-budget")
    points = lesson_routing_results.points(seen)
    frame.plot(lesson_routing_results.bought(points, chosen, colours.tone()), "post-bought", 300)
    frame.prose(bought(points, chosen, [level.density for level in seen.routing.offered.levels]))
    st.caption(
        f"n = {terms.count(points[chosen].n)} test pictures, delivered by the gate; whiskers are "
        "95 % intervals. Fewer multiply-adds are not yet less time: that needs software that skips what is left out."
    )


def bought(points: dict[str, AtBudget], chosen: str, densities: list[float]) -> str:
    """What the chosen budget gives whom, and what it costs in accuracy."""
    full, at = points["100 %"], points[chosen]
    given = [
        f"{terms.count(n)} pictures get a ticket that keeps {terms.density(density)}"
        for density, n in zip(densities, at.levels, strict=True)
        if n
    ]
    less = "" if at is full else f", {terms.points(at.accuracy - full.accuracy)} against the whole budget"
    share = f"**{terms.percent(at.accuracy)}** ({terms.interval(at.ci.accuracy)})"
    return f"For {chosen}, {terms.listed(given)}: {share} are named rightly{less}."


def _own(seen: View) -> None:
    offered, _ = domains_sample.to_choose_from(seen)
    picture = pictures.own_picture("post-own", offered)
    if picture is None:
        return
    guess = frame.guess("post-eleventh", "Which ticket gets it?", seen.names)
    if guess is None:
        return
    explained = domains_sample.reason(seen, picture)
    answered = [seen.dataset.classes[answer] for answer in explained.answer]
    st.html(
        domains_sample.bars([(k, seen.names[k], answered[k], float(p)) for k, p in enumerate(explained.probability)])
    )
    sent = seen.names[int(explained.probability.argmax())]
    frame.prose(
        f"You send it to {guess}, the gate to **{sent}**. A bar is the share that the gate gives to a ticket; before "
        "it stands what the ticket would say."
    )
    if pictures.chosen_row("post-own", offered) is None:
        frame.prose(
            "Nobody knows who is right: your picture is from none of the five domains. The gate shares out 100 % all "
            "the same, whatever it is shown."
        )


LESSON = Lesson(
    slug="post",
    question="Who gets the post?",
    promise="You will deliver ten pictures by hand, against the network's own postman.",
    minutes=6,
    trains=False,
    pictures=True,
    take_home="Specialists need someone who sends each input to the right one: cheap to have, costly to get wrong.",
    play=play,
)
