"""Which rows a ticket is trained on when a group is reweighed."""

from __future__ import annotations

import numpy as np
import pytest

from rtl_core.errors import BadInput


def test_reweighing_takes_the_same_number_of_the_same_subsets_rows(make_experiment, dataset):
    plain, weighed = make_experiment().subsets, make_experiment(reweigh="colour").subsets
    for before, after in zip(plain, weighed, strict=True):
        assert len(before.pools[0]) == len(after.pools[0])
        assert set(after.pools[0]) <= set(before.pools[0])
    one_group = dataset.attributes.colour[plain[0].pools[0]]
    assert one_group.nunique() == 1  # group and subset are one here, so there is nothing to weigh
    assert np.array_equal(np.sort(weighed[0].pools[0]), np.sort(plain[0].pools[0]))


def test_an_unknown_group_is_refused(make_experiment):
    with pytest.raises(BadInput, match="these data have no attribute 'age'; they have: colour"):
        make_experiment(reweigh="age")
