"""The lesson `winning` in a real browser: prune, train, read a picture, and the link that restores the end."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser

TRAINED = 180_000  # ms; a run takes about 10 s on two free cores


def sees_the_end(page: Page) -> str:
    """The surprise, once the four networks have read the picture."""
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_be_visible(timeout=TRAINED)
    expect(page.locator(".winning-read tr")).to_have_count(5, timeout=40_000)
    expect(page.locator(".learn-home")).to_be_visible()
    return surprise.inner_text()


def test_the_lesson_is_played_to_its_end_and_its_link_restores_it(serve, visit, tmp_path):
    address = serve(tmp_path / "runs")
    page = visit(f"{address}/learn?lesson=winning")
    page.get_by_role("radio", name="50 %", exact=True).click()
    page.get_by_role("radio", name="No difference").click()
    page.get_by_role("button", name="Prune and train").click()
    message = sees_the_end(page)
    assert re.match(r"With 50 % of the weights the ticket reads [\d.]+ % of the digits rightly, ", message)
    page.get_by_role("radio", name=re.compile(r"^7 ")).first.click()
    expect(page.get_by_text("It is labelled “7”.")).to_be_visible()
    table = page.locator(".winning-read").inner_text()

    again = visit(page.url)
    assert sees_the_end(again) == message
    assert again.locator(".winning-read").inner_text() == table
    assert page.outside == [] and again.outside == []
