"""What a verb says: one JSON document or tables for people on stdout, a progress bar on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from rtl_core.documents import plain
from rtl_core.events import Event
from rtl_core.tasks.task import figure_value


class progress:
    """A bar on stderr, as a context that gives a `report`; nothing where stderr is no terminal."""

    def __enter__(self) -> Callable[[Event], None]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
        self._bar.start()
        self._task = self._bar.add_task("loading", total=None)
        self._steps: dict[tuple, int] = {}
        return self._report

    def _report(self, event: Event) -> None:
        if event.phase == "start":
            self._steps.clear()  # what came before was getting ready
            self._bar.update(self._task, total=event.steps)
            return
        self._steps[event.phase, event.method, event.ticket, event.round] = event.step
        about = f"{event.phase} {event.ticket or event.method}".replace("_", " ")
        self._bar.update(self._task, completed=sum(self._steps.values()), description=f"{about:<28.28}")

    def __exit__(self, *error: object) -> None:
        self._bar.stop()


def say(result: Any, as_json: bool, text: Callable[[dict[str, Any]], Any]) -> None:
    """A result as one JSON document, or as something for people, on stdout."""
    document = plain(result)
    if as_json:
        print(json.dumps(document, allow_nan=False))
        return
    from rich.console import Console

    Console().print(text(document))


def table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "))
    for row in rows:
        table.add_row(*(short(row.get(column)) for column in columns))
    return table


def short(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def how_masks_were_read(document: dict[str, Any]) -> list[Any]:
    """Lines on an import: what was chosen, how files were read, what was left out. Names are shown as they are."""
    from rich.text import Text

    tensors, arrays = (document.get("choice") or {}).get("tensors"), (document.get("choice") or {}).get("arrays")
    lines = [f"only tensors called {', '.join(tensors)}, as chosen"] if tensors else []
    lines += [f"arrays are {arrays}, as chosen"] if arrays else []
    lines += document.get("notes") or []
    reasons: dict[str, list[str]] = {}
    for row in document.get("left_out") or []:
        reasons.setdefault(row["reason"], []).append(row["tensor"])
    for reason, names in reasons.items():
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        lines.append(f"{len(names)} left out, because {reason}: {', '.join(names[:5])}{more}")
    return [Text(line) for line in lines]


def own_figures(row: dict[str, Any], usual: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a task whose figures are others than the usual ones; a row of `evaluate` or `route` says which."""
    return tuple(row.get("figures") or usual)


def with_interval(row: dict[str, Any], metric: str) -> str:
    low, high = (row.get("ci") or {}).get(metric) or (None, None)
    value = figure_value(row, metric)
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else "")
