"""What stands in `deploy/` goes together: both proxies say the same, and the policy knows Streamlit's own script."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import streamlit

from rtl_core.runs.store import project_root
from tests.browser.header_proxy import headers

CADDY = (project_root() / "deploy" / "Caddyfile").read_text("utf-8")
INDEX = Path(streamlit.__file__).parent / "static" / "index.html"


def test_both_proxies_add_the_same_headers():
    ours = dict(re.findall(r'^\t\t([A-Z][\w-]+) "([^"]*)"$', CADDY, re.MULTILINE))
    assert ours == headers() and len(ours) == 6


def test_the_policy_knows_every_inline_script_of_streamlits_page():
    scripts = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", INDEX.read_text("utf-8"), re.DOTALL)
    hashes = {f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()}'" for code in scripts}
    assert hashes == set(re.findall(r"'sha256-[^']*'", headers()["Content-Security-Policy"]))


def test_the_service_is_public_and_reaches_this_machine_only():
    unit = (project_root() / "deploy" / "rtl-lab.service").read_text("utf-8")
    assert "RTL_PUBLIC=1" in unit and " --public " in unit
    assert "IPAddressDeny=any\nIPAddressAllow=localhost\n" in unit
