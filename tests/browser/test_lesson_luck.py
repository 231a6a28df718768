"""The lesson `luck` in a real browser: a seed of one's own, a training, the class's runs, and the link back to them."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TRAINED = 480_000  # ms; a run takes about 40 s on two free cores


def sees_the_end(page: Page) -> str:
    surprise = page.locator(".learn-surprise")
    expect(surprise).to_be_visible(timeout=TRAINED)
    expect(page.locator(".st-key-luck-class .js-plotly-plot")).to_be_visible()
    expect(page.locator(".learn-home")).to_be_visible()
    return surprise.inner_text()


def test_the_lesson_is_played_to_its_end_and_its_link_restores_it(serve, visit, tmp_path):
    address = serve(tmp_path / "runs")
    page = visit(f"{address}/learn?lesson=luck")
    page.get_by_role("radio", name="They win neither").click()
    seed = page.get_by_role("spinbutton", name="Your seed")
    expect(seed).to_be_visible()
    drawn = seed.input_value()
    page.get_by_role("button", name="Train", exact=True).click()
    message = sees_the_end(page)
    assert re.match(r"Same steps with known masks: RTL leads in [01] of 1 run, ", message)
    assert f"luck-seed={drawn}" in page.url

    again = visit(page.url)
    assert sees_the_end(again) == message
    expect(again.get_by_role("spinbutton", name="Your seed")).to_have_value(drawn)
    assert page.outside == [] and again.outside == []
