"""The figures to expect of the demo: read from the study over seeds, never typed in."""

from __future__ import annotations

import json
from statistics import mean
from typing import Any

from rtl_core.runs.store import project_root

STUDY = "domains_seeds"


def demo() -> dict[str, Any]:
    """Per method: mean, smallest and largest test accuracy over the study's seeds."""
    path = project_root() / "docs" / "results" / f"{STUDY}.json"
    if not path.is_file():
        return {"source": "no study yet (python -m benchmarks.seeds domains_seeds makes it)", "methods": []}
    seeds = json.loads(path.read_text("utf-8"))
    methods = next(iter(seeds.values()))["methods"]
    rows = []
    for method in methods:
        values = [seed["methods"][method]["accuracy"] for seed in seeds.values()]
        text = f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"
        rows.append({"method": method, "mean": mean(values), "low": min(values), "high": max(values), "text": text})
    source = f"mean, least and most over seeds {', '.join(sorted(seeds, key=int))}"
    return {"source": source, "seeds": len(seeds), "methods": rows}
