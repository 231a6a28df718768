"""The lesson on chance in a real browser: played to its end, then its link in a fresh one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


def test_guess_draw_drag_and_the_link(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/learn?lesson=chance")
    page.get_by_role("radio", name="10 %", exact=True).click()
    page.get_by_role("button", name="Draw two masks").click()
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_contain_text("keep half each share 33 %", timeout=30_000)
    expect(surprise).to_contain_text("You said 10 %.")
    page.get_by_role("slider", name="Mask A keeps").press("ArrowRight")
    expect(surprise).to_contain_text("keep 55 % and 50 % share 35 %")  # .275 / .775
    third = page.locator(".chance-masks figcaption").last
    before = third.inner_text()
    page.get_by_role("button", name="Draw again").click()
    expect(third).not_to_have_text(before)
    settle(page)
    page.get_by_role("button", name="Show five learned masks").click()
    expect(page.get_by_text("An overlap says nothing until")).to_be_visible(timeout=30_000)
    settle(page)

    fresh = visit(page.get_by_test_id("stCode").inner_text().strip())
    expect(fresh.locator(".learn-surprise")).to_have_text(surprise.inner_text(), timeout=30_000)
    expect(fresh.locator(".chance-masks figcaption").last).to_have_text(third.inner_text())
    expect(fresh.get_by_text("An overlap says nothing until")).to_be_visible()
    assert page.outside == fresh.outside == []
