"""Charts in files of their own, with places known on paper."""

from __future__ import annotations

import re

import pytest

from rtl_core.audit.report import svg_curves as charts
from rtl_core.audit.report.svg import round_axis
from rtl_core.audit.report.svg_curves import Axis, Curve

AXIS = Axis("density", 0.4, 0.1, ((0.4, "0.4"), (0.2, "0.2"), (0.1, "0.1")))


def test_the_axis_is_logarithmic_in_the_order_given():
    left, right = charts.LEFT, charts.WIDTH - charts.RIGHT
    assert [AXIS.place(x) for x in (0.4, 0.2, 0.1)] == pytest.approx([left, (left + right) / 2, right])


def test_a_point_without_an_interval_has_no_band():
    line = Curve("<a>", ((0.4, 0.5, None, None), (0.2, 0.6, 0.5, 0.7), (0.1, 0.7, 0.6, 0.8)))
    drawn, _ = charts.curves("title", [line], AXIS, "accuracy")
    band = re.search(r'<polygon points="([^"]*)"', drawn).group(1).split()
    path = re.search(r'<polyline points="([^"]*)"', drawn).group(1).split()
    assert (len(band), len(path)) == (4, 3)
    assert "&lt;a&gt;" in drawn and "<a>" not in drawn


def test_an_axis_around_one_value_has_two_ends():
    for value in (0.0, 0.5, 1.0):
        low, high, step = round_axis(value, value)
        assert 0 <= low <= value <= high <= 1 and high - low == pytest.approx(step)


def test_labels_keep_their_order_and_their_distance():
    placed = charts._apart([50.0, 50.0, 49.0, 300.0], 40, 400)
    assert placed == [49 + charts.LABEL_STEP, 49 + 2 * charts.LABEL_STEP, 49.0, 300.0]
    assert charts._apart([400.0, 399.0], 40, 400) == [400.0, 400.0 - charts.LABEL_STEP]


def test_a_difference_is_filled_where_its_interval_excludes_zero():
    def drawn(low, high):
        return charts.differences("t", [("c", [Curve("a", ((1.0, 0.1, low, high),))])], "x")[0]

    assert 'fill="#fff"' not in drawn(0.05, 0.15)
    assert 'fill="#fff"' in drawn(-0.05, 0.25)
    assert 'fill="#fff"' in drawn(None, None)


def test_differences_of_nothing_are_drawn_on_the_line_of_zero():
    drawn, _ = charts.differences("t", [("c", [Curve("a", ((1.0, 0.0, 0.0, 0.0),))])], "x")
    assert "nan" not in drawn and "inf" not in drawn
