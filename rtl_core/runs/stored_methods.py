"""What every method of a finished run stores, read off its masks and the shapes of its tensors: without torch."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from rtl_core.errors import BadInput
from rtl_core.runs.checkpoint import METHODS_FILE, Run
from rtl_core.tickets.bits import unpack
from rtl_core.tickets.storage import Stored, stored, stored_dense


def stored_methods(run: Run) -> dict[str, Stored]:
    """Method -> what it stores of its prunable weights. BadInput where the file of the other methods is damaged."""
    tickets = {f"ticket/{k}": mask for k, mask in enumerate(run.tickets.masks())}
    try:
        with safe_open(run.folder / METHODS_FILE, framework="np") as file:

            def mask(key: str) -> np.ndarray:
                if key not in tickets:
                    tickets[key] = unpack(file.get_tensor(key)[None], run.tickets.n)[0]
                return tickets[key]

            return {entry["method"]: _stored(entry, run, mask, file) for entry in run.manifest["methods"]}
    except (SafetensorError, OSError, ValueError) as error:
        raise BadInput(f"{METHODS_FILE} of run '{run.name}' cannot be read ({error}); take the original file") from None


def _stored(entry: dict[str, Any], run: Run, mask: Callable[[str], np.ndarray], file: Any) -> Stored:
    subnetworks = entry["parts"]
    separate = len({each["shared"] for each in subnetworks}) > 1
    masks = [mask(each["mask"]) for each in subnetworks if each["mask"] is not None]
    if masks:
        return stored(masks, run.tickets.layout, separate)
    one = run.tickets.n
    if entry.get("width") is not None:  # a network of its own, whose tensors stand as they are
        one = sum(
            prod(file.get_slice(f"{subnetworks[0]['shared']}/{name}").get_shape()) for name in run.tickets.layout.names
        )
    return stored_dense(one * (len(subnetworks) if separate else 1))
