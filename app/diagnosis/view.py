"""What the Diagnosis page looks at: a run's diagnosis, made once and kept until the run or its audits change."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from app import cache, panels, session, tasks
from app.frames import frame as frame_of
from rtl_core.errors import BadInput
from rtl_core.runs.diagnose import diagnose
from rtl_core.runs.diagnosis import Diagnosis, Flag
from rtl_core.runs.store import audits_folder

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run


@dataclass(frozen=True)
class View:
    """A run and its diagnosis."""

    run: Run
    diagnosis: Diagnosis

    @property
    def metric(self) -> str:
        return self.diagnosis.metric

    @property
    def pairs(self) -> bool:
        """Whether there are two tickets that could share anything."""
        return self.diagnosis.k > 1

    @property
    def measured(self) -> bool:
        """Whether any level has an accuracy."""
        return bool(self.rounds[self.metric].notna().any())

    @property
    def gated(self) -> bool:
        return self.run.config is not None and self.run.config.mode == "gated"

    @property
    def could_be_retrained(self) -> bool:
        """Whether retraining the levels would tell more: what an alarm needs, or where the figure falls."""
        return not (self.run.masks_only or self.gated or self.diagnosis.watched or self.diagnosis.probe)

    @property
    def doubts(self) -> bool:
        """Whether tickets say how sure they are, so that there can be an alarm."""
        return self.diagnosis.confidence_unit is not None

    @property
    def sure_in_percent(self) -> bool:
        """Whether confidence is a probability; otherwise it is a doubt with its sign turned, in no unit."""
        return self.diagnosis.confidence_unit == "share"

    @property
    def scored(self) -> bool:
        """Whether the alarm goes by the Brier score."""
        return self.diagnosis.signal == "brier"

    @property
    def explained(self) -> str | None:
        """What is to be explained beside the headline: the Brier score, or confidence by its unit."""
        return "brier" if self.scored else self.diagnosis.confidence_unit

    @property
    def one_scale(self) -> bool:
        """Whether confidence and the run's figure can be drawn on one axis."""
        return self.sure_in_percent and tasks.unit(self.metric) == "%"

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """One row a level, densest first; low and high: of the run's metric. NaN where nothing was measured."""
        frame = frame_of(self.diagnosis.rounds)
        frame["low"], frame["high"] = zip(*[ci[self.metric] for ci in frame.pop("ci")], strict=True)
        words_of = ["kind", "measure"]
        return frame[words_of].join(frame.drop(columns=words_of).astype(float))[[*frame.columns]]

    @cached_property
    def layers(self) -> pd.DataFrame:
        """One row a level and layer, densest first, layers from input to output."""
        frame = pd.DataFrame(self.diagnosis.layers)
        return frame[["layer"]].join(frame.drop(columns="layer").astype(float))[[*frame.columns]]

    @cached_property
    def flags(self) -> pd.DataFrame:
        return pd.DataFrame(self.diagnosis.flags, columns=[field.name for field in fields(Flag)])


def of(run: Run) -> View:
    """The view of a run; where what was kept about it is damaged, says so and stops the page."""
    kept = audits_folder(run.folder, session.runs_root()).glob("collapse-*.json")
    changes = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in kept))
    try:
        return _view(run, session.runs_root(), changes)
    except BadInput as error:
        panels.refuse(f"{error}.")


@cache.of_run(max_entries=16, show_spinner="Comparing the masks at every density")
def _view(run: Run, root: Path, audits: tuple[tuple[str, int], ...]) -> View:
    return View(run, diagnose(run, root))
