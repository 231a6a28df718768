"""All speed figures in one run, as ratios where there is something to compare with: `python -m benchmarks.speed`."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from benchmarks import app, iou, masked_step

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results" / "speed.md"


def main() -> None:
    served = app.run()  # first, while the machine is as a visitor finds it
    overlap = iou.table(iou.run())
    steps = [masked_step.run(model) for model in ("convnet", "ghostnet")]
    lines = [
        "# Speed",
        "",
        f"`python -m benchmarks.speed` ({os.cpu_count()} cores, {platform.machine()}). Machines are noisy: the",
        "ratios were measured in one process, in turn.",
        "",
        "## Masked training",
        "",
        "| network | without masks, ms a step | with masks, ms a step | ratio (median of pairs) |",
        "|---|---|---|---|",
        *(f"| {s['model']} | {s['plain_ms']:.1f} | {s['masked_ms']:.1f} | {s['ratio']:.2f} |" for s in steps),
        "",
        _section(overlap),
        "## The app",
        "",
        "| what | value |",
        "|---|---|",
        *(f"| {name} | {value:.1f} |" for name, value in served.items()),
    ]
    text = "\n".join(lines) + "\n"
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(text)
    print(text)


def _section(table: str) -> str:
    """A benchmark's own page as a part of this one."""
    return "\n".join(f"#{line}" if line.startswith("#") else line for line in table.strip().splitlines()) + "\n"


if __name__ == "__main__":
    main()
