"""What a run was begun with, in `start.json`: it is gone on with on the same data and under the same settings only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtl_core.config import Config, parse
from rtl_core.data.changes import described, difference
from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs.atomic import read_json, write_json

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset

START_FILE = "start.json"
UNCHECKED = (
    "This run was begun by a version that did not write down its data and settings. When it was gone on with, it could "
    "not be checked whether they were still the same."
)
_MAX_BYTES = 4_000_000
_AGAIN = "or train a new run (train ... --again)"


@refused_in_public("writing a run")
def record(folder: Path, config: Config, data: Mapping[str, Any]) -> None:
    """Writes down the settings, and of the data the fingerprint or all that `described` says of them."""
    write_json(folder / START_FILE, {"settings": config.model_dump(mode="json"), "data": dict(data)})


def check_settings(folder: Path, config: Config) -> None:
    """BadInput, naming each setting with both values, where a run was begun under others; where nothing was written
    down, nothing is checked."""
    begun = _begun(folder)
    if begun is None:
        return
    try:
        then = dict(_flat(parse(begun["settings"]).model_dump(mode="json")))
    except (BadInput, KeyError) as error:
        raise _damaged(folder, error) from None
    now = dict(_flat(config.model_dump(mode="json")))
    different = [key for key in then | now if then.get(key) != now.get(key)]
    changed = [f"{key} was {then.get(key)!r} and is {now.get(key)!r}" for key in different]
    if changed:
        raise BadInput(
            f"run '{folder.name}' was begun under other settings than its config.json has now: {'; '.join(changed)}; "
            f"put them back, {_AGAIN}"
        )


def check(folder: Path, config: Config, dataset: Dataset, half_done: bool) -> str | None:
    """BadInput where a run was begun with other settings or data, naming what differs. What is not written down yet
    is; the sentence `UNCHECKED` where a run is `half_done` without.
    """
    check_settings(folder, config)
    begun = _begun(folder)
    if begun is not None:
        _check_data(folder, begun, dataset)
    if begun is None or "n_train" not in begun["data"]:
        record(folder, config, described(dataset))
    return UNCHECKED if begun is None and half_done else None


def _check_data(folder: Path, begun: dict[str, Any], dataset: Dataset) -> None:
    try:
        same = begun["data"]["fingerprint"] == dataset.fingerprint
        what = "" if same else difference(begun["data"], dataset)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from None
    if not same:
        raise BadInput(
            f"run '{folder.name}' was begun on other data than '{dataset.spec}' holds now ({what}); put the old ones "
            f"back, {_AGAIN}"
        )


def _begun(folder: Path) -> dict[str, Any] | None:
    if not (folder / START_FILE).exists():
        return None
    try:
        return read_json(folder / START_FILE, _MAX_BYTES)
    except BadInput as error:
        raise _damaged(folder, error) from None


def _damaged(folder: Path, error: Exception) -> BadInput:
    return BadInput(
        f"what run '{folder.name}' was begun with cannot be read ({error}); put {START_FILE} back, or remove it to "
        "go on unchecked"
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(`joint.steps`, 3) and so on."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
