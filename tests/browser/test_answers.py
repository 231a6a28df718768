"""Answers that are no classes, in a browser: another ticket, a mistake that is clicked, tickets of an uploaded zip."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from rtl_core import cli
from tests.browser.settling import settle
from tests.browser.test_app import fill, pick
from tests.data.mask_files import masked_pictures, zipped
from tests.toy_run import set_options, toy

pytestmark = pytest.mark.browser

LONG = 120_000  # ms; networks are loaded, and one test trains
SETTINGS = toy(
    task="segmentation",
    data={"limit": 240},
    partition={"by": "attribute", "column": "modality"},
    model={"name": "unet", "width": 0.25},
    density=0.3,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """The folder of one small run whose tickets label pixels."""
    root = tmp_path_factory.mktemp("runs")
    words = ["train", "--data", "bundled:nuclei", *set_options(SETTINGS), "--runs", str(root)]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    return root


def large(page: Page) -> str:
    """The answer from near, as it is drawn: the address of its picture."""
    drawn = page.locator(".st-key-answer-large .js-plotly-plot .imagelayer image, .st-key-answer-large image").first
    expect(drawn).to_be_visible(timeout=LONG)
    return drawn.get_attribute("href") or drawn.get_attribute("xlink:href")


def test_another_ticket_labels_otherwise_and_a_mistake_says_its_numbers(serve, visit, runs):
    run = next(path.name for path in runs.iterdir() if (path / "run.json").exists())
    page = visit(f"{serve(runs)}/routing?run={run}&sample=1")
    chips = page.locator(".st-key-ticket button")
    names = [chip.inner_text() for chip in chips.all()]
    heading = page.locator(".st-key-answer-near").locator("xpath=preceding::h3[1]")
    drawn = set()
    for name, chip in zip(names, chips.all(), strict=True):
        chip.click()
        settle(page)
        expect(heading).to_contain_text(f"{name} ", timeout=LONG)
        drawn.add(large(page))
    assert len(drawn) > 1

    mark = page.locator(".st-key-answer-large .js-plotly-plot .scatterlayer .point").nth(0)
    mark.scroll_into_view_if_needed()
    settle(page, 800)  # the chart is redrawn once after it comes into view
    box = mark.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    settle(page)
    place = page.get_by_role("combobox", name="Place")
    expect(place).to_have_value(re.compile(r"^1: wrong: true \w+, answered \w+, pixels \d+$"), timeout=LONG)
    expect(page.locator(".st-key-answer-near [data-testid=stDataFrame]")).to_be_visible()
    expect(page.get_by_text("Click a mark in the picture to read")).to_have_count(0)


def test_tickets_of_ten_uploaded_pictures_with_masks(serve, visit, tmp_path):
    content = zipped(masked_pictures(tmp_path / "data", n=10), tmp_path / "ten.zip")
    page = visit(f"{serve(tmp_path / 'runs')}/train")
    page.get_by_role("button", name="Use your own data").click()
    page.locator("input[type=file]").set_input_files(content)
    task = page.get_by_role("combobox", name=re.compile("Task$"))
    expect(task).to_have_value("Every ticket says what each pixel shows", timeout=LONG)
    settle(page)
    page.keyboard.press("Escape")  # the upload stands in a popover, which the next click would only close
    fill(page, "Steps per round", "4")
    fill(page, "Joint steps", "3")
    expect(page.get_by_text("lower that, give more data")).to_be_visible()  # three clusters of ten are small
    pick(page, "Partition by", "^none")
    page.get_by_text("All other settings").click()
    fill(page, "Smallest subset", "2")
    page.get_by_label("Clear all").first.click()
    settle(page)
    page.get_by_role("button", name="Start training").click(timeout=LONG)
    expect(page.get_by_text(re.compile("Finished"))).to_be_visible(timeout=LONG)
    page.get_by_role("link", name="See what it reaches").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("mean IoU", timeout=LONG)
