"""Tables as CSV that a spreadsheet shows as it stands: no cell is taken for a formula."""

from __future__ import annotations

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with what programs begin a formula, or skip before one


def csv_text(frame: pd.DataFrame) -> str:
    """The rows as CSV with a header; a text that a spreadsheet would compute gets an apostrophe in front."""
    shown = frame.map(_as_text)
    shown.columns = [_as_text(name) for name in frame.columns]
    return shown.to_csv(index=False, lineterminator="\r\n")  # so that both are quoted within a text


def _as_text(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
