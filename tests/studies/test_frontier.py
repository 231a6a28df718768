"""Points, paired leads and the smallest tickets that are level with the dense network, on figures known on paper."""

from __future__ import annotations

import json

import pytest

from benchmarks import frontier as page
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.studies.frontier import Frontier, Point, lead, points, read


def point(method: str, density: float, values: tuple[float, ...], kilobytes: float, recipe: str = "") -> Point:
    return Point(method, recipe, density, (f"density={density:g}",), values, 250 * kilobytes, kilobytes, 90, 440)


DENSE = point("dense_same_total", 0.25, (0.80, 0.81, 0.82), 150)
LEVEL, SMALL = point("rtl", 0.25, (0.81, 0.80, 0.82), 60), point("rtl", 0.1, (0.80, 0.80, 0.83), 30)
BELOW = point("rtl", 0.05, (0.70, 0.72, 0.71), 15)


def made(*own: Point) -> Frontier:
    controls = (
        point("random_same_storage", 0.1, (0.75, 0.76, 0.77), 30),
        point("imp_single_union", 0.1, (0.76, 0.75, 0.76), 28),
        point("imp_single_union_argmax", 0.1, (0.78, 0.79, 0.77), 28),
        point("dense_small", 0.1, (0.80, 0.82, 0.81), 31),
    )
    return Frontier(
        "toy data", "storage_domains", "bundled:toy", "accuracy", (1, 2, 3), (0.25, 0.1), (*own, DENSE, *controls)
    )


def test_leads_are_paired_by_seed():
    gap = lead(point("rtl", 0.1, (0.9, 0.6, 0.8), 1), point("random", 0.1, (0.8, 0.5, 0.69), 1))
    assert gap.difference == pytest.approx(0.31 / 3)
    assert 0.08 < gap.low < gap.difference < gap.high < 0.13  # not the .4 of an unpaired interval


def test_the_smallest_level_tickets_are_found_whatever_lies_below():
    assert made(LEVEL, SMALL, BELOW).level_with_dense() is not None
    assert made(LEVEL, SMALL, BELOW).level_with_dense() == SMALL
    assert made(LEVEL, BELOW).level_with_dense() == LEVEL
    assert made(BELOW).level_with_dense() is None


def test_without_an_interval_the_difference_decides():
    assert lead(point("rtl", 0.1, (0.5,), 1), point("dense", 0.1, (0.6,), 1)).is_below
    assert not lead(point("rtl", 0.1, (0.6,), 1), point("dense", 0.1, (0.5,), 1)).is_below


def test_the_best_one_mask_is_the_best_however_it_is_read():
    assert made(SMALL).best_one_mask(0.1).method == "imp_single_union_argmax"
    assert made(SMALL).best_one_mask(0.25) is None


def test_points_of_a_document_take_the_smaller_packing():
    row = {
        "method": "rtl",
        "density": 0.1,
        "params_total": 100,
        "own_density": 0.25,
        "steps_warm": 4,
        "steps_extract": 30,
    }
    rows = [
        {**row, "seed": 1, "accuracy": 0.7, "bits": 80_000, "bits_union": 40_000, "steps_joint": 6},
        {**row, "seed": 2, "accuracy": 0.8, "bits": 80_000, "bits_union": 120_000, "steps_joint": 6},
    ]
    (one,) = points(
        {"rows": rows, "metric": "accuracy", "cells": [{"n_prunable": 400}]}, "shared", ("extract.sharing=0.5",)
    )
    assert one == Point("rtl", "shared", 0.1, ("extract.sharing=0.5", "density=0.1"), (0.7, 0.8), 100, 7.5, 100, 40)


def test_it_is_read_back_as_it_was_written(tmp_path):
    frontier = made(LEVEL, SMALL)
    (tmp_path / "frontier.json").write_text(json.dumps({"frontiers": plain([frontier])}))
    assert read(tmp_path / "frontier.json") == [frontier]


@pytest.mark.parametrize("content", ["[]x", "{}", '{"frontiers": [{"title": 3}]}'])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "frontier.json").write_text(content)
    with pytest.raises(BadInput):
        read(tmp_path / "frontier.json")


def test_the_page_says_where_tickets_lead_and_where_they_do_not():
    text = page.section(made(LEVEL, SMALL, BELOW))
    assert "At density 0.1 RTL (0.810; 7,500 stored weights, 90 of them for an input) is above" in text
    assert "above “Random masks, same stored weights” (+0.050" in text
    assert "not told apart from “One small dense network” (+0.000" in text
    assert "37,500 weights) store 7,500 weights: 5.0 times fewer, and with the masks 5.0 times fewer kilobytes" in text
    assert "All tickets here are below the dense network" in page.section(
        made(point("rtl", 0.1, (0.5, 0.51, 0.52), 9), point("rtl", 0.25, (0.5, 0.52, 0.51), 19))
    )
    assert page.drawing(made(LEVEL, SMALL)).startswith("<svg")
