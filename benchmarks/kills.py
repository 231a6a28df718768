"""Work that is killed at a random moment and done again: it has to end in the same bits, and leave nothing behind.

    python -m benchmarks.kills [VERB ...] [--kills 200] [--seed 0] [--out docs/results/kills.md]

Each verb of the table below is left to end once. Then it is begun in new folders, killed (SIGKILL) in one of its
phases, all phases in turn, after a random share of the time that the phase took undisturbed, and done again to its
end. Masks and weights must then be the same bytes and all figures the same, and the folders must hold the same files:
no drafts, no `resume/`, no locks. In every second case an unfinished stage is kept many times a second instead of
every 20 s, so that runs as short as these are also gone on with in the middle of a stage.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

from rtl_core.config import merged, parse
from rtl_core.events import Event
from rtl_core.runs import training
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.grow import grow
from rtl_core.runs.journal import FileJournal
from rtl_core.studies import benchmark, benchmark_jobs

Say = Callable[[str], None]  # takes the phase that begins
Work = Callable[[Path, Say], None]  # in a folder

TINY = {
    "data": {"spec": "bundled:digits", "limit": 600},
    "model": {"name": "convnet", "width": 0.25},
    "partition": {"by": "kmeans", "k": 2, "min_size": 2},
    "denser": [0.5],
    "lighter": [0.05],
    "extract": {"steps": 40, "warm_steps": 40},
    "joint": {"steps": 40},
    "gated": {"steps": 40, "backbone_steps": 40},
    "sharing": {"recalibrate_batches": 2},
    "controls": ["random", "imp_single", "dense"],
    "optimiser": {"batch_size": 16},
}
ROUNDS = {"extract": {"schedule": "fraction", "fraction": 0.5, "steps": 10}, "denser": []}
SMALL_STUDY = (
    *("data.limit=600", "task=multiclass", "partition.by=kmeans", "partition.k=2", "sharing.head=shared"),
    *("extract.steps=20", "extract.warm_steps=20", "joint.steps=20", 'controls=["random","dense"]'),
)
CLASSES = ("ant", "bee", "cow", "dog")  # the last one is grown
KEPT_EVERY = (20.0, 0.02)  # seconds between two states of an unfinished stage: as shipped, and often
ATTEMPTS = 6  # to meet a phase before the work has ended
PATIENCE = 300.0  # seconds that one piece of work may take
TIMES = {"seconds", "heartbeat", "started", "finished", "pid", "process_started", "eta_seconds", "digest"}
LOGS = {".jsonl", ".lock"}  # files whose content may differ
SAVED = (".tickets.safetensors.", ".methods.safetensors.", ".run.json.", ".digits_classes.json.")  # drafts of results
LOADED = ["rtl_core.runs.grow", "rtl_core.studies.benchmark_jobs", "sklearn.cluster", "sklearn.datasets"]
_forks = multiprocessing.get_context("forkserver")  # torch is loaded once, and every piece of work forked from there


@dataclass(frozen=True)
class Undisturbed:
    """contents: file -> digest of what it holds; phases: name -> the seconds of each time that it came."""

    contents: dict[str, str]
    phases: dict[str, list[float]]


@dataclass(frozen=True)
class Kill:
    """One kill; wrong: what was not as in the undisturbed folder after the work had been done again."""

    verb: str
    phase: str
    wrong: tuple[str, ...]


def _train(root: Path, say: Say, **changes: Any) -> None:
    training.train_new(parse(merged(TINY, changes)), root, report=partial(_tell, say))


def _grow(root: Path, say: Say) -> None:
    """On a run that was trained once, beside the root."""
    (old,) = (path.parent for path in root.parent.glob("old/*/run.json"))
    shutil.copytree(old, root / old.name, dirs_exist_ok=True)
    grow(load_run(root / old.name), _pictures(root.parent, CLASSES), root, report=partial(_tell, say))


def _benchmark(root: Path, say: Say) -> None:
    study = benchmark.study("digits_classes", [21, 22], [0.5], assignments=SMALL_STUDY)
    say("training")
    benchmark_jobs.run(study, root, workers=1, tell=lambda cell: say("training"))


def _tell(say: Say, event: Event) -> None:
    say(event.phase.replace("_", " ") if event.method == "rtl" else "controls")


VERBS: dict[str, Work] = {
    "train": _train,
    "train in rounds": partial(_train, **ROUNDS),
    "train gated": partial(_train, mode="gated"),
    "grow": _grow,
    "benchmark": _benchmark,
}


def _pictures(folder: Path, classes: Sequence[str]) -> str:
    """The specification of noisy 8 x 8 pictures with a bright column a class."""
    draw, y = np.random.default_rng(0), np.arange(160 * len(classes)) % len(classes)
    x = draw.integers(0, 120, (len(y), 8, 8)) + 100 * np.eye(8, dtype=int)[y][:, None]
    path = folder / f"{len(classes)}.npz"
    if not path.exists():
        np.savez(path, x=x.astype(np.uint8), y=y, classes=np.array(classes))
    return f"npz:{path}"


def _old_run(place: Path) -> None:
    """Tickets of all classes but the last."""
    by_class = {"task": "one_vs_rest", "partition": {"by": "class"}, "sharing": {"head": "ticket"}, "controls": []}
    data = {"data": {"spec": _pictures(place, CLASSES[:-1]), "limit": None}}
    training.train_new(parse(merged(TINY, {**by_class, **data})), place / "old")


def run(verbs: Sequence[str], kills: int, seed: int) -> list[Kill]:
    """So many kills, shared out evenly among the verbs and the phases of each."""
    draw, done = random.Random(seed), []
    _forks.set_forkserver_preload(LOADED)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        if "grow" in verbs:
            _old_run(place)
        whole = {verb: _undisturbed(verb, place / f"whole {verb}") for verb in verbs}
        for number in range(kills):
            verb, turn = verbs[number % len(verbs)], number // len(verbs)
            phases = list(whole[verb].phases)
            wanted, every = phases[turn % len(phases)], KEPT_EVERY[turn // len(phases) % len(KEPT_EVERY)]
            root = place / f"{number}"
            phase = _killed(verb, root, every, wanted, partial(_moment, draw, whole[verb].phases[wanted]))
            if phase is None:  # too short a phase to be met: at any moment of the whole instead
                in_all = [sum(map(sum, whole[verb].phases.values()))]
                phase = _killed(verb, root, every, phases[0], partial(_moment, draw, in_all))
            _to_its_end(verb, root, every)
            done.append(Kill(verb, phase, _differences(_contents(root), whole[verb].contents)))
            print(f"{number + 1}: {verb}, {phase}", *done[-1].wrong, sep="; ", file=sys.stderr, flush=True)
            shutil.rmtree(root)
    return done


def _undisturbed(verb: str, root: Path) -> Undisturbed:
    begun = _to_its_end(verb, root, KEPT_EVERY[0])
    phases: dict[str, list[float]] = {}
    for (phase, began), (_, ended) in itertools.pairwise(begun):
        phases.setdefault(phase, []).append(ended - began)
    return Undisturbed(_contents(root), phases)


def _moment(draw: random.Random, times: list[float]) -> tuple[int, float]:
    """Which time that a phase comes, from 0, and how many seconds into it."""
    which = draw.randrange(len(times))
    return which, draw.uniform(0, times[which])


def _to_its_end(verb: str, root: Path, every: float) -> list[tuple[str, float]]:
    """(phase, when it began) of work that is left alone, and its end. RuntimeError where it fails."""
    process, phases = _start(verb, root, every)
    begun = []
    while (phase := _next(phases)) is not None:
        begun.append((phase, time.monotonic()))
    process.join(PATIENCE)
    if process.exitcode != 0:
        raise RuntimeError(f"{verb} ended with code {process.exitcode}")
    return [*begun, ("", time.monotonic())]


def _killed(verb: str, root: Path, every: float, wanted: str, moment: Callable[[], tuple[int, float]]) -> str | None:
    """The phase in which work was killed: at a `moment` of the wanted one; a later one where that was over by then.

    Work that had ended is begun anew, in an empty folder. None after `ATTEMPTS`.
    """
    for _ in range(ATTEMPTS):
        (which, seconds), (process, phases) = moment(), _start(verb, root, every)
        while (phase := _next(phases)) is not None:
            which -= phase == wanted
            if which < 0:
                break
        time.sleep(seconds)
        process.kill()
        process.join()
        while (later := _next(phases)) is not None:  # sent, but not yet received
            phase = later
        if process.exitcode < 0:
            return phase
        shutil.rmtree(root)
    return None


def _start(verb: str, root: Path, every: float) -> tuple[BaseProcess, Connection]:
    root.mkdir(exist_ok=True)
    phases, sender = _forks.Pipe(duplex=False)
    process = _forks.Process(target=_work, args=(verb, root, every, sender))
    process.start()
    sender.close()
    return process, phases


def _next(phases: Connection) -> str | None:
    """The next phase that the work says; None once its process has ended."""
    try:
        return phases.recv()
    except EOFError:
        return None


def _work(verb: str, root: Path, every: float, sender: Connection) -> None:
    """In a process of its own: says each phase as it begins. What is written to last is what it is saving."""
    before = ""

    def say(phase: str) -> None:
        nonlocal before
        if phase != before:
            before = phase
            sender.send(phase)

    def heed(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and Path(str(arguments[0])).name.startswith(SAVED):
            say("saving")
        elif event == "os.rename" and str(arguments[1]).endswith("/run.json"):
            say("clearing up")

    say("reading")
    sys.addaudithook(heed)
    training.FileJournal = partial(FileJournal, every_seconds=every)
    VERBS[verb](root, say)


def _contents(root: Path) -> dict[str, str]:
    """Path below the root -> digest of the file: of all that it holds but times, of a log nothing."""
    return {
        str(path.relative_to(root)): hashlib.sha256(_lasting(path)).hexdigest()
        for path in root.rglob("*")
        if path.is_file() or not any(path.iterdir())
    }


def _lasting(path: Path) -> bytes:
    if path.is_dir() or path.suffix in LOGS:
        return b""
    if path.suffix == ".json":
        return json.dumps(_timeless(json.loads(path.read_text("utf-8"))), sort_keys=True).encode()
    return path.read_bytes()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if key not in TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def _differences(after: dict[str, str], whole: dict[str, str]) -> tuple[str, ...]:
    return (
        *(f"left behind: {name}" for name in sorted(after.keys() - whole.keys())),
        *(f"missing: {name}" for name in sorted(whole.keys() - after.keys())),
        *(f"differs: {name}" for name in sorted(whole.keys() & after.keys()) if after[name] != whole[name]),
    )


def table(kills: Sequence[Kill], seed: int) -> str:
    same = sum(not kill.wrong for kill in kills)
    lines = [
        "# Work that is killed\n",
        f"{same} of {len(kills)} pieces of work that were killed at a random moment ended, done again, in the same "
        "bits and the same figures as undisturbed work, and left nothing behind. Made by "
        f"`python -m benchmarks.kills --kills {len(kills)} --seed {seed}`.\n",
        "| work | killed while | kills | as undisturbed | otherwise |",
        "|---|---|---|---|---|",
    ]
    for verb, phase in dict.fromkeys((kill.verb, kill.phase) for kill in sorted(kills, key=_order)):
        here = [kill for kill in kills if (kill.verb, kill.phase) == (verb, phase)]
        wrong = "; ".join(dict.fromkeys(word for kill in here for word in kill.wrong))
        lines.append(f"| {verb} | {phase} | {len(here)} | {sum(not kill.wrong for kill in here)} | {wrong} |")
    return "\n".join(lines) + "\n"


def _order(kill: Kill) -> int:
    return list(VERBS).index(kill.verb)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verbs", nargs="*", choices=[[], *VERBS], default=[], metavar="VERB")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    kills = run(given.verbs or list(VERBS), given.kills, given.seed)
    text = table(kills, given.seed)
    print(text)
    if given.out:
        given.out.write_text(text, "utf-8")
    return int(any(kill.wrong for kill in kills))


if __name__ == "__main__":
    sys.exit(main())
