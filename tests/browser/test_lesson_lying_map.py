"""The lesson on maps in a real browser: played to its end, then its link in a fresh one."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


def test_six_picks_the_score_an_own_picture_and_the_link(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/learn?lesson=lying_map")
    for number in range(1, 7):
        expect(page.get_by_text(f"Picture {number} of 6")).to_be_visible(timeout=90_000)
        page.get_by_role("button", name="Map A is from the trained network").click()
    result = page.get_by_text(re.compile(r"you found the trained network \d of 3 times"))
    expect(result).to_have_count(2, timeout=30_000)
    settle(page)
    page.get_by_role("button", name="Compare the maps").click()
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_contain_text(re.compile(r"\d+ of 60 of its maps"), timeout=60_000)
    expect(page.locator(".lab-verdict")).to_have_count(2, timeout=60_000)
    page.get_by_role("radio", name="Trouser").first.click()
    expect(page.get_by_text("why “Trouser”?").first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("A beautiful map proves nothing")).to_be_visible()
    settle(page)

    fresh = visit(page.get_by_test_id("stCode").inner_text().strip())
    expect(fresh.locator(".learn-surprise")).to_have_text(surprise.inner_text(), timeout=60_000)
    expect(fresh.get_by_text("why “Trouser”?").first).to_be_visible(timeout=60_000)
    assert fresh.get_by_text("you found").all_inner_texts() == result.all_inner_texts()
    assert page.outside == fresh.outside == []
