"""The Diagnosis page in a real browser: a sample that was cut in one go is retrained, heard, and looked at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.settling import settle

pytestmark = pytest.mark.browser

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


VIEWS = {
    "Flags": re.compile("other signs|nothing else turned"),
    "Layers": re.compile("still keeps"),
    "What to do": None,  # words only
    "How the alarm was calibrated": None,
}


def test_a_run_cut_in_one_go_is_stopped_retrained_and_heard_as_the_command_line_says(serve, visit, tmp_path):
    runs = tmp_path / "runs"
    page = visit(f"{serve(runs)}/diagnosis?run=adult")
    headline = page.get_by_role("heading", level=1)
    expect(headline).to_contain_text("cut in one go", timeout=30_000)
    probe = page.get_by_role("button", name="Retrain every level")
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop", exact=True)
    probe.click()
    stop.click(timeout=60_000)  # at once: a quick machine is done with all levels in seconds
    expect(probe).to_be_enabled(timeout=30_000)
    assert not list(runs.glob("**/collapse-probe.json"))  # what was stopped leaves nothing behind

    probe.click()
    expect(headline).to_contain_text(re.compile("alarm comes|No alarm"), timeout=180_000)
    settle(page)
    command = [sys.executable, "-m", "rtl_core", "diagnose", "adult", "--runs", str(runs), "--json"]
    process = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)
    assert process["watched"]
    expect(headline).to_contain_text(f"{100 * process['last_safe_density']:.3g} %")
    expect(page.get_by_role("button", name="Retrain every level")).to_have_count(0)

    page.get_by_role("combobox", name="Overlap in").click()
    page.get_by_role("option", name="fc2").click()
    page.wait_for_url(re.compile("overlap-in=fc2"))
    for detail, heading in VIEWS.items():
        page.get_by_role("radio", name=detail).or_(page.get_by_role("button", name=detail)).first.click()
        settle(page)
        if heading:
            expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_test_id("stException")).to_have_count(0)
    assert page.outside == []
