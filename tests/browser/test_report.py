"""A report opened in a real browser: nothing is asked for, nothing is wrong, and it fits the paper."""

from __future__ import annotations

import pytest

from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.runs import report
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.store import samples

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "report.html"
    request = report.ReportRequest(groups=("sex", "race"), settings=AuditSettings(permutations=200))
    report.write_report(report.run_document(load_run(samples()["adult"]), request), out)
    return out


@pytest.mark.parametrize(("width", "media"), [(1000, "screen"), (400, "screen"), (680, "print")])
def test_it_opens_without_a_request_or_an_error(browser, file, width, media):
    page = browser.new_page(viewport={"width": width, "height": 1000})
    the_request, errors = [], []
    page.on("request", lambda request: the_request.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.emulate_media(media=media)
    page.goto(file.as_uri())
    assert the_request == [file.as_uri()] and errors == []
    assert page.locator("h1").inner_text() == "Report on adult"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
