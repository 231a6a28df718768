"""Many sessions on all pages of the samples: how long they wait, whether they get what is theirs, and what it takes.

    python -m benchmarks.sessions [--sessions 50] [--minutes 5] [--visits 2000] [--public] [--after 0]
        [--name NAME] [--out FILE.md]

Each of the sessions opens a page of a sample, thinks, presses another option of one of the page's segmented controls,
five times, and goes on to another page in a new session, for so many minutes. Then so many short sessions look at one
page each, to see whether the server's memory grows with them. Every page that two sessions asked for in the same way
must have the same words. A rerun is a first visit where nobody had been answered this page of this sample before, new
where nobody had been answered these choices on it, else warm.

With `--out` the figures are kept beside FILE.md under NAME, and the page shows all that are kept there.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.app_server import APP, served
from benchmarks.tab import Tab
from rtl_core.runs.store import samples

PAGES = ("overview", "masks", "routing", "attribution", "fairness", "diagnosis", "library")
PRESSES = 5  # in a session
THINK = (2.0, 8.0)  # seconds before each
AT_ONCE = 20  # of the short sessions
STOPS = 8  # at which memory is looked at while they come
KINDS = ("first visit", "new choice", "warm")
GONE = 75.0  # seconds after which the server has forgotten sessions that have ended

Place = tuple[str, str]  # page, query
Question = tuple[str, str, frozenset[tuple[str, str]]]  # page, query, choices


@dataclass
class Measured:
    """reruns: (page, kind, seconds), infinite where it failed; words: what was asked -> the texts that were got."""

    reruns: list[tuple[str, str, float]] = field(default_factory=list)
    words: dict[Question, set[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(set))
    sessions: int = 0

    async def rerun(self, tab: Tab, socket_: Any) -> bool:
        """Whether it went well; after a rerun that did not, the tab is of no use: its answer may still come."""
        question = (tab.page, tab.query, frozenset(tab.chosen.items()))
        opened = any(words for (page, query, _), words in self.words.items() if (page, query) == question[:2])
        kind = KINDS[2] if self.words.get(question) else KINDS[1] if opened else KINDS[0]
        seconds = await tab.rerun(socket_)
        self.reruns.append((tab.page, kind, seconds))
        if np.isfinite(seconds):
            self.words[question].add(tab.texts)
        return bool(np.isfinite(seconds))


async def _stay(measured: Measured, address: str, number: int, until: float) -> None:
    """One visitor after another in the same place, until it is time."""
    lot = random.Random(number)
    await asyncio.sleep(lot.uniform(0, THINK[1]))
    while time.monotonic() < until:
        tab = Tab(lot.choice(PAGES), f"run={lot.choice(list(samples()))}", lot)
        measured.sessions += 1
        async with tab.session(address) as socket_:
            left = PRESSES
            while await measured.rerun(tab, socket_) and left:
                await asyncio.sleep(lot.uniform(*THINK))
                tab.press()
                left -= 1


async def _look_in(measured: Measured, address: str, visits: Iterator[int]) -> None:
    places = [(page, f"run={name}") for page in PAGES for name in samples()]
    for number in visits:
        tab = Tab(*places[number % len(places)], random.Random(number))
        async with tab.session(address) as socket_:
            await measured.rerun(tab, socket_)


async def _all_stay(measured: Measured, address: str, sessions: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    await asyncio.gather(*(_stay(measured, address, number, until) for number in range(sessions)))


async def _all_look_in(measured: Measured, address: str, visits: range) -> None:
    each = iter(visits)
    await asyncio.gather(*(_look_in(measured, address, each) for _ in range(AT_ONCE)))


def measure(sessions: int, minutes: float, visits: int, public: bool, after: float) -> dict[str, Any]:
    """Everything that the page says, as JSON. The first session begins `after` seconds from when the server answers."""
    load, stayed, short = os.getloadavg()[0], Measured(), Measured()
    options = ["--public"] if public else []
    with tempfile.TemporaryDirectory() as runs, served(*APP, *options, RTL_RUNS=runs) as address:
        time.sleep(after)
        asyncio.run(_all_stay(stayed, address, sessions, 60 * minutes))
        memory = [(stayed.sessions, _server_megabytes())]
        stops = np.linspace(0, visits, STOPS + 1).astype(int)
        for first, last in itertools.pairwise(stops):
            asyncio.run(_all_look_in(short, address, range(first, last)))
            memory.append((stayed.sessions + int(last), _server_megabytes()))
        if visits:
            time.sleep(GONE)
        at_rest = _server_megabytes()
    return {
        "sessions": sessions,
        "minutes": minutes,
        "public": public,
        "after": after,
        "cores": os.cpu_count(),
        "load_before": load,
        "seconds": {
            f"{page}, {kind}": [s if np.isfinite(s) else None for p, k, s in stayed.reruns if (p, k) == (page, kind)]
            for page in PAGES
            for kind in KINDS
        },
        "short": [s if np.isfinite(s) else None for *_, s in short.reruns],
        "mixed": [
            list(question[:2]) for one in (stayed, short) for question, words in one.words.items() if len(words) > 1
        ],
        "asked_twice": sum(k == KINDS[2] for _, k, _ in (*stayed.reruns, *short.reruns)),
        "memory": memory,
        "memory_at_rest": at_rest,
    }


def _server_megabytes() -> float:
    """Memory of the processes that this one has started: the server."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    kept = [Path(f"/proc/{pid}/status").read_text() for pid in children]
    return sum(int(text.partition("VmRSS:")[2].split()[0]) for text in kept) / 1024


def page(kept: dict[str, dict[str, Any]]) -> str:
    return "\n".join(
        ["# Many sessions on all pages of the samples\n", *(line for one in kept.items() for line in _lines(*one))]
    )


def _lines(name: str, one: dict[str, Any]) -> Iterator[str]:
    seconds = {key: np.array([np.inf if s is None else s for s in times]) for key, times in one["seconds"].items()}
    short = np.array([np.inf if s is None else s for s in one["short"]])
    yield f"## {name}\n"
    yield (
        f"{'A public server' if one['public'] else 'A server'} that had been up for {one['after']:g} s; "
        f"{one['sessions']} sessions at once for {one['minutes']:g} minutes, {one['memory'][0][0]} in all, then "
        f"{len(short)} short ones, {AT_ONCE} at once; {one['cores']} cores, which the clients and whatever else ran "
        f"share with the server; load before: {one['load_before']:.1f}. {PRESSES} presses in a session, after "
        f"{THINK[0]:g} to {THINK[1]:g} s each. Seconds from the press until the server has sent the page; painting is "
        "not included.\n"
    )
    yield "| page | kind | reruns | p50, s | p95, s | max, s | failed |"
    yield "|---|---|---|---|---|---|---|"
    for place in (*PAGES, "all"):
        for kind in KINDS:
            names = [f"{p}, {kind}" for p in PAGES if place in (p, "all")]
            yield _row(place, kind, np.concatenate([seconds[n] for n in names]))
    if len(short):
        yield _row("all", "short sessions", short)
    mixed = sorted({" of ".join(place) for place in one["mixed"]})
    yield f"\nPages with other words than another session got for the same: {', '.join(mixed) or 'none'}."
    yield f"Compared: {one['asked_twice']:,} reruns.\n"
    memory = ", ".join(f"{megabytes:,.0f} MB after {count:,}" for count, megabytes in one["memory"])
    yield f"The server's memory over the sessions: {memory}; at rest {one['memory_at_rest']:,.0f} MB.\n"


def _row(place: str, kind: str, times: np.ndarray) -> str:
    fine = times[np.isfinite(times)]
    p50, p95, worst = np.percentile(fine, (50, 95, 100)) if len(fine) else [float("nan")] * 3
    return f"| {place} | {kind} | {len(times)} | {p50:.2f} | {p95:.2f} | {worst:.2f} | {len(times) - len(fine)} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--visits", type=int, default=2_000)
    parser.add_argument("--public", action="store_true", help="of a server for the public")
    parser.add_argument("--after", type=float, default=0.0, help="seconds that the server is up before anybody comes")
    parser.add_argument("--name", default="now", help="what the figures are kept under")
    parser.add_argument("--out", type=Path, help="also write the page to this file")
    given = parser.parse_args()
    kept, data = {}, given.out and given.out.with_suffix(".json")
    if data and data.exists():
        kept = json.loads(data.read_text("utf-8"))
    kept[given.name] = measure(given.sessions, given.minutes, given.visits, given.public, given.after)
    text = page(kept)
    print(text)
    if data:
        data.write_text(json.dumps(kept), "utf-8")
        given.out.write_text(text, "utf-8")
    failed = [
        s for times in (*kept[given.name]["seconds"].values(), kept[given.name]["short"]) for s in times if s is None
    ]
    return int(bool(failed or kept[given.name]["mixed"]))


if __name__ == "__main__":
    sys.exit(main())
