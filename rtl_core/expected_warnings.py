"""Warnings of libraries that are no news here. They are hidden where a program starts, once for the whole process.

`warnings.catch_warnings` puts other filters in place for all threads and, where two overlap, leaves the wrong ones
behind. So it is not used, and no figure and no refusal depends on a filter: without them, a line more is written.
"""

from __future__ import annotations

import warnings

_EXPECTED = (
    "lbfgs failed to converge",  # a gate that is fitted in few iterations is a little more regular
    r"\s*Setting (forward, )?backward hooks",  # Captum's, on copies that nobody else has
    "Image size .* exceeds limit",  # such pictures are refused
)


def hide() -> None:
    """For programs' first lines."""
    for message in _EXPECTED:
        warnings.filterwarnings("ignore", message)
