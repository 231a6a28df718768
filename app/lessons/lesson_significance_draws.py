"""What the lesson on noise draws: random groups of people, and real ones, from the Adult sample's own decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import streamlit as st

from app import cache
from rtl_core.documents import entries
from rtl_core.rng import numpy_generator
from rtl_core.runs import store
from rtl_core.statistics.intervals import newcombe

if TYPE_CHECKING:
    from rtl_core.audit.fairness.predictions import Predictions

SIZES = (30, 300, 3_000)  # people of an audit
DRAWS = 1_000  # audits of each size
LARGE = 10  # percentage points: what is called a large gap


def people() -> int:
    """How many there are to draw from."""
    return len(_decisions().y_pred)


def by_lot(n: int, seed: int) -> pd.DataFrame:
    """`random_groups` among the test rows of the sample."""
    predicted = _decisions().y_pred
    return random_groups(len(predicted), int(predicted.sum()), n, seed)


@st.cache_data(max_entries=32, show_spinner=False)
def random_groups(n_people: int, n_yes: int, n: int, seed: int) -> pd.DataFrame:
    """DRAWS audits of n people, each time drawn anew and dealt into two groups of n / 2 by lot.

    n_people, n_yes   those to draw from, and how many of them get a yes

    Columns: yes_a, yes_b (people), gap (share of yes in A less in B), low, high (95 %, Newcombe), large (further from
    zero than LARGE points) and beyond (the interval leaves out zero). Nothing but the counts of yes is needed, and
    these are hypergeometric: no person is shuffled.
    """
    generator = numpy_generator(seed, "random groups", n)
    half = n // 2
    yes = generator.hypergeometric(n_yes, n_people - n_yes, n, DRAWS)
    yes_a = generator.hypergeometric(yes, n - yes, half)
    yes_b = yes - yes_a
    low, high = newcombe(yes_a, half, yes_b, half)
    return pd.DataFrame(
        {
            "yes_a": yes_a,
            "yes_b": yes_b,
            "gap": (yes_a - yes_b) / half,
            "low": low,
            "high": high,
            "large": 100 * np.abs(yes_a - yes_b) > LARGE * half,  # in whole numbers: exactly 10 points are not above 10
            "beyond": (low > 0) | (high < 0),
        }
    )


@st.cache_data(max_entries=32, show_spinner="Auditing")
def real(seed: int) -> pd.DataFrame:
    """The gap between women and men among the first 30, 300, 3,000 people of a random order, and among all.

    One row each: n, beyond (the interval leaves out zero) and the fields of a gap of `fairness`.
    """
    predictions = _decisions()
    order = numpy_generator(seed, "real groups").permutation(len(predictions.y_pred))
    return pd.DataFrame([audited(predictions, order[:n]) for n in (*SIZES, len(order))])


def audited(predictions: Predictions, rows: np.ndarray) -> dict:
    """The gap in the share of yes between women and men among some rows."""
    from rtl_core.audit.fairness.audit import fairness
    from rtl_core.audit.fairness.audit_settings import AuditSettings

    some = replace(
        predictions,
        **{name: getattr(predictions, name)[rows] for name in ("y_true", "y_pred", "score", "ticket", "unit")},
        groups=predictions.groups.iloc[rows],
    )
    report = fairness(some, ["sex"], AuditSettings(("sex=Male",), ("selection_rate",)))
    gap = report.gaps[-1]  # of all tickets together, after those of each
    beyond = gap.low is not None and (gap.low > 0 or gap.high < 0)
    return {"n": len(rows), "beyond": beyond, **entries(gap)}


@st.cache_resource(show_spinner="Asking the network about everybody")
def _decisions() -> Predictions:
    """What the tickets of the Adult sample say to its test rows; yes is 1."""
    from rtl_core.runs.fairness import Audited

    networks = Audited(cache.opened(cache.load_run(store.samples()["adult"])))
    return networks.predictions(networks.decisions(["sex"]))
