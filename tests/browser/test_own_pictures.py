"""An own picture in every lesson that takes one: drawn by mouse, uploaded in any size and colour, or no picture."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from rtl_core.data.class_folders import KINDS

pytestmark = pytest.mark.browser

LONG = 120_000  # ms; samples are loaded, tickets asked, and one lesson trains
# lesson -> where the address must be for the picture to be asked for
ASKING = {
    "many": "",
    "post": "&post-to=0404040404&post-lighter=1",
    "lying_map": "&lying_map-picks=AAAAAA&lying_map-scored=1",
    "too_far": "&too_far-deepest=3&too_far-mark=3&too_far-heard=1",
    "winning": "&winning-guess=No+difference",
}


def encoded(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def colourful(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def seen(page: Page) -> str:
    """The picture as the network sees it: the source of the image."""
    shown = page.locator("[class*='st-key-own-'] img")
    expect(shown).to_be_visible(timeout=LONG)
    return shown.get_attribute("src")


def changed(page: Page, before: str) -> str:
    expect(page.locator("[class*='st-key-own-'] img")).not_to_have_attribute("src", before, timeout=LONG)
    return seen(page)


def way(page: Page, name: str) -> None:
    page.locator("[class*='st-key-own-']").get_by_role("radio", name=name, exact=True).click()


def test_drawn_and_uploaded_pictures_in_every_lesson(serve, visit, tmp_path):
    address = serve(tmp_path / "runs")
    for lesson, state in ASKING.items():
        page = visit(f"{address}/learn?lesson={lesson}{state}")
        if lesson == "winning":
            page.get_by_role("button", name="Prune and train").click()
        first = seen(page)

        way(page, "Draw")
        canvas = page.locator("[class*='st-key-own-'] canvas")
        canvas.scroll_into_view_if_needed(timeout=LONG)
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.8, steps=8)
        page.mouse.up()
        drawn = changed(page, first)

        way(page, "Upload")
        upload = page.locator("[class*='st-key-own-'] input[type=file]")
        for name, data in {
            "wide.jpg": encoded(colourful(317, 90), "JPEG"),
            "tiny.png": encoded(colourful(3, 5).convert("L"), "PNG"),
        }.items():
            upload.set_input_files({"name": name, "mimeType": "image/png", "buffer": data})
            drawn = changed(page, drawn)
        upload.set_input_files({"name": "a.png", "mimeType": "image/png", "buffer": b"not a picture"})
        expect(page.get_by_text(f"The picture cannot be read as a {KINDS} picture").first).to_be_visible(timeout=LONG)
        expect(page.locator("[data-testid='stException']")).to_have_count(0)
        assert page.outside == []
