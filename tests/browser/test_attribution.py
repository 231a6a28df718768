"""The Attribution page in a real browser: a picture chosen and uploaded, the method switched, the link opened again."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser


def tile(page: Page, name: str):
    title = page.locator(".title", has_text=re.compile(f"^{name}$"))
    return page.locator(".lab-map").filter(has=title)


def choose(page: Page, label: str, option: str) -> None:
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_a_picture_is_looked_at_by_every_ticket(serve, visit, tmp_path):
    address = serve(tmp_path / "runs")
    page = visit(f"{address}/attribution?run=fashion10&ticket=Dress")
    expect(page.get_by_role("heading", level=1)).to_contain_text("claim", timeout=30_000)
    choose(page, "Method", "Guided backpropagation")
    page.locator(".st-key-thumb-13 button:visible").click()
    expect(tile(page, "the input")).to_contain_text("test picture 13", timeout=15_000)
    expect(tile(page, "Dress")).to_contain_text("it hardly depends on what was learned", timeout=30_000)
    expect(page.locator(".lab-map img")).to_have_count(13)
    expect(tile(page, "random mask")).to_contain_text("beside Dress")
    drawn = page.locator(".lab-map img").nth(4).evaluate("picture => picture.naturalWidth")
    assert drawn == 28
    settle(page)
    assert all(piece in page.url for piece in ("ticket=Dress", "sample=13", "map=Guided+backpropagation"))

    again = visit(page.url)
    expect(tile(again, "the input")).to_contain_text("test picture 13", timeout=30_000)
    expect(tile(again, "Dress")).to_contain_text("it hardly depends on what was learned", timeout=30_000)
    assert page.outside == again.outside == []


HEIGHTS = """(selector) => {
  window.heights = new Set();
  const look = () => {
    const there = document.querySelector(selector);
    if (there) window.heights.add(Math.round(there.getBoundingClientRect().top));
    requestAnimationFrame(look);
  };
  look();
}"""


def test_pictures_to_press_stay_where_they_are_while_the_page_is_worked_out_anew(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/attribution?run=fashion10&ticket=Dress")
    expect(page.get_by_role("heading", level=1)).to_contain_text("claim", timeout=30_000)
    settle(page)
    page.evaluate(HEIGHTS, ".st-key-thumb-13")
    choose(page, "Method", "Guided backpropagation")
    expect(tile(page, "Dress")).to_contain_text("it hardly depends on what was learned", timeout=30_000)
    settle(page)
    assert len(page.evaluate("() => [...window.heights]")) == 1


def test_an_own_picture_is_looked_at(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/attribution?run=fashion10&input=Your+own&map=Saliency")
    expect(page.get_by_text("Choose a picture to see")).to_be_visible(timeout=30_000)
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (120, 200, 3), np.uint8)).save(file, "JPEG")
    upload = page.get_by_test_id("stFileUploader").locator("input[type=file]")
    upload.set_input_files({"name": "mine.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
    expect(tile(page, "the input")).to_contain_text("mine.jpg", timeout=15_000)
    expect(tile(page, "Bag")).to_contain_text(re.compile("trust|doubtful"), timeout=30_000)
    assert page.outside == []
