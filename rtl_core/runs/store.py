"""Run folders: where they are, how they are named, listed, annotated and deleted. No torch in here."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import rtl_core
from rtl_core.config import Config, parse
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.files import make_once
from rtl_core.read_only import is_public, refused_in_public
from rtl_core.runs import started
from rtl_core.runs.atomic import read_json, write_json
from rtl_core.runs.status import State, effective_status, process_exists, read_status

CONFIG_FILE = "config.json"
CHECKPOINT_FILE = "run.json"
METRICS_FILE = "metrics.jsonl"
STOP_FILE = "STOP"
LOG_FILE = "log.txt"
MASKS_ONLY = "masks"  # `info["kind"]` of a run that was imported: masks of networks trained elsewhere
MAX_JSON_BYTES = 64 * 2**20  # of run.json
AUDITS_FOLDER = "audits"  # where a run keeps what was found out about it
MAX_AUDIT_BYTES = 32 * 2**20
_LABEL_FILE = "label.json"
_MAX_CONFIG_BYTES = 1_000_000
_MAX_LABEL_BYTES = 100_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs.

    title    what the user calls it (its name unless renamed); `note` is the user's too
    created  seconds since 1970
    problem  why the run cannot be opened, where it cannot; the settings' fields are then empty
    """

    folder: Path
    name: str
    title: str
    state: State
    created: float
    note: str = ""
    task: str = ""
    data: str = ""
    density: float | None = None
    problem: str = ""

    @property
    def bytes(self) -> int:
        """On disk, counted when it is asked for."""
        return disk_use(self.folder)


def project_root() -> Path:
    return Path(rtl_core.__file__).resolve().parents[1]


def project_runs() -> Path:
    """Where runs live unless the user says otherwise."""
    return project_root() / "runs"


def samples_root() -> Path:
    """The folder of the checkpoints that come with the project."""
    return project_root() / "sample_checkpoints"


def samples() -> dict[str, Path]:
    """Name -> folder of the checkpoints that come with the project."""
    return _folders_with(samples_root(), CHECKPOINT_FILE)


def named_run(name: str, root: Path) -> Path:
    """The folder of a run in `root` or of a sample, by name only: safe for names out of an address bar.

    A public server opens samples only, whatever `root` holds.
    """
    if _is_name(name):
        if _is_run(root / name) and not is_public():
            return root / name
        if name in samples():
            return samples()[name]
    known = [*samples(), *[folder.name for folder in _run_folders(root)][:5]]
    raise BadInput(f"there is no run '{name}' in {root}; there are: {', '.join(known) or 'none yet'}")


def find_run(name: str | Path, root: Path) -> Path:
    """The folder of a run: a run's name, a sample's name, or a path to a run's folder; in public a sample's name."""
    text = str(name)
    if is_public() or (_is_name(text) and (_is_run(root / text) or text in samples())):
        return named_run(text, root)
    if _is_run(Path(text)):
        return Path(text).resolve()
    return named_run(text, root)


def run_name(config: Config, fingerprint: str) -> str:
    """A readable slug and 8 hex digits of a hash over the whole config and the data's fingerprint."""
    what = config.preset or config.data.spec.removeprefix("bundled:").replace("\\", "/").rstrip("/").rpartition("/")[2]
    settings = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    short = hashlib.sha256(f"{settings}\n{fingerprint}".encode()).hexdigest()[:8]
    return f"{slug(what) or 'run'}-d{config.density:g}-s{config.seed}-{short}"


def slug(text: str) -> str:
    """At most 40 lower-case letters, digits and hyphens; empty where the text has none of them."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40]


@refused_in_public("making a run")
def create_run(config: Config, fingerprint: str, root: Path, again: bool = False) -> tuple[Path, bool]:
    """(folder, whether it was there already). The same config on the same data is the same run unless `again`."""
    root.mkdir(parents=True, exist_ok=True)
    name = run_name(config, fingerprint)

    def fill(folder: Path) -> None:
        write_json(folder / CONFIG_FILE, config.model_dump(mode="json"))
        started.record(folder, config, {"fingerprint": fingerprint})

    for number in count(1):
        folder = root / (name if number == 1 else f"{name}-{number}")
        if make_once(folder, fill, _is_run):
            return folder, False
        if not again and _holds(folder, config):
            return folder, True
    raise AssertionError("unreachable: the numbers do not end")


def read_config(folder: Path) -> Config:
    """The settings a run was made with; BadInput where `config.json` is missing, not JSON or not valid."""
    try:
        return parse(read_json(folder / CONFIG_FILE, _MAX_CONFIG_BYTES))
    except BadInput as error:
        raise BadInput(f"run '{folder.name}': {error}") from None


def list_runs(root: Path) -> list[RunSummary]:
    """Every run in `root`, newest first; a broken one is listed with its problem. A public server lists none."""
    runs = [summary(folder) for folder in _run_folders(root)]
    return sorted(runs, key=lambda run: (-run.created, run.name))


def summary(folder: Path) -> RunSummary:
    """One run's line; never raises for a broken run."""
    label = _label(folder)
    created = next((f.stat().st_mtime for f in _marks(folder) if f.exists()), 0.0)
    common = {
        "folder": folder,
        "name": encodable(folder.name),
        "title": label.get("title") or encodable(folder.name),
        "note": label.get("note") or "",
        "created": created,
    }
    try:
        if encodable(folder.name) != folder.name:
            raise BadInput("the name of the run's folder is no UTF-8; rename the folder")
        settings = _imported(folder) or _trained(folder)
    except BadInput as error:
        return RunSummary(**common, state="failed", problem=str(error))
    return RunSummary(**common, **settings, state=run_state(folder))


def run_state(folder: Path) -> State:
    """The state as it really is; a checkpoint without a status (a sample) is done."""
    status = effective_status(folder)
    if status is not None:
        return status.state
    return "done" if (folder / CHECKPOINT_FILE).exists() else "stopped"


@refused_in_public("renaming a run")
def rename_run(folder: Path, title: str) -> None:
    """Gives the run a title. Its folder keeps its name, so that links to it and the process in it live on."""
    write_json(folder / _LABEL_FILE, {**_label(folder), "title": title.strip()[:200]})


@refused_in_public("writing a note")
def annotate_run(folder: Path, note: str) -> None:
    write_json(folder / _LABEL_FILE, {**_label(folder), "note": note.strip()[:10_000]})


@refused_in_public("deleting a run")
def delete_run(folder: Path, root: Path) -> None:
    """Removes a run of `root` for good; BadInput for samples, for anything elsewhere, and while it is training."""
    inside = folder.resolve().parent == root.resolve() and not folder.is_symlink()
    if not inside or not _is_run(folder) or folder.resolve() in samples().values():
        raise BadInput(f"'{folder.name}' is not a run in {root}; only runs there can be deleted")
    status = read_status(folder)
    if status is not None and status.active and (process_exists(status) or run_state(folder) == "starting"):
        raise BadInput(f"'{folder.name}' is still training; stop it before you delete it")
    shutil.rmtree(folder)


def audits_folder(folder: Path, root: Path) -> Path:
    """Where a run's audits are kept: in its own folder where that is one of `root`, else below `root`. A public server
    looks for those that came with a sample only."""
    own = folder.resolve().parent == root.resolve() or is_public()
    return folder / AUDITS_FOLDER if own else root / AUDITS_FOLDER / folder.name


def is_whole(folder: Path) -> bool:
    """Whether a folder holds a finished run: its checkpoint is written last."""
    return (folder / CHECKPOINT_FILE).is_file()


def disk_use(folder: Path) -> int:
    """Bytes of all files in a run's folder."""
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.lstat().st_size if not file.is_dir() else 0
        except FileNotFoundError:  # a draft that has just been moved into its place
            continue
    return total


@refused_in_public("writing a run's metrics")
def append_metric(folder: Path, record: dict[str, Any]) -> None:
    """Adds one JSON line to the run's metrics."""
    line = json.dumps(plain(record), allow_nan=False).encode() + b"\n"
    with open(folder / METRICS_FILE, "a+b") as file:
        if file.tell() > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a process killed in the middle of a line must not spoil ours
                line = b"\n" + line
        file.write(line)


def read_metrics(folder: Path, after: int = 0) -> list[dict[str, Any]]:
    """The run's metrics in order, without the first `after`; what a killed process left half-written is passed over."""
    if not (folder / METRICS_FILE).is_file():
        return []
    lines = (folder / METRICS_FILE).read_bytes().splitlines(keepends=True)
    return list(_records(lines))[after:]


@refused_in_public("stopping a run")
def ask_stop(folder: Path) -> None:
    """Asks the run's process to save its state and end; it looks after every step."""
    (folder / STOP_FILE).touch()


def stop_requested(folder: Path) -> bool:
    return (folder / STOP_FILE).exists()


@refused_in_public("starting a run")
def clear_stop(folder: Path) -> None:
    (folder / STOP_FILE).unlink(missing_ok=True)


def _records(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if line.endswith(b"\n"):
            try:
                yield json.loads(line)
            except ValueError:
                continue


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and ".." not in text


def _marks(folder: Path) -> tuple[Path, Path]:
    """The files that make a folder a run's: it has at least one of them."""
    return folder / CONFIG_FILE, folder / CHECKPOINT_FILE


def _is_run(folder: Path) -> bool:
    return any(os.path.lexists(mark) for mark in _marks(folder))


def _run_folders(root: Path) -> list[Path]:
    folders = root.iterdir() if root.is_dir() and not is_public() else ()
    return sorted(folder for folder in folders if not folder.name.startswith(".") and _is_run(folder))


def _trained(folder: Path) -> dict[str, Any]:
    config = read_config(folder)
    return {"task": config.task, "data": config.data.spec, "density": config.density}


def _imported(folder: Path) -> dict[str, Any] | None:
    """What the list says of a run that has masks only; None for a run with settings."""
    if (folder / CONFIG_FILE).exists():
        return None
    info = read_json(folder / CHECKPOINT_FILE, MAX_JSON_BYTES).get("info")
    if not isinstance(info, dict) or info.get("kind") != MASKS_ONLY:
        return None
    density = info.get("density")
    return {"task": MASKS_ONLY, "data": "imported masks", "density": density if isinstance(density, float) else None}


def _folders_with(parent: Path, file: str) -> dict[str, Path]:
    if not parent.is_dir():
        return {}
    return {folder.name: folder for folder in sorted(parent.iterdir()) if (folder / file).is_file()}


def _holds(folder: Path, config: Config) -> bool:
    try:
        return read_config(folder) == config
    except BadInput:
        return False


def _label(folder: Path) -> dict[str, Any]:
    try:
        label = read_json(folder / _LABEL_FILE, _MAX_LABEL_BYTES)
    except BadInput:
        return {}
    return {key: encodable(label[key]) for key in ("title", "note") if isinstance(label.get(key), str)}


def encodable(text: str) -> str:
    """The text with what has no place in UTF-8 written out: bytes of a file's name, halves of characters."""
    return text.encode("utf-8", "backslashreplace").decode()
