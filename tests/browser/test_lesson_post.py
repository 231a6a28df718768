"""The lesson `post` in a real browser: ten deliveries, lighter tickets, then its link in a fresh one."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


LONG = 60_000  # the sample is loaded, and every ticket is asked about 10,000 pictures


def test_deliver_ten_pay_less_and_the_link(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/learn?lesson=post")
    for i in range(10):
        expect(page.get_by_text(f"Picture {i + 1} of 10")).to_be_visible(timeout=LONG)
        page.get_by_role("button", name="blurred", exact=True).click()
    surprise, done = page.locator(".learn-surprise"), page.locator(".post-done")
    expect(surprise).to_contain_text("Of 10,000 it delivers 98.4 % rightly", timeout=LONG)
    right = done.locator("strong", has_text="blurred").count()
    expect(surprise).to_contain_text(f"You delivered {right} of 10 rightly")
    page.get_by_role("button", name="Give the gate lighter tickets").click()
    page.get_by_role("radio", name="50 %", exact=True).click(timeout=LONG)
    budget = page.get_by_text("For 50 %,")
    expect(budget).to_contain_text("points against the whole budget", timeout=LONG)
    page.get_by_role("radio", name="noisy", exact=True).click()
    expect(page.get_by_text("You send it to noisy, the gate to original")).to_be_visible(timeout=LONG)
    settle(page)

    fresh = visit(page.get_by_test_id("stCode").inner_text().strip())
    expect(fresh.locator(".learn-surprise")).to_have_text(surprise.inner_text(), timeout=LONG)
    expect(fresh.locator(".post-done")).to_have_text(done.inner_text(), use_inner_text=True)
    expect(fresh.get_by_text("For 50 %,")).to_have_text(budget.inner_text())
    expect(fresh.get_by_text("You send it to noisy, the gate to original")).to_be_visible()
    assert page.outside == fresh.outside == []
