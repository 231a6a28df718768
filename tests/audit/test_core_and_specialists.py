"""Core and private weights: a linear net whose answers are known on paper, and controls that are forced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.audit.core_and_specialists import CORE, WITHOUT_PRIVATE, core_and_specialists, variants
from rtl_core.data.partition import Partition
from rtl_core.errors import BadInput
from rtl_core.learning.subnetwork import Subnetwork
from rtl_core.learning.trained_tickets import TrainedTickets
from rtl_core.models.catalogue import wrap
from rtl_core.tasks.catalogue import TASKS
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet
from tests.audit.test_mask_exchange import dataset_of

NAMES = ("A", "B", "C")
# "yes" where x . w > 0 over the weights that a ticket keeps.
WEIGHTS = [1.0, -2, 4, -8]
MASKS = [[1, 1, 1, 0], [1, 1, 0, 1], [1, 0, 0, 1]]  # all keep x0; A alone keeps x2; x1 is A's and B's
ROWS = [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [-1, 0, 1, 1]]
Y = [1, 0, 1, 1]
#   A  x0 - 2 x1 + 4 x2    1, -1, 3, 3     all right
#   core  x0               1, 1, 1, -1     rows 0 and 2 right
#   without x2             1, -1, -1, -1   rows 0 and 1 right


def trained(masks=MASKS) -> TrainedTickets:
    module = nn.Linear(4, 2, bias=False)
    shared = {"weight": torch.tensor([[0.0] * 4, WEIGHTS])}
    names = NAMES[: len(masks)]
    kept = np.array([[*[0] * 4, *mask] for mask in masks], bool)
    layout = Layout.of(shared, ("weight",))
    tickets = TicketSet(names, names, layout, np.where(kept, 0, 1).astype(np.uint8), (Level(1, 0.5, "target"),))
    assignment = np.repeat(np.arange(len(names)), 4)
    partition = Partition("attribute", "toy", names, assignment, True)
    dataset = dataset_of(ROWS * len(names), Y * len(names), split="val")
    subnetworks = [Subnetwork(name, mask, shared, {}, {}) for name, mask in zip(names, kept, strict=True)]
    network = wrap(module, ("weight",), (), (4,), 2)
    return TrainedTickets(TASKS["multiclass"], dataset, partition, network, subnetworks, tickets, 0, 0)


def test_core_and_private_weights_by_hand():
    rows = core_and_specialists(trained(), draws=0)
    assert rows.ticket.tolist() == [name for name in NAMES for _ in range(3)]
    of_a = rows[rows.ticket == "A"]
    assert of_a.variant.tolist() == ["own", CORE, WITHOUT_PRIVATE]
    assert of_a.kept.tolist() == [3, 1, 2]
    assert of_a.value.tolist() == pytest.approx([1, 1 / 2, 1 / 2])
    without = rows[rows.variant == WITHOUT_PRIVATE].set_index("ticket")
    assert without.kept.to_dict() == {"A": 2, "B": 3, "C": 2}  # B and C keep nothing alone
    assert without.difference[["B", "C"]].tolist() == [0, 0]


def test_the_control_keeps_as_many_weights_of_the_ticket():
    """C keeps x0 and x3. One of them at random reaches what either does alone: x0 1/2, x3 with its -8 0."""
    rows = core_and_specialists(trained(), draws=30)
    control = rows[(rows.ticket == "C") & (rows.variant == CORE)].control_mean.item()
    alone = rows[(rows.ticket == "C") & (rows.variant == CORE)].value.item()
    assert alone == pytest.approx(1 / 2) and 0.05 < control < 0.45
    nothing_removed = rows[(rows.ticket == "C") & (rows.variant == WITHOUT_PRIVATE)]
    assert nothing_removed.control_mean.item() == pytest.approx(nothing_removed.value.item())


def test_the_same_draws_again():
    first, second = (core_and_specialists(trained(), draws=3) for _ in range(2))
    assert first.equals(second)


def test_variants_lie_within_the_ticket():
    draw = np.random.default_rng(0)
    masks = draw.random((4, 200)) < 0.5
    for k in range(4):
        own, core, without = variants(masks, k).values()
        assert not (core & ~own).any() and not (without & ~own).any()
        assert core.sum() == masks.all(axis=0).sum()
        assert (own & ~without).sum() == (masks[k] & (masks.sum(axis=0) == 1)).sum()


def test_one_ticket_has_neither():
    with pytest.raises(BadInput, match="one ticket alone"):
        core_and_specialists(trained([MASKS[0]]))
