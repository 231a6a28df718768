"""What a result becomes as a JSON document."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rtl_core.documents import INLINE, OPTIONAL, key, plain


@dataclass(frozen=True)
class Inner:
    kind: str = field(metadata=key("class"))
    value: float


@dataclass(frozen=True)
class Outer:
    second: np.ndarray
    first: Inner
    figures: dict[str, float] = field(metadata=INLINE)
    wanted: int | None = field(default=None, metadata=OPTIONAL)
    unknown: int | None = None


def test_fields_are_keys_in_their_order_and_what_json_cannot_hold_is_null():
    document = plain(Outer(np.array([1, 2]), Inner("a", float("nan")), {"psnr": np.float64(3.5)}))
    assert document == {"second": [1, 2], "first": {"class": "a", "value": None}, "psnr": 3.5, "unknown": None}
    assert list(document) == ["second", "first", "psnr", "unknown"]


def test_what_is_not_there_is_left_out_where_the_field_says_so():
    assert plain(Outer(np.zeros(0), Inner("a", 1.0), {}, wanted=0))["wanted"] == 0


def test_results_within_lists_mappings_and_tuples_are_written_too():
    assert plain({"rows": (Inner("a", 1.0),), 2: Path("x/y")}) == {"rows": [{"class": "a", "value": 1.0}], "2": "x/y"}
