"""Tickets out of a run, read back by what reads them elsewhere; two tickets compared."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.interchange.ticket_file import read_ticket, require_same_theta
from rtl_core.learning.subnetwork import as_module, fill
from rtl_core.models.catalogue import rebuild
from rtl_core.runs import exports
from rtl_core.runs.checkpoint import load_learned, load_run
from rtl_core.runs.store import samples
from rtl_core.tickets.layout import Layout


@pytest.fixture(scope="module")
def run():
    return load_run(samples()["domains"])


def ticket(mask, layout=None, name="t", theta_hash=None):
    layout = layout or Layout(("a", "b"), ((2, 2), (4,)))
    return exports.OneTicket(name, layout, np.array(mask, bool), theta_hash)


def test_an_exported_ticket_is_the_runs_mask_for_the_runs_weights(run, tmp_path):
    name = run.tickets.names[1]
    path = exports.export(run, name, ["ticket"], tmp_path)["ticket"]
    ticket = read_ticket(path)
    assert ticket.name == name and ticket.levels == run.tickets.levels
    assert np.array_equal(ticket.pruned_at, run.tickets.pruned_at[1])
    shared = load_learned(run)["rtl"].subnetworks[1].shared
    require_same_theta(ticket, shared, run.tickets.layout, run.info["model"])
    other = {key: value + 1 for key, value in shared.items()}
    with pytest.raises(BadInput, match="has other weights"):
        require_same_theta(ticket, other, run.tickets.layout, run.info["model"])


def test_exported_weights_give_the_tickets_logits_in_the_plain_network(run, tmp_path):
    path = exports.export(run, run.tickets.names[0], ["safetensors"], tmp_path)["safetensors"]
    network = rebuild(run.info["model"])
    inputs = torch.randn(4, *network.input_shape, generator=torch.Generator().manual_seed(0))
    expected = as_module(network, load_learned(run)["rtl"].subnetworks[0], run.tickets.layout)(inputs)
    fill(network.module, load_file(path))
    assert torch.equal(network.module.eval()(inputs), expected)


def test_tickets_whose_names_share_their_letters_get_files_of_their_own(run, tmp_path):
    names = ("猫", "犬", "__-2", *run.tickets.names[3:])
    renamed = replace(run, tickets=replace(run.tickets, names=names, subsets=names))
    paths = [exports.export(renamed, name, ["ticket"], tmp_path)["ticket"] for name in names]
    assert [read_ticket(path).name for path in paths] == list(names)


def test_export_refuses_what_is_not_there(run, tmp_path):
    with pytest.raises(BadInput, match="no ticket 'x'; it has: "):
        exports.export(run, "x", ["ticket"], tmp_path)
    with pytest.raises(BadInput, match="no format 'pickle'; a ticket is exported as ticket or safetensors"):
        exports.export(run, run.tickets.names[0], ["pickle"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_diff_counts_on_paper():
    a, b = ticket([1, 1, 0, 0, 1, 0, 0, 0], name="a"), ticket([1, 0, 1, 0, 1, 1, 0, 0], name="b")
    difference = plain(exports.diff(a, b))
    assert (difference["shared"], difference["only_a"], difference["only_b"], difference["same_theta"]) == (
        2,
        1,
        2,
        None,
    )
    assert difference["layers"][0] == {
        "name": "a",
        "shared": 1,
        "only_a": 1,
        "only_b": 1,
        "iou": pytest.approx(1 / 3),
        "chance": pytest.approx(1 / 3),
        "excess": pytest.approx(0, abs=1e-12),
    }
    json.dumps(difference, allow_nan=False)


def test_diff_says_whether_the_weights_are_the_same():
    a = ticket([1] * 8, theta_hash="1")
    assert exports.diff(a, ticket([1] * 8, theta_hash="1")).same_theta is True
    difference = plain(exports.diff(a, ticket([1] * 8, theta_hash="2")))
    assert difference["same_theta"] is False and difference["excess"] is None  # full masks: chance is 1


def test_diff_refuses_other_networks_by_tensor_and_shape():
    other = Layout(("a", "b"), ((2, 2), (2, 2)))
    with pytest.raises(BadInput, match="tensor 'b' is 4 in the first and 2 x 2 in the second"):
        exports.diff(ticket([1] * 8), ticket([1] * 8, other))


def test_a_ticket_is_named_by_run_or_by_file(run, tmp_path):
    path = exports.export(run, run.tickets.names[0], ["ticket"], tmp_path)["ticket"]
    from_file = exports.open_ticket(path, tmp_path)
    from_run = exports.open_ticket(f"domains:{run.tickets.names[0]}", tmp_path)
    difference = plain(exports.diff(from_file, from_run))
    assert (
        difference["same_theta"] is True
        and difference["only_a"] == difference["only_b"] == 0
        and difference["iou"] == 1
    )
    with pytest.raises(BadInput, match="is no ticket file; name a file, or a ticket of a run as RUN:TICKET"):
        exports.open_ticket("nowhere", tmp_path)


def test_a_loaded_ticket_is_measured_on_the_runs_weights_and_refused_for_others(run, tmp_path):
    name = run.tickets.names[2]
    path = exports.export(run, name, ["ticket"], tmp_path)["ticket"]
    ticket = exports.apply_ticket(run, read_ticket(path))
    own = run.info["evaluation"]["tickets"][2]
    assert ticket.row.name == ticket.own.name == name and ticket.own.accuracy == own["accuracy"]
    assert ticket.row.accuracy == pytest.approx(own["accuracy"], abs=1e-3)  # statistics estimated again, the same rows
    other = load_run(samples()["fashion10"])
    with pytest.raises(BadInput, match="has other weights"):
        exports.apply_ticket(other, read_ticket(path))
