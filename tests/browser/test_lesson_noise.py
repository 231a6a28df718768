"""The lesson on noise in a real browser: played to its end, then its link in a fresh one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


def test_guess_press_count_and_the_link(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/learn?lesson=noise")
    page.get_by_role("radio", name="1 in 20").click()
    page.get_by_role("button", name="Audit 30 people").click()
    for press in range(1, 6):
        expect(page.get_by_text(f"of {press} gap")).to_be_visible(timeout=60_000)
        settle(page)
        if press < 5:
            page.get_by_role("button", name="Another 30 people").click()
    page.get_by_role("button", name="Do it 1,000 times").click()
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_contain_text("With 3,000 people 0 % are. You said: 1 in 20.", timeout=30_000)
    expect(page.get_by_text("Over all 16,281 people the gap is −17.6 points")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Before you believe a gap")).to_be_visible()
    settle(page)

    fresh = visit(page.get_by_test_id("stCode").inner_text().strip())
    expect(fresh.locator(".learn-surprise")).to_have_text(surprise.inner_text(), timeout=30_000)
    people = fresh.locator(".noise-people")
    expect(people).to_have_text(page.locator(".noise-people").all_inner_texts())
    expect(fresh.get_by_text("Over all 16,281 people the gap is −17.6 points")).to_be_visible()
    assert page.outside == fresh.outside == []
