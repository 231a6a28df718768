"""Every page over runs whose names try to fetch, to run scripts and to be markup: nothing leaves, nothing runs."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from tests import hostile
from tests.browser.conftest import start_server
from tests.browser.settling import settle

pytestmark = pytest.mark.browser

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
def server(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    hostile.write_runs(tmp_path_factory.mktemp("data"), runs)
    server, address = start_server("-m", "app", "--no-browser", RTL_RUNS=str(runs))
    yield address
    server.terminate()
    server.wait(timeout=20)


def handle(page: Page) -> None:
    """Opens and points at what shows names only then: foldings, tables of numbers, tooltips, charts."""
    settle(page)
    page.evaluate("document.querySelectorAll('details:not([open]) > summary').forEach((one) => one.click())")
    for button in page.get_by_test_id("stPopover").locator("button").all():
        button.click()
        page.keyboard.press("Escape")
    settle(page, quiet_ms=100)
    pointed = "[data-testid=stTooltipIcon], .st-key-ticket button, [class*=st-key-thumb] button, .js-plotly-plot .point"
    for place in page.locator(f"{pointed}, .stEChartsChart, [data-testid=stDataFrame]").all()[:40]:
        if place.is_visible():
            place.hover(force=True)


@pytest.mark.parametrize("name", VISITS)
def test_no_name_fetches_or_runs_or_is_markup(server, visit, name):
    page = visit(server)
    dialogs = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    parameter, runs = VISITS[name]
    for run, values in runs.items():
        for value in values:
            page.goto(f"{server}/{'' if name == 'overview' else name}?{urlencode({'run': run, parameter: value})}")
            handle(page)
            found = {"markup": page.evaluate(MARKUP), "requests": page.outside, "dialogs": dialogs}
            assert not any(found.values()), (run, value, found)
            assert page.get_by_test_id("stException").all() == [], (run, value)
