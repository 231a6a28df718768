"""Every page over runs whose names try to fetch, to run scripts and to be markup: nothing leaves, nothing runs."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from benchmarks.app_server import APP, served
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.runs import report
from rtl_core.runs.checkpoint import load_run
from tests import hostile
from tests.browser.conftest import leaves
from tests.browser.settling import settle

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]

# Page -> (parameter, run -> its values that are visited)
VISITS = {
    "overview": ("", {"pictures": [""], "masks": [""], hostile.PICTURE: [""]}),
    "train": ("view", {"pictures": ["New run", "Progress", "All runs"]}),
    "masks": (
        "detail",
        {
            "pictures": ["Layer by layer", "The pair", "Who owns the weights", "Tree and map", "Density by density"],
            "masks": ["Layer by layer", "The pair", "Who owns the weights", "Meaning"],
        },
    ),
    "routing": (
        "detail",
        {
            "pictures": ["Sent astray", "Routers compared", "Budget", "Map of inputs", "Could tickets be merged?"],
            "table": ["Sent astray", "Map of inputs", "Sure and right", "By group"],
        },
    ),
    "attribution": (
        "detail",
        {
            "pictures": ["Is a map to be trusted?", "How alike the maps are", "Over many inputs"],
            "table": ["Over many inputs", "One ticket, column by column", "What a column does"],
        },
    ),
    "fairness": (
        "detail",
        {
            "pictures": [""],
            "table": [
                "Where it lives",
                "Sent to the right ticket?",
                "Inside or between tickets",
                "In lighter tickets",
                "Beside other methods",
                "What if",
            ],
        },
    ),
    "diagnosis": ("detail", {"masks": ["Layers"], "table": ["Flags", "Layers", "What to do"]}),
    "library": ("library", {"pictures": ["Bring in masks", "Take out a ticket", "Load a ticket", "Compare two"]}),
    "learn": ("lesson", {hostile.PICTURE: [hostile.PICTURE]}),
}

# What a name has made of itself, where it should be read: pictures, links, code, emphasis, formulas, icons.
MARKUP = """() => {
  const kinds = 'img, svg image, a, [onerror], [onload], [style], code, strong, em, b, i, .katex, [role=img]';
  const evil = (text) => (text ?? '').includes('evil');
  return [...document.querySelectorAll(kinds)].filter((one) => {
    const target = one.href?.baseVal ?? one.href ?? one.src;
    return (target && evil(new URL(target, document.baseURI).host)) || one.onerror || one.onload
      || evil(one.getAttribute('style')) || one.matches('.katex, [aria-label="home icon"]')
      || (one.matches('code, strong, em, b, i') && ['code', 'bold', 'e'].includes(one.textContent));
  }).map((one) => one.outerHTML.slice(0, 200));
}"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    hostile.write_runs(tmp_path_factory.mktemp("data"), folder)
    return folder


@pytest.fixture(scope="module")
def server(runs):
    with served(*APP, RTL_RUNS=str(runs)) as address:
        yield f"http://{address}"


@pytest.fixture
def page(browser):
    """A page that knows which requests left the machine (`outside`) and which dialogs came up (`dialogs`)."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    page.outside, page.dialogs = [], []
    page.on("request", lambda r: page.outside.append(r.url) if leaves(r.url) else None)
    page.on("dialog", lambda dialog: (page.dialogs.append(dialog.message), dialog.dismiss()))
    yield page
    context.close()


def assert_harmless(page: Page) -> None:
    rows = {"markup": page.evaluate(MARKUP), "requests": page.outside, "dialogs": page.dialogs}
    assert not any(rows.values()), (page.url, rows)


def upload(page: Page, name: str, content: str) -> None:
    place = page.get_by_test_id("stFileUploader").locator("input[type=file]")
    place.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content.encode()})
    settle(page)


def handle(page: Page) -> None:
    """Opens and points at what shows names only then: foldings, tables of numbers, tooltips, charts."""
    settle(page)
    page.evaluate("document.querySelectorAll('details:not([open]) > summary').forEach((one) => one.click())")
    for button in page.get_by_test_id("stPopover").locator("button").all():
        button.click()
        page.keyboard.press("Escape")
    settle(page, quiet_ms=100)
    pointed = "[data-testid=stTooltipIcon], .st-key-ticket button, [class*=st-key-thumb] button, .js-plotly-plot .point"
    for place in page.locator(f"{pointed}, .stEChartsChart, [data-testid=stDataFrame]").all()[:20]:
        if place.is_visible():
            place.hover(force=True)


@pytest.mark.parametrize("name", VISITS)
def test_no_name_fetches_or_runs_or_is_markup(server, page, name):
    parameter, runs = VISITS[name]
    for run, values in runs.items():
        for value in values:
            page.goto(f"{server}/{'' if name == 'overview' else name}?{urlencode({'run': run, parameter: value})}")
            handle(page)
            assert_harmless(page)
            assert page.get_by_test_id("stException").all() == [], (run, value)


@pytest.mark.parametrize("name", VISITS)
def test_no_value_in_the_address_does_either(server, page, name):
    """Every key of a widget may stand in the address, and so may a page's own parameters."""
    files = [*(ROOT / "app").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    known = {key for file in files for key in re.findall(r'key="([\w-]+)"', file.read_text())}
    assert {"ticket", "detail", "layer", "grouped", "by", "sample"} <= known
    value = f"{hostile.PICTURE} {hostile.LINK}"
    query = {**dict.fromkeys(sorted(known - {"run"}), value), "run": "pictures", "present": value, "lesson": value}
    page.goto(f"{server}/{'' if name == 'overview' else name}?{urlencode(query)}")
    settle(page)
    assert_harmless(page)
    assert page.get_by_test_id("stException").all() == []


def test_names_in_an_uploaded_table_do_not_either(server, page, tmp_path):
    page.goto(f"{server}/fairness?source=Your+own+predictions")
    settle(page)
    upload(page, f"{hostile.TAG}.csv", hostile.predictions())
    page.get_by_role("heading", level=1).wait_for(timeout=30_000)
    handle(page)
    assert_harmless(page)
    page.get_by_role("button", name="Prepare the report").click()
    page.get_by_role("button", name="Download the report").wait_for(timeout=60_000)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download the report").click()
    download.value.save_as(tmp_path / "report.html")
    assert_report_is_harmless(page, tmp_path / "report.html")


def test_names_in_other_uploads_do_not_either(server, page):
    page.goto(f"{server}/masks?run=pictures&detail=Meaning")
    settle(page)
    upload(page, "mine.json", hostile.taxonomy())
    page.get_by_role("combobox", name="Taxonomy").wait_for(timeout=30_000)
    handle(page)
    assert_harmless(page)

    page.goto(f"{server}/library?library=Bring+in+masks")
    settle(page)
    upload(page, f"{hostile.SIGNS}{hostile.PICTURE}.npz", "no archive")
    page.get_by_role("button", name="Import 1 file").click()
    page.get_by_text("Nothing was imported").wait_for()
    assert_harmless(page)


def test_the_report_of_a_run_does_not_either(runs, page, tmp_path):
    eval_set = report.ReportRequest(groups=(hostile.PICTURE, hostile.TAG), settings=AuditSettings(permutations=100))
    report.write_report(report.run_document(load_run(runs / "table"), eval_set, runs), tmp_path / "report.html")
    assert_report_is_harmless(page, tmp_path / "report.html")


def assert_report_is_harmless(page: Page, file: Path) -> None:
    page.outside.clear()
    page.goto(file.as_uri())
    assert page.outside == [file.as_uri()]
    page.outside.clear()
    assert hostile.PICTURE in page.locator("body").inner_text()
    assert_harmless(page)
