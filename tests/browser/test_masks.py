"""The Masks page in a real browser, over the sample of five domains: each view, and what clicks on its charts do."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


VIEWS = {
    "The pair": "is common to both",
    "Who owns the weights": "of the weights serve no ticket",
    "Tree and map": "are most similar",
    "Density by density": "the tickets lose",
    "Meaning": "No taxonomy knows these tickets' names",
}


@pytest.fixture
def masks(serve, visit, tmp_path):
    """masks(query): the page over the sample, its charts painted."""
    address = serve(tmp_path / "runs")

    def open_page(query: str = "") -> Page:
        page = visit(f"{address}/masks?run=domains&{query}")
        expect(page.locator('[data-testid="stEChartsChart"] canvas').first).to_be_visible()
        page.wait_for_timeout(500)  # the chart's code is loaded lazily
        return page

    return open_page


def click_point(page: Page, chart: str, place: int) -> None:
    """Clicks a marker of a Plotly chart, the `place`-th of its last trace."""
    figure = page.locator(f".st-key-{chart} .js-plotly-plot")
    figure.scroll_into_view_if_needed()
    box = figure.locator(".scatterlayer .trace").last.locator(".point").nth(place).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 4, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    settle(page)


def test_a_click_in_the_matrix_changes_the_pair_whatever_the_order(masks):
    page = masks("order=by+similarity")
    box = page.locator('[data-testid="stEChartsChart"] canvas').first.bounding_box()
    x, y = box["x"] + 110, box["y"] + 180
    page.mouse.move(x + 40, y - 10)
    page.mouse.move(x, y)
    tip = page.get_by_text(" ∩ ")
    expect(tip).to_be_visible()
    a, b = re.match(r"(\w+) ∩ (\w+)overlap", tip.text_content()).groups()
    page.mouse.click(x, y)
    expect(page.get_by_role("heading", name=re.compile(f"^{a} and {b} share"))).to_be_visible()
    assert {f"a={a}", f"b={b}"} & set(page.url.split("&"))  # what is the default is not in the address


def test_play_moves_the_density_and_what_is_said_with_it(masks):
    page = masks()
    expect(page.get_by_text("measured on the final shared weights")).to_be_visible()
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_text("measured during extraction")).to_be_visible()
    page.wait_for_url(re.compile("rung=70"), timeout=6_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    settle(page)
    paused = page.url
    page.wait_for_timeout(1_500)
    assert page.url == paused


def test_a_click_on_a_ticket_in_the_tree_or_the_map_selects_it_on_all_pages(masks):
    page = masks("detail=Tree+and+map")
    for chart, place, name in (("tree", 0, "inverted"), ("mask-map", 3, "noisy")):
        click_point(page, chart, place)
        page.wait_for_url(re.compile(f"ticket={name}"))
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("reach")
    assert "ticket=noisy" in page.url


def test_each_view_is_in_the_address_and_asks_nobody_outside(masks):
    page = masks()
    for detail, heading in VIEWS.items():
        page.get_by_role("radio", name=detail).or_(page.get_by_role("button", name=detail)).first.click()
        expect(page.get_by_role("heading", name=re.compile(re.escape(heading)))).to_be_visible()
        settle(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)
        assert f"detail={detail.replace(' ', '+')}" in page.url
    message = page.get_by_role("heading", level=3).all_inner_texts()
    page.reload()
    settle(page)
    assert page.get_by_role("heading", level=3).all_inner_texts() == message
    assert page.outside == []
