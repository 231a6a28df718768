"""The whole way in a real browser: train, watch, look at the masks, reload, follow links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from app import nav
from tests.app.conftest import write_run
from tests.browser.settling import settle

pytestmark = pytest.mark.browser


def pick(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=re.compile(f"{label}$")).click()
    page.get_by_role("option", name=re.compile(option)).first.click()
    settle(page)


def fill(page: Page, label: str, value: str) -> None:
    box = page.get_by_label(label, exact=True)
    box.fill(value)
    box.press("Enter")
    settle(page)


def click_cell(page: Page, row: int, column: int, k: int) -> None:
    """Clicks a cell of the K x K matrix: finds it by the tooltip, which names the pair."""
    canvas = page.locator('[data-testid="stEChartsChart"] canvas').first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    left, right, top, bottom = _plot_area(page, box)
    x = left + (column + 0.5) * (right - left) / k
    y = top + (row + 0.5) * (bottom - top) / k
    page.mouse.move(x - 3, y - 3)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    settle(page)


def _plot_area(page: Page, box: dict) -> tuple[float, float, float, float]:
    """The grid inside the canvas: labels on the left and below, the colour scale on the right."""
    left, right = box["x"] + 70, box["x"] + box["width"] - 92
    return left, right, box["y"] + 8, box["y"] + box["height"] - 28


@pytest.mark.parametrize("address", ["", *(Path(page).stem for page in list(nav.PAGES)[1:])])
def test_deep_link_on_a_fresh_server(serve, visit, tmp_path, address):
    page = visit(f"{serve(tmp_path / 'runs')}/{address}?run=domains")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=60_000)
    expect(page.get_by_test_id("stSidebar").get_by_role("link")).to_have_count(len(nav.PAGES))
    expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.outside == []


def test_a_click_in_the_matrix_lands_in_the_address_and_survives_a_reload(serve, visit, tmp_path):
    write_run(tmp_path / "runs")
    page = visit(f"{serve(tmp_path / 'runs')}/masks?run=known-run")
    page.wait_for_timeout(1500)  # the chart's code is loaded lazily
    click_cell(page, row=3, column=1, k=5)
    heading = page.get_by_role("heading", name=re.compile("noisy and rotated share"))
    expect(heading).to_be_visible()
    assert "a=noisy" in page.url and "b=rotated" in page.url
    message = heading.inner_text()
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name=message)).to_be_visible()


def test_the_ticket_chosen_on_one_page_is_chosen_on_all(serve, visit, tmp_path):
    write_run(tmp_path / "runs")
    page = visit(f"{serve(tmp_path / 'runs')}/?run=known-run")
    page.get_by_test_id("stMainBlockContainer").get_by_role("radio", name="noisy").or_(
        page.get_by_role("button", name="noisy")
    ).first.click()
    settle(page)
    assert "ticket=noisy" in page.url
    page.get_by_role("link", name="Masks", exact=True).click()
    settle(page)
    assert "ticket=noisy" in page.url


def test_train_watch_and_look_at_the_masks(serve, visit, tmp_path):
    runs = tmp_path / "runs"
    write_run(runs)
    page = visit(f"{serve(runs)}/train?run=known-run")
    pick(page, "Data", "^Digits")
    pick(page, "Partition by", "^Class")
    pick(page, "Task", "subset from the rest")
    fill(page, "Steps per round", "4")
    fill(page, "Joint steps", "3")
    page.get_by_label("Clear all").first.click()
    settle(page)
    expect(page.get_by_text("prunable weights", exact=True)).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Start training").click()
    expect(page.get_by_text(re.compile("Finished"))).to_be_visible(timeout=120_000)
    settle(page)
    page.get_by_role("link", name="See what its tickets share").click()
    settle(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("Tickets share")
    assert "run=" in page.url
    page.wait_for_timeout(1500)
    click_cell(page, row=2, column=7, k=10)
    heading = page.get_by_role("heading", name=re.compile(r"2 and 7 share [\d,]+ weights"))
    expect(heading).to_be_visible()
    message = heading.inner_text()
    page.reload()
    settle(page)
    expect(page.get_by_role("heading", name=message)).to_be_visible()
    assert page.outside == []
