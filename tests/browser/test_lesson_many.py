"""The lesson `many` in a real browser: played to its end with the sample, then its link in a fresh one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


LONG = 60_000  # the sample is loaded, and every ticket is asked about 10,000 pictures


def test_ask_five_swap_two_and_the_link(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/learn?lesson=many")
    answers = page.locator(".five")
    expect(answers).to_contain_text("rotated", timeout=LONG)
    expect(answers).not_to_contain_text("blurred")
    page.get_by_role("button", name="Ask all five").click()
    expect(answers).to_contain_text("blurred")
    page.get_by_role("radio", name="Trouser 2", exact=True).click()  # an inverted one
    page.get_by_role("radio", name="inverted", exact=True).click()
    expect(page.get_by_text("The picture is inverted")).to_be_visible()
    page.get_by_role("button", name="original", exact=True).click()
    settle(page)
    page.get_by_role("button", name="noisy", exact=True).click()
    page.get_by_role("button", name="Swap these two").click()
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_contain_text("58 % of their weights", timeout=LONG)
    expect(page.get_by_text("1,610: noisy alone")).to_be_visible()
    page.get_by_role("button", name="Measure them anew").click()
    anew = page.get_by_text("With statistics of the pictures at hand")
    expect(anew).to_contain_text("59.8 % on noisy pictures", timeout=LONG)
    settle(page)

    fresh = visit(page.get_by_test_id("stCode").inner_text().strip())
    expect(fresh.locator(".learn-surprise")).to_have_text(surprise.inner_text(), timeout=LONG)
    expect(fresh.locator(".five")).to_have_text(answers.inner_text(), use_inner_text=True)
    expect(fresh.get_by_text("With statistics of the pictures at hand")).to_have_text(anew.inner_text(), timeout=LONG)
    assert page.outside == fresh.outside == []
