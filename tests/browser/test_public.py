"""The public mode in a real browser, behind a proxy that adds the headers of `deploy/nginx.conf`."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from app import demonstration
from benchmarks.app_server import APP, served
from tests.app.conftest import write_run
from tests.browser.conftest import leaves
from tests.browser.header_proxy import headers, proxied
from tests.browser.settling import SETTLED

pytestmark = pytest.mark.browser

PLACES = {
    "": "tickets at",
    "masks?run=domains&detail=Tree+and+map": "Tickets share",
    "routing?run=adult": "The gate sends",
    "attribution?run=adult": "tickets say",
    "attribution?run=domains&input=Your+own": "What every ticket looks at",
    "fairness?source=Your+own+predictions": None,
    "diagnosis?run=collapse": "The alarm comes",
    "library": "Bring masks in",
    "library?library=Load+a+ticket": "Bring masks in",
    "learn": "questions about sparse networks",
    "learn?lesson=many&many-own-from=Draw": "Can one network be five specialists?",
}
VIOLATIONS = (
    "window.violations = []; document.addEventListener('securitypolicyviolation', "
    "event => window.violations.push(`${event.effectiveDirective} ${event.blockedURI}`))"
)


@dataclass(frozen=True)
class Visit:
    page: Page
    outside: list[str]

    @property
    def violations(self) -> list[str]:
        return self.page.evaluate("window.violations")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A public server behind the proxy; beside it a runs folder with a run that nobody may see."""
    runs = tmp_path_factory.mktemp("runs")
    write_run(runs)
    with served(*APP, "--public", RTL_RUNS=str(runs)) as server, proxied(server) as proxy:
        yield f"http://{proxy}"


@pytest.fixture
def look(browser, address):
    """look(place): a page of 1440 pixels there, at rest, with what the policy refused and what left the machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    context.add_init_script(VIOLATIONS)

    def go(place: str) -> Visit:
        page, outside = context.new_page(), []
        page.on("request", lambda request: outside.append(request.url) if leaves(request.url) else None)
        page.goto(f"{address}/{place}")
        page.wait_for_selector('[data-testid="stApp"]')
        rest(page)
        return Visit(page, outside)

    yield go
    context.close()


def rest(page: Page) -> None:
    """As `settle`, which the policy does not let wait inside the page: it would have to evaluate a string."""
    until = time.monotonic() + 120
    page.evaluate("() => { window.__still = null }")
    while not page.evaluate(SETTLED, 300):
        assert time.monotonic() < until, "the page did not come to rest"
        page.wait_for_timeout(50)


def test_the_proxy_adds_a_policy_that_runs_no_inline_script(look):
    policy = headers()["Content-Security-Policy"]
    assert "'unsafe-eval'" not in policy and "'unsafe-inline'" not in policy.partition("style-src")[0]
    page = look("library").page
    page.evaluate(
        "() => { const own = document.createElement('script'); own.text = 'window.ran = 1'; document.body.append(own) }"
    )
    assert page.evaluate("window.ran") is None
    assert page.evaluate("window.violations") == ["script-src-elem inline"]


@pytest.mark.parametrize(("place", "title"), PLACES.items(), ids=PLACES)
def test_every_page_draws_without_uploader_and_without_breaking_the_policy(look, place, title):
    visit = look(place)
    page = visit.page
    if title:
        expect(page.get_by_role("heading", level=1)).to_contain_text(title, timeout=60_000)
    rest(page)
    assert page.locator('[data-testid="stFileUploader"], [data-testid="stException"]').count() == 0
    assert page.locator("input[type=file]").count() == 0
    menu = page.locator('[data-testid="stSidebarNavLink"]').all_inner_texts()
    assert "Overview" in menu and "Train" not in menu
    assert visit.violations == [] and visit.outside == []


def test_a_picture_of_ones_own_is_refused_with_the_reason(look):
    page = look("attribution?run=domains&input=Your+own").page
    expect(page.get_by_text(demonstration.NO_FILES)).to_be_visible()


def test_pictures_may_be_drawn(look):
    page = look("learn?lesson=many&many-own-from=Draw").page
    expect(page.locator("canvas")).to_be_visible()


def test_a_deep_link_to_train_says_why_and_leads_back(look):
    page = look("train?view=All+runs&run=known-run").page
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Nothing is trained in this demonstration")
    assert "known-run" not in page.locator("body").inner_text()
    page.get_by_role("link", name="Back to the overview of the samples").click()
    expect(heading).to_contain_text("tickets at")


def test_what_takes_long_cannot_be_pressed(look):
    page = look("diagnosis?run=domains").page
    expect(page.get_by_role("button", name="Retrain every level")).to_be_disabled()
    expect(page.get_by_text(demonstration.TOO_LONG).first).to_be_visible()
