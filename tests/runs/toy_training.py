"""A toy run as a program: `toy_training.py FOLDER STEPS [STEP_SECONDS]` trains in FOLDER with journal and status.

The weights of the last stage end in `result.safetensors`. Started by the tests and killed by some of them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from rtl_core.events import Event, Stage, Stopped
from rtl_core.rng import torch_generator
from rtl_core.runs.journal import FileJournal
from rtl_core.runs.reporter import StatusReporter
from rtl_core.runs.tensors import write_tensors


def train(folder: Path, steps: int, step_seconds: float = 0.0, every_seconds: float = 0.05) -> None:
    journal = FileJournal(folder, every_seconds)
    with StatusReporter(folder, 2 * steps) as report:
        for phase in ("warm_start", "joint"):
            weights = stage_of_training(journal, report, Stage(phase, "rtl", steps, 0.1, 0), step_seconds)
        write_tensors(folder / "result.safetensors", {"weights": weights})
    journal.clear()


def stage_of_training(journal, report, stage: Stage, step_seconds: float) -> torch.Tensor:
    """Noisy momentum descent, in place, with randomness as a function of the step."""
    weights = torch.randn(4, 3, 3, 3, generator=torch_generator(0, stage.phase)).to(memory_format=torch.channels_last)
    average = torch.zeros_like(weights)
    first, state = journal.recall(stage) or (0, {"weights": weights, "average": average})
    weights.copy_(state["weights"])
    average.copy_(state["average"])
    for step in range(first, stage.steps):
        noise = torch.randn(weights.shape, generator=torch_generator(0, stage.phase, step))
        average.mul_(0.9).add_(weights + noise)
        weights.sub_(0.01 * average)
        time.sleep(step_seconds)
        report(Event(stage.phase, "rtl", step + 1, stage.steps, values={"loss": float(weights.square().mean())}))
        journal.mark(stage, step + 1, step + 1 == stage.steps, lambda: {"weights": weights, "average": average})
    report(Event(stage.phase, "rtl", stage.steps, stage.steps, values={"accuracy": 0.5}))
    return weights


if __name__ == "__main__":
    try:
        train(Path(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:]))
    except Stopped as stopped:
        print(stopped)
