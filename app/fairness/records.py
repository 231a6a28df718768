"""The core's records, each with its intervals in `ci`, as rows to draw and as flat tables to download."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from app.fairness.findings import scale_of, with_interval
from rtl_core.audit.fairness.credit import in_points


def of_difference(
    records: pd.DataFrame, field: str, metric: str, text: bool = True, note: Callable[[Any], str] = lambda row: ""
) -> pd.DataFrame:
    """What `interval_chart.Series` takes of a difference of a metric, of shares in percentage points; `note` adds to
    what hovering says."""
    scale, digits = scale_of(metric), 1 if in_points(metric) else 3
    ends = scale * np.array([ci[field] for ci in records.ci], float).reshape(-1, 2)
    values = records[field].astype(float)
    return pd.DataFrame(
        {
            "place": records.group,
            "value": scale * values,
            "low": ends[:, 0],
            "high": ends[:, 1],
            "hollow": records.status != "ok",
            "text": [f"{scale * value:+.{digits}f}".replace("-", "−") if text else "" for value in values],
            "hover": [
                f"{row.group}<br>{with_interval(metric, getattr(row, field), *row.ci[field])}; n = {row.n:,}{note(row)}"
                for row in records.itertuples()
            ],
            "key": records.index,
        }
    )


def flat(records: pd.DataFrame) -> pd.DataFrame:
    """Each interval in two columns of its own."""
    ends = [
        {f"{name}_{end}": value for name, pair in ci.items() for end, value in zip(("low", "high"), pair, strict=True)}
        for ci in records.ci
    ]
    return pd.concat([records.drop(columns="ci"), pd.DataFrame(ends, index=records.index)], axis=1)
