"""Numbers and drawings of the report, with answers known on paper."""

from __future__ import annotations

import re

import pytest
from markupsafe import Markup

from rtl_core.audit.report import number_format, svg


@pytest.mark.parametrize(
    ("made", "html"),
    [
        (number_format.share(0.25), '<data value="0.25">25.0 %</data>'),
        (number_format.count(1234), '<data value="1234">1,234</data>'),
        (number_format.number(-0.5), '<data value="-0.5">−0.500</data>'),
        (number_format.gap(-0.125, "tpr"), '<data value="-0.125">−12.5 points</data>'),
        (number_format.gap(0.0001, "tpr"), '<data value="0.0001">0.0 points</data>'),
        (number_format.gap(0.25, "roc_auc"), '<data value="0.25">+0.250</data>'),
        (number_format.metric(0.25, "mean_score"), '<data value="0.25">0.250</data>'),
        (number_format.share(None), '<span class="none">–</span>'),
        (
            number_format.share(None, "no <positives>"),
            '<span class="none">– <span class="why">no &lt;positives&gt;</span></span>',
        ),
        (number_format.listed(["<a>", "b", "c"]), "&lt;a&gt;, b and c"),
        (number_format.listed(["b"], quoted=True), "“b”"),
        (number_format.breakable("<a>,b"), "&lt;a&gt;,<wbr>b"),
    ],
)
def test_numbers_are_exact_inside_and_rounded_outside(made, html):
    assert isinstance(made, Markup) and made == html


def test_an_interval_never_looks_like_a_point():
    assert _shown(number_format.interval((0.5, 0.75))) == "50.0 to 75.0 %"
    assert _shown(number_format.interval((0.99976, 1.0))) == "99.98 to 100.00 %"
    assert _shown(number_format.interval((-0.1, 0.1), "points")) == "−10.0 to 10.0"
    assert _shown(number_format.interval((None, None))) == "no interval"


def test_the_axis_of_gaps_holds_all_intervals():
    gap = {"gap": -0.12, "low": -0.31, "high": 0.04}
    assert svg.reach_of([gap, dict.fromkeys(gap)]) == pytest.approx(0.35)
    assert svg.reach_of([]) == pytest.approx(0.01)


def test_a_gap_stands_where_its_value_is():
    """On an axis from -20 to 20 points, +10 points is halfway to the right end; 0 is the middle."""
    middle = svg.GAP_WIDTH / 2
    right = svg.gap_line(0.1, 0.0, 0.2, 0.2, small=False, rare=False)
    assert _dot(right) == pytest.approx(middle * (1 + 0.98 / 2), abs=0.1)
    zero = svg.gap_line(0.0, None, None, 0.2, small=False, rare=False)
    assert _dot(zero) == pytest.approx(middle, abs=0.1)
    assert zero.count("<line") == 1  # the zero line, and no interval where there is none


def test_gaps_of_small_groups_are_hollow_and_dashed():
    plain = svg.gap_line(0.1, 0.0, 0.2, 0.2, small=False, rare=False)
    small = svg.gap_line(0.1, 0.0, 0.2, 0.2, small=True, rare=False)
    assert 'fill="#fff"' in small and "stroke-dasharray" in small
    assert 'fill="#fff"' not in plain and "stroke-dasharray" not in plain
    assert "not compared" in svg.gap_line(None, None, None, 0.2, small=False, rare=False)


def test_the_matrix_says_what_is_not_defined():
    drawn = svg.overlap_matrix(["<a>", "b"], [[1.0, None], [0.3, 1.0]])
    assert drawn.count("<rect") == 2 and ">–<" in drawn and ">+0.30<" in drawn
    assert "<a>" not in drawn and "&lt;a&gt;" in drawn


def test_a_large_matrix_draws_each_pair_once():
    k = svg.NUMBERED + 1
    assert svg.overlap_matrix([f"t{i}" for i in range(k)], [[0.1] * k] * k).count("<rect") == k * (k - 1) // 2


def _shown(html: Markup) -> str:
    return html.striptags()


def _dot(svg: Markup) -> float:
    return float(re.search(r'<circle cx="([\d.]+)"', svg).group(1))
