"""Lesson: five tickets on the same weights, asked about one picture, and what happens when two of them are swapped."""

from __future__ import annotations

import streamlit as st

from app import colours, terms
from app.lessons import domains_sample, frame, lesson_five_tickets_swap, pictures
from app.lessons.lesson import Lesson
from app.lessons.lesson_five_tickets_swap import Swapped
from app.markdown import plain
from app.routing.view import View
from rtl_core.statistics.estimates import Estimate


def play() -> bool:
    seen = domains_sample.view()
    names, kept = seen.names, seen.run.tickets.masks()
    frame.prose(
        f"One [[network]] has {terms.count(seen.run.tickets.n)} [[weights|weight]]. A [[mask]] says which of them take "
        f"part, and here are five masks that keep {terms.count(kept[0].sum())} each. Such a mask is called a "
        "[[ticket]]. All five learned to name the same clothes, but each saw them in another [[domain]]: "
        f"{terms.listed(list(names))}. A weight that two tickets keep is the same number in both."
    )
    frame.step(1, "Show one picture to two tickets, then to five")
    if not _ask(seen):
        return False
    frame.step(2, "Swap two tickets")
    pair = _pair(names)
    if pair is None or not frame.reveal("many-swapped", "Swap these two"):
        return False
    _swap(seen, *pair)
    return True


def _ask(seen: View) -> bool:
    """The tickets' answers to a picture; whether the learner has said which ticket it is for."""
    offered, own = domains_sample.to_choose_from(seen)
    picture = pictures.own_picture("many-own", offered)
    if picture is None:
        return False
    all_five = frame.state("many-five", False)
    st.html(
        domains_sample.answers(seen, domains_sample.reason(seen, picture), range(len(seen.names) if all_five else 2))
    )
    frame.prose("The bar is the ticket's [[confidence]] in its answer. The weights are the same, the masks are not.")
    if not frame.reveal("many-five", "Ask all five"):
        return False
    guess = frame.guess("many-for", "Which ticket is this picture for?", seen.names)
    if guess is None:
        return False
    row = pictures.chosen_row("many-own", offered)
    if row is None:
        frame.prose(f"You said {guess}. Nobody knows: your picture is from none of the five domains.")
    else:
        shown = f"it shows “{offered.classes[offered.y[row]]}”"
        frame.prose(f"You said {guess}. The picture is **{seen.names[own[row]]}**, and {shown}.")
    return True


def _pair(names: tuple[str, ...]) -> tuple[int, int] | None:
    """The two tickets to swap, in their own order; None unless there are two."""
    chosen = st.pills(
        "Pick the two that will lose least by it",
        names,
        format_func=plain,
        selection_mode="multi",
        default=[name for name in names if name in frame.state("many-pair", "").split("-")],
        key="many-picked",
        on_change=lambda: frame.keep("many-pair", "-".join(st.session_state["many-picked"]) or None),
    )  # not bound: a bound one repeats its name in the address, and the lesson's link keeps the last only
    if len(chosen) != 2:
        st.caption(f"Pick two: {len(chosen)} picked.")
        return None
    a, b = sorted(names.index(name) for name in chosen)
    return a, b


def _swap(seen: View, a: int, b: int) -> None:
    """From here on each of the two answers the other's pictures."""
    both = lesson_five_tickets_swap.of_pair(seen, a, b)
    refit = frame.state("many-refit", False)
    refitted = (
        [lesson_five_tickets_swap.refitted(seen, a, b), lesson_five_tickets_swap.refitted(seen, b, a)] if refit else []
    )
    names, masks = (seen.names[a], seen.names[b]), seen.run.tickets.masks()
    frame.prose(
        f"Now {names[0]} answers {names[1]} pictures, and {names[1]} answers {names[0]} ones. All of them are "
        "[[test pictures|test data]]; whiskers and brackets are 95 % [[intervals|interval]]."
    )
    frame.plot(
        lesson_five_tickets_swap.dots(seen, (a, b), both, refitted, colours.tone()), "many-swap", 400 if refit else 310
    )
    frame.surprise(finding(*names, (masks[a] & masks[b]).sum() / masks[a].sum(), both))
    st.html(lesson_five_tickets_swap.weights(seen, a, b))
    x, y, least = lesson_five_tickets_swap.least_lost(domains_sample.right(seen), seen.eval_set.subset)
    verdict = "That is your pair." if (x, y) == (a, b) else f"Yours lose {_points((both[0].loss + both[1].loss) / 2)}."
    frame.prose(
        f"Of the {len(seen.names) * (len(seen.names) - 1) // 2} pairs, {seen.names[x]} and {seen.names[y]} lose least: "
        f"{_points(least)} on average. {verdict}"
    )
    st.caption(
        f"n = {terms.count(both[0].n)} test pictures of each domain. The intervals speak of other pictures, not "
        "of a network trained anew."
    )
    frame.prose(
        "A ticket has one thing more of its own. Every [[layer]] scales the numbers that it passes on, by "
        "[[norm statistics]] measured for this ticket. They changed places too. Is the loss theirs?"
    )
    if frame.reveal("many-refit", "Measure them anew for the strange mask"):
        frame.prose(what_is_left(*names, both, refitted))
    frame.cite(
        "Weights can get used to strange masks: over several [[seeds|seed]] the tickets' lead over tickets that were "
        f"swapped from the start of training is {frame.measured_lead('permuted')}.",
        "domains.md",
    )


def finding(a: str, b: str, shared: float, both: tuple[Swapped, Swapped]) -> str:
    """The surprise, in the notation of `frame.prose`; shared: of the weights that each keeps."""
    losses = [
        f"**{_points(swap.loss)}** ({100 * swap.low:.1f} to {100 * swap.high:.1f}) on {name} pictures"
        for name, swap in zip((a, b), both, strict=True)
    ]
    return (
        f"The two have **{terms.percent(shared, 0)}** of their weights in common, number for number. Swapping them "
        f"costs {terms.listed(losses)}."
    )


def what_is_left(a: str, b: str, both: tuple[Swapped, Swapped], refitted: list[Estimate]) -> str:
    """What the masks alone cost, norm statistics measured anew."""
    pieces = [
        f"{terms.percent(swap.other.value)} become {terms.percent(anew.value)} on {name} pictures (their own ticket: "
        f"{terms.percent(swap.own.value)})"
        for name, swap, anew in zip((a, b), both, refitted, strict=True)
    ]
    return f"With statistics of the pictures at hand {terms.listed(pieces)}. What is still missing is the masks' part."


def _points(difference: float) -> str:
    return f"{100 * difference:.1f} points"


LESSON = Lesson(
    slug="many",
    question="Can one network be five specialists?",
    promise="You will show one picture to five specialists inside one network, and then swap two of them.",
    minutes=6,
    trains=False,
    pictures=True,
    take_home="The same weights can be several specialists: it depends on which of them take part.",
    play=play,
)
