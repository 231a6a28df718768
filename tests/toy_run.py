"""Settings of a run that trains in a second: what tests of whole runs start from, naming only what matters to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_TOY = {
    "denser": [1.0],
    "lighter": [],
    "controls": [],
    "extract": {"steps": 4, "warm_steps": 6},
    "joint": {"steps": 3},
    "sharing": {"recalibrate_batches": 1},
    "partition": {"min_size": 2},
    "threads": 1,
}


def toy(**changes: Any) -> dict[str, Any]:
    """The settings, with the changes; of a group of settings only those that are named are changed."""
    merged = {key: {**value} if isinstance(value, dict) else value for key, value in _TOY.items()}
    for key, value in changes.items():
        merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def set_options(settings: Mapping[str, Any]) -> list[str]:
    """The same for a command line: `--set key=value` for each."""
    return [word for key, value in _flat(settings).items() for word in ("--set", f"{key}={json.dumps(value)}")]


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    flat = {}
    for key, value in settings.items():
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flat
