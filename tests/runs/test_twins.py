"""Twins of finished runs: measured once, kept, refused of other masks, and beside chance in the document."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from rtl_core.config import parse
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.events import Stopped
from rtl_core.runs import twins
from rtl_core.runs.checkpoint import finished_run
from rtl_core.runs.store import samples
from rtl_core.runs.training import train_new
from rtl_core.runs.twins_file import TWINS, read_twins

BASE = {
    "data": {"spec": "bundled:digits"},
    "task": "one_vs_rest",
    "partition": {"by": "class"},
    "sharing": {"head": "ticket", "recalibrate_batches": 2},
    "model": {"name": "mlp", "width": 0.25},
    "extract": {"steps": 6, "warm_steps": 20},
    "joint": {"steps": 4},
    "controls": [],
    "denser": [0.5],
    "lighter": [0.05],
}


def trained(root, **changes):
    config = parse({**BASE, "density": 0.2, **changes})
    return finished_run(root / train_new(config, root)["run"])


@pytest.fixture(scope="module")
def one_shot(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def measured(one_shot, tmp_path_factory):
    """Where the twins of `one_shot` are kept, what was measured, and the events of it."""
    root, events = tmp_path_factory.mktemp("measured"), []
    return SimpleNamespace(root=root, kept=twins.measure_twins(one_shot, root, events.append), events=events)


def test_twins_are_kept_and_found_again(one_shot, measured):
    assert plain(read_twins(one_shot, measured.root)) == plain(measured.kept)
    assert measured.kept.steps == twins.cost(one_shot).steps == 4 * 10 * 6
    assert measured.events[-1].step == measured.events[-1].steps == 4 * 10 * 6
    assert "warm_start" in {event.phase for event in measured.events}
    rows, half = np.array(measured.kept.rows), np.array(measured.kept.rows_half)
    assert (half <= rows / 2).all() and (half >= rows / 3).all()
    assert read_twins(one_shot, one_shot.folder.parent) is None  # kept where the user's runs are


def test_every_mask_of_a_level_keeps_what_the_level_says(one_shot, measured):
    tickets = one_shot.tickets
    for level in tickets.levels:
        counts = measured.kept.at(one_shot, level)
        assert (counts.kept.sum(axis=0) == tickets.masks(level)[0].sum()).all()
        assert (counts.halves <= counts.kept[:, :2].min(axis=1)).all()
        assert (counts.order <= counts.kept[:, 2:].min(axis=1)).all() and (
            counts.across == counts.across.swapaxes(1, 2)
        ).all()


def test_the_run_is_repeated_to_the_bit(one_shot, measured):
    for level in one_shot.tickets.levels:
        counts = measured.kept.at(one_shot, level)
        assert (counts.again == counts.kept[:, 2]).all()
        assert (twins.luck_of(one_shot, measured.kept, level).again.iou == 1).all()


def test_measuring_again_gives_the_same(one_shot, measured, tmp_path):
    again = twins.measure_twins(one_shot, tmp_path)
    assert plain(replace(again, seconds=0)) == plain(replace(measured.kept, seconds=0))


def test_the_document_has_twins_beside_chance(one_shot, measured):
    before = twins.similarity_document(one_shot, one_shot.folder.parent)
    after = twins.similarity_document(one_shot, measured.root)
    assert before["twin"] is before["twins"] is before["layers"][0]["twin_mean"] is None
    assert before["iou"] == after["iou"] and list(before) == list(after)
    assert np.shape(after["twin"]) == np.shape(after["position"]) == np.shape(after["chance"]) == (10, 10)
    assert [row["name"] for row in after["twins"]["subsets"]] == list(one_shot.tickets.names)
    low, high = after["twins"]["ci"]["position"]
    assert low < after["twins"]["position"] < high
    assert all({"twin_mean", "position"} <= set(row) for row in after["layers"])
    json.dumps(plain(after), allow_nan=False)


def test_each_pair_once_where_compact(one_shot, measured):
    whole = twins.similarity_document(one_shot, measured.root)
    compact = twins.similarity_document(one_shot, measured.root, compact=True)
    assert len(compact["pairs"]["twin"]) == 45 and "twin" not in compact
    assert compact["pairs"]["twin"][0] == pytest.approx(whole["twin"][0][1], abs=1e-5)


def test_in_one_layer_only_its_own_counts_count(one_shot, measured):
    layer = one_shot.tickets.layout.names[0]
    in_layer = twins.similarity_document(one_shot, measured.root, layer=layer)
    whole = twins.similarity_document(one_shot, measured.root)
    assert in_layer["twins"]["position"] == whole["layers"][0]["position"]


def test_twins_of_other_masks_count_for_none(one_shot, measured, tmp_path):
    changed = one_shot.tickets.pruned_at.copy()
    changed[0, :2] = changed[0, :2][::-1] + 1
    other = replace(one_shot, tickets=replace(one_shot.tickets, pruned_at=changed))
    assert read_twins(other, measured.root) is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda document: "{",
        lambda document: "[]",
        lambda document: {**document, "levels": document["levels"][1:]},
        lambda document: {**document, "levels": [{**document["levels"][0], "halves": [[1]]}, *document["levels"][1:]]},
        lambda document: {**document, "rows": "many"},
        lambda document: {**document, "rows": [1]},
    ],
)
def test_a_damaged_file_is_said_and_not_taken_for_none(one_shot, measured, tmp_path, damage):
    document = json.loads((measured.root / "audits" / one_shot.name / TWINS).read_text())
    folder = tmp_path / "audits" / one_shot.name
    folder.mkdir(parents=True)
    damaged = damage(document)
    (folder / TWINS).write_text(damaged if isinstance(damaged, str) else json.dumps(damaged))
    with pytest.raises(BadInput, match=r"delete .* and measure again \(similarity --twins\)"):
        read_twins(one_shot, tmp_path)


def test_rounds_that_were_watched_are_trained_again(tmp_path):
    extract = {**BASE["extract"], "schedule": "fraction", "fraction": 0.5}
    run = trained(tmp_path, extract=extract, density=0.1, collapse={"policy": "warn", "threshold": 0.001})
    kept = twins.measure_twins(run)
    rounds = len([level for level in run.tickets.levels if level.kind != "lighter"])
    assert kept.steps == 4 * 10 * 6 * rounds
    for level in run.tickets.levels:
        assert (kept.at(run, level).kept.sum(axis=0) == run.tickets.masks(level)[0].sum()).all()


def test_a_word_to_stop_is_heeded_and_nothing_is_kept(one_shot, tmp_path):
    def stop(event):
        if event.phase == "extract":
            raise Stopped

    with pytest.raises(Stopped):
        twins.measure_twins(one_shot, tmp_path, stop)
    assert read_twins(one_shot, tmp_path) is None


def test_what_cannot_be_trained_again_is_refused(one_shot, tmp_path):
    gated = replace(one_shot, config=one_shot.config.model_copy(update={"mode": "gated"}))
    with pytest.raises(BadInput, match="scores over frozen weights"):
        twins.measure_twins(gated, tmp_path)
    info = {**one_shot.info, "data": {**one_shot.info["data"], "fingerprint": "0000"}}
    with pytest.raises(BadInput, match="no longer holds the data"):
        twins.measure_twins(replace(one_shot, info=info), tmp_path)
    masks_only = replace(one_shot, info={"kind": "masks"}, config=None)
    with pytest.raises(BadInput, match="masks only"):
        twins.cost(masks_only)


def test_one_ticket_has_nobody_to_be_compared_with(tmp_path):
    run = trained(tmp_path, task="multiclass", partition={"by": "none"})
    with pytest.raises(BadInput, match="one ticket"):
        twins.cost(run)


@pytest.mark.parametrize("name", samples())
def test_samples_come_with_their_twins(name, tmp_path):
    run = finished_run(samples()[name])
    measured = twins.luck_of(run, read_twins(run, tmp_path), run.tickets.target)
    assert np.isfinite([measured.samples.value, measured.samples.low, measured.samples.high]).all()
    for shared in (measured.halves, measured.order):
        assert (shared.excess > 0).all() and (shared.excess < 1).all()
