"""The Routing page in a real browser: a click on a cell, a smaller budget, and the link that restores both."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


POINT = """() => {
  const chart = document.querySelector('.st-key-budget-chart .js-plotly-plot');
  const point = chart.data.find(trace => trace.name === 'your budget');
  return [point.x[0], point.y[0]];
}"""


@pytest.fixture
def routing(serve, visit, tmp_path):
    """routing(query): the page over the sample of ten classes, its charts painted."""
    address = serve(tmp_path / "runs")

    def open_page(query: str) -> Page:
        page = visit(f"{address}/routing?{query}")
        expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=40_000)
        expect(page.locator('[data-testid="stEChartsChart"] canvas').first).to_be_visible()
        page.wait_for_timeout(500)  # the chart's code is loaded lazily
        return page

    return open_page


def click_cell(page: Page, right: float, down: float) -> tuple[str, str, int]:
    """Clicks the matrix, so many pixels from its corner; (row, ticket, n) as the tooltip names them."""
    box = page.locator('[data-testid="stEChartsChart"] canvas').first.bounding_box()
    x, y = box["x"] + right, box["y"] + down
    page.mouse.move(x + 3, y - 3)
    page.mouse.move(x, y)
    tip = page.get_by_text(re.compile(" of the row$"))
    expect(tip).to_be_visible()
    row, ticket, n = re.match(r"(.+) → (.+?)(\d+) of", tip.text_content()).groups()
    page.mouse.click(x, y)
    settle(page)
    return row, ticket, int(n)


def lower_the_budget(page: Page) -> None:
    slider = page.get_by_role("slider")
    slider.focus()
    for _ in range(3):
        slider.press("PageDown")
    settle(page)


def test_a_cell_shows_its_samples_and_a_smaller_budget_lighter_tickets(routing):
    page = routing("run=fashion10&detail=Budget")
    row, ticket, n = click_cell(page, 160, 200)
    expect(page.get_by_text(f"{row} sent to {ticket}: {n} pictures")).to_be_visible()
    if n:
        expect(page.locator(".st-key-samples-cell img")).to_have_count(min(n, 50))

    expect(page.get_by_text("At the tickets' own density, 10 %: all 2,000.")).to_be_visible()
    full = page.evaluate(POINT)
    lower_the_budget(page)
    expect(page.get_by_text("Under your budget, of 2,000 pictures")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("of the tickets' own cost")
    page.wait_for_function(f"() => ({POINT})()[0] < {full[0]} - 5")
    less = page.evaluate(POINT)
    assert less[1] < full[1]

    address, message = page.url, page.get_by_role("heading", level=1).inner_text()
    assert "budget=" in address and "to=" in address
    again = routing(address.partition("?")[2])
    expect(again.get_by_role("heading", level=1)).to_have_text(message)
    expect(again.get_by_text(f"{row} sent to {ticket}")).to_be_visible()
    expect(again.locator(".st-key-budget-chart .js-plotly-plot")).to_be_visible()
    assert again.evaluate(POINT) == pytest.approx(less)
    assert page.outside == [] and again.outside == []


def test_a_band_of_the_flow_and_a_lasso_on_the_map_show_whom_they_hold(routing):
    page = routing("run=fashion10&detail=Map+of+inputs&to=Shirt")
    page.get_by_role("tab", name="Flow").click()
    canvas = page.locator(".st-key-routing-flow canvas").first
    expect(canvas).to_be_visible()
    page.wait_for_timeout(500)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 22)
    page.mouse.click(box["x"] + 200, box["y"] + 22)
    settle(page)
    expect(page.get_by_text(re.compile(r"^T-shirt/top sent to T-shirt/top: ")).first).to_be_visible()

    chart = page.locator(".st-key-map-PCA .js-plotly-plot")
    chart.scroll_into_view_if_needed()
    plot = chart.locator(".nsewdrag").first.bounding_box()
    middle = plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2
    page.mouse.move(middle[0] - 90, middle[1] - 90)
    page.mouse.down()
    for dx, dy in ((90, -90), (90, 90), (-90, 90), (-90, -90)):
        page.mouse.move(middle[0] + dx, middle[1] + dy, steps=6)
    page.mouse.up()
    expect(page.get_by_text(re.compile(r"chosen pictures.*reach their own ticket"))).to_be_visible()
    expect(page.locator(".st-key-samples-lasso img").first).to_be_visible()
