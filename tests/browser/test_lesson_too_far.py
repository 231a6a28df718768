"""The lesson on collapse in a real browser: dragged, marked, heard, then its link in a fresh one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


def test_drag_mark_listen_and_the_link(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/learn?lesson=too_far")
    slider = page.get_by_role("slider")
    expect(slider).to_be_visible(timeout=60_000)
    mark = page.get_by_role("button", name="is the last safe density")
    expect(page.locator(".far-grid figure")).to_have_count(10, timeout=120_000)
    expect(mark).to_have_count(0)
    for _ in range(4):
        slider.press("ArrowRight")
    expect(mark).to_be_visible(timeout=30_000)
    settle(page, 1_000)
    label = mark.inner_text()
    mark.click()
    expect(page.get_by_text("as the last safe density")).to_contain_text(label.split(" is ")[0], timeout=30_000)
    page.get_by_role("button", name="Show their confidence").click()
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_be_visible(timeout=30_000)
    expect(page.locator(".far-way li").first).to_be_visible(timeout=30_000)
    expect(page.get_by_text("listen to how sure")).to_be_visible()
    settle(page)

    fresh = visit(page.get_by_test_id("stCode").inner_text().strip())
    expect(fresh.locator(".learn-surprise")).to_have_text(surprise.inner_text(), timeout=60_000)
    expect(fresh.get_by_text("as the last safe density")).to_contain_text(label.split(" is ")[0])
    assert fresh.locator(".far-way li").all_inner_texts() == page.locator(".far-way li").all_inner_texts()
    assert page.outside == fresh.outside == []
