"""The Fairness page in a real browser: the Adult sample against the command line, a click on a figure, an own table."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Page, expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def numbers_of(page: Page, name: str) -> pd.DataFrame:
    """The table behind a chart, as the page lets it be downloaded."""
    place = ("sizes", "cells", "gaps").index(name)
    page.get_by_role("button", name="Numbers").nth(place).click()
    with page.expect_download() as download:
        page.locator(f".st-key-csv-{name}").get_by_role("button").click()
    page.keyboard.press("Escape")
    return pd.read_csv(io.BytesIO(Path(download.value.path()).read_bytes()))


def click_figure(page: Page, row: int, share: float) -> None:
    """Clicks in a row of the table of figures, so far along its width."""
    table = page.locator(".st-key-cells canvas").first
    table.scroll_into_view_if_needed()
    box = table.bounding_box()
    page.mouse.click(box["x"] + share * box["width"], box["y"] + 35 * (row + 1.5))
    settle(page)


def click_gap(page: Page, place: int) -> None:
    dot = page.locator(".st-key-gap-chart .js-plotly-plot .scatterlayer .point").nth(place)
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 4, y)
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    settle(page)


def test_the_sample_shows_what_the_command_line_says(serve, visit, tmp_path):
    page = visit(f"{serve(tmp_path / 'runs')}/fairness?run=adult")
    expect(page.get_by_role("heading", level=1)).to_contain_text("than sex=Male", timeout=30_000)
    groups = page.get_by_role("combobox", name="Groups to compare")
    groups.click()
    page.get_by_role("option", name="race").click()
    page.wait_for_url(re.compile("groups=sex&groups=race"))
    page.reload()  # the address restores the view
    expect(page.get_by_role("heading", name=re.compile(r"\d+ gaps are beyond chance"))).to_be_visible(timeout=15_000)
    settle(page)

    click_figure(page, 0, 0.3)
    samples = page.locator(".st-key-samples")
    expect(samples).to_contain_text(
        re.compile(r"sex=Female, all together: first 50 of [\d,]+ decisions that it counts")
    )
    expect(samples.get_by_test_id("stDataFrame")).to_be_visible()
    click_gap(page, 3)
    expect(page.get_by_text("All tickets together: in race=Black, cases are selected")).to_be_visible()
    page.wait_for_url(re.compile("gap=race"))

    command = [sys.executable, "-m", "rtl_core", "fairness", "adult", "--groups", "sex,race", "--json"]
    process = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    wanted = [g for g in process["gaps"] if g["metric"] == "selection_rate" and g["ticket"] is None]
    shown = numbers_of(page, "gaps").set_index("group")
    for gap in wanted:
        for field in ("gap", "low", "high", "p_holm"):
            assert shown.loc[gap["group"], field] == pytest.approx(gap[field], rel=1e-12)
    assert len(shown) == len(wanted)

    page.get_by_role("button", name="Prepare the report").click()
    page.get_by_role("button", name="Download the report").wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text("utf-8")
    assert download.value.suggested_filename == "adult-report.html"
    for gap in wanted:
        for field in ("gap", "low", "high"):
            assert f'value="{gap[field]!r}"' in report
    assert page.outside == []


def test_own_predictions_are_audited(serve, visit, tmp_path):
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer(as_frame=True)
    large = data.data["mean area"] > data.data["mean area"].median()
    texture = data.data["mean texture"]
    table = pd.DataFrame(
        {
            "truth": np.where(data.target == 1, "benign", "malignant"),
            "prediction": np.where(texture < texture.median(), "benign", "malignant"),
            "area": np.where(large, "large", "small"),
        }
    )
    page = visit(f"{serve(tmp_path / 'runs')}/fairness?source=Your+own+predictions")
    upload = page.get_by_test_id("stFileUploader").locator("input[type=file]")
    upload.set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": table.to_csv(index=False).encode()})
    expect(page.get_by_role("heading", level=1)).to_contain_text("area=", timeout=15_000)
    cells = numbers_of(page, "cells").set_index(["group", "metric"])
    right = table.truth == table.prediction
    for size in ("large", "small"):
        assert cells.value[f"area={size}", "accuracy"] == pytest.approx(right[table.area == size].mean(), abs=1e-12)

    page.get_by_role("button", name="Prepare the report").click()
    page.get_by_role("button", name="Download the report").wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    download.value.save_as(tmp_path / "report.html")
    report = (tmp_path / "report.html").read_text("utf-8")
    assert "area=large" in report and f'value="{float(cells.value["area=large", "accuracy"])!r}"' in report
    assert page.outside == []
