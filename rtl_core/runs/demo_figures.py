"""The figures to expect of the demo: read from the benchmark over seeds, never typed in."""

from __future__ import annotations

import json
from statistics import mean
from typing import Any

from rtl_core.config import parse, preset
from rtl_core.runs.store import project_root

BENCHMARK = "domains"


def demo() -> dict[str, Any]:
    """Per method: mean, smallest and largest test accuracy over the benchmark's seeds at the demo's density."""
    results = _benchmark()
    if results is None:
        return {"source": f"no benchmark yet (python -m rtl_core benchmark {BENCHMARK} makes it)", "methods": []}
    cells = [row for row in results["rows"] if row["density"] == _density()]
    rows = []
    for method in dict.fromkeys(cell["method"] for cell in cells):
        values = [cell["accuracy"] for cell in cells if cell["method"] == method]
        text = f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        rows.append({"method": method, "mean": mean(values), "low": min(values), "high": max(values), "text": text})
    seeds = sorted({cell["seed"] for cell in cells})
    source = f"mean, least and most over seeds {', '.join(map(str, seeds))}"
    return {"source": source, "seeds": len(seeds), "methods": rows}


def lead(control: str) -> tuple[float, float, float] | None:
    """(RTL's accuracy less a control's at the demo's density, low, high) of the benchmark; None if it was not run."""
    for row in (_benchmark() or {"summary": []})["summary"]:
        if row["method"] == control and row["density"] == _density():
            return (row["difference"], *row["ci"])
    return None


def _density() -> float:
    return parse(preset("demo")).density


def _benchmark() -> dict[str, Any] | None:
    path = project_root() / "docs" / "results" / f"{BENCHMARK}.json"
    return json.loads(path.read_text("utf-8")) if path.is_file() else None
