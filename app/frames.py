"""Results of the core as rows of a table: one a result, a column for each key of its document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from rtl_core.documents import entries


def frame(results: Iterable[Any]) -> pd.DataFrame:
    """One row a result; what a result holds in lists or mappings stays as it is."""
    return pd.DataFrame([entries(result) for result in results])
