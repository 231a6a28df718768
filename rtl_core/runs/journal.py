"""The journal of a run folder: training that can be killed at any moment and goes on bit for bit."""

from __future__ import annotations

import hashlib
import shutil
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from rtl_core.errors import BadInput
from rtl_core.events import Stage, Stopped, Tensors
from rtl_core.read_only import check
from rtl_core.runs.store import stop_requested
from rtl_core.runs.tensors import digest, read_tensors, write_tensors


class FileJournal:
    """Keeps every stage's last state in `resume/` of a run's folder; a `Journal` for training loops.

    A finished stage stays until `clear`, so that a resumed run passes it at once; the running one is
    written every `every_seconds`, at its last step, and when somebody asked the run to stop. Stages may run
    side by side in threads.
    """

    def __init__(self, folder: Path, every_seconds: float = 20.0) -> None:
        check("training a run")
        self._run = folder
        self._folder = folder / "resume"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._every = every_seconds
        self._written: dict[str, float] = {}  # stage -> when; each has its clock, for several may run side by side

    @property
    def holds_anything(self) -> bool:
        """Whether some of the training is done."""
        return any(self._folder.glob("*.safetensors"))

    def recall(self, stage: Stage) -> tuple[int, Tensors] | None:
        """The last (step, state) of `stage`. None where there is none or its file is damaged: training is a
        function of the seed, so the stage is then simply done again, to the same bits."""
        path = self._path(stage.key)
        if not path.exists():
            return None
        try:
            state, metadata = read_tensors(path)
            if metadata.get("stage") != stage.key or metadata.get("digest") != digest(state):
                raise BadInput("it was changed or belongs to another stage")
            return int(metadata["step"]), state
        except (BadInput, KeyError, ValueError) as error:
            warnings.warn(f"resume file of '{stage.key}' is not usable, the stage starts again: {error}", stacklevel=2)
            return None

    def mark(self, stage: Stage, step: int, last: bool, state: Callable[[], Tensors]) -> None:
        """Keep the state if it is time to; raises `Stopped` after keeping it when the run was asked to stop."""
        stop, key = stop_requested(self._run), stage.key
        now = time.monotonic()
        if last or stop or now - self._written.setdefault(key, now) >= self._every:
            tensors = state()
            # Written before we return: the caller's next step changes these tensors in place.
            write_tensors(self._path(key), tensors, {"stage": key, "step": str(step), "digest": digest(tensors)})
            self._written[key] = time.monotonic()
        if stop:
            raise Stopped(f"stopped as asked, at step {step} of '{key}'")

    def clear(self) -> None:
        """Forget everything: the run is done and its checkpoint written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        # Keys hold subsets' names, which come from the data: hashed, they cannot be paths.
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.safetensors"
