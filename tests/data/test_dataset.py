"""What a network is given: the same from the rows as stored and from a copy of them on a device."""

import numpy as np
import pytest
import torch


@pytest.mark.parametrize("name", ["fashion", "adult"])
def test_rows_kept_on_a_device_give_the_same_inputs(name, request):
    dataset = request.getfixturevalue(name)
    rows = np.random.default_rng(0).integers(0, len(dataset.y), 50)
    kept, stored = dataset.inputs_on("cpu")(rows), dataset.inputs(rows)
    assert kept.dtype == stored.dtype == torch.float32 and torch.equal(kept, stored)
    assert kept.stride() == stored.stride()


def test_pictures_are_normalised_per_channel(fashion):
    rows = fashion.rows("train")
    inputs = fashion.inputs(rows)
    assert abs(float(inputs.mean())) < 1e-3 and abs(float(inputs.std()) - 1) < 1e-3


def test_a_copy_on_a_device_is_not_the_data(fashion):
    inputs = fashion.inputs_on("cpu")(np.arange(4))
    inputs.zero_()
    assert fashion.x[:4].any()
