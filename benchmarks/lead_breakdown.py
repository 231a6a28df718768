"""Which part of RTL's lead comes from what: one drawing and one table of the benchmarks on bundled data.

Every control lacks one thing that RTL has; what RTL leads it by is what that thing is worth.
`python -m benchmarks.docs` writes both into docs/.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rtl_core.audit.report.svg_curves import Curve, differences, file

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
DENSITY = 0.1
STUDIES = {
    "domains": "five domains",
    "fashion_classes": "ten classes, clothes",
    "digits_classes": "ten classes, digits",
}

# control -> what it lacks, as the drawing names it
LACKS = {
    "random": "learned masks (drawn by lot)",
    "random_same_total": "learned masks, same total steps",
    "permuted": "the right mask for the subset",
    "reinitialised": "the weights it was cut from",
    "imp_single": "a mask per subset",
    "imp_single_union": "a mask per subset, same storage",
    "dense": "sparsity, same joint steps",
    "dense_same_total": "sparsity, same total steps",
    "imp_multi": "shared weights",
    "imp_single_ovr": "a mask per subset, own task",
    "imp_single_odds": "a mask per subset, fair threshold",
}


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def of(study: dict[str, Any], method: str, density: float = DENSITY) -> dict[str, Any] | None:
    """The summary's line; None where the benchmark has no such method."""
    lines = (line for line in study["summary"] if (line["method"], line["density"]) == (method, density))
    return next(lines, None)


def shown(line: dict[str, Any] | None) -> str:
    """+0.052 [+0.049, +0.055], or nothing."""
    return "" if line is None else f"{line['difference']:+.3f} [{line['ci'][0]:+.3f}, {line['ci'][1]:+.3f}]"


def drawing() -> str:
    """A column per benchmark, a row per control: RTL's lead with its interval, beside zero."""
    columns = []
    for name, title in STUDIES.items():
        lines = {label: of(read(name), control) for control, label in LACKS.items()}
        columns.append(
            (
                title,
                [
                    Curve(label, ((DENSITY, line["difference"], *line["ci"]),))
                    for label, line in lines.items()
                    if line is not None
                ],
            )
        )
    fair = [of(read(name), "random_same_total") for name in STUDIES]
    ahead = sum(line["ci"][0] > 0 for line in fair)
    title = f"Given the same total steps, learned masks beat random ones in {ahead} of {len(fair)} benchmarks"
    about = (
        "RTL minus a control that lacks this, accuracy or balanced accuracy; filled: the 95 % interval excludes zero"
    )
    return file(title, [differences(title, columns, about)])


def table() -> str:
    """The drawing's numbers."""
    studies = [read(name) for name in STUDIES]
    links = " | ".join(f"[{title}](results/{name}.md)" for name, title in STUDIES.items())
    rows = [f"| the control lacks | control | {links} |", "|---|---|" + "---|" * len(studies)]
    for control, label in LACKS.items():
        rows.append(f"| {label} | `{control}` | {' | '.join(shown(of(study, control)) for study in studies)} |")
    return "\n".join(rows)
