"""What `app.markdown.plain` makes of a text, as a browser shows it: the same text, and nothing but text."""

from __future__ import annotations

import pytest

from app.markdown import plain
from benchmarks.app_server import served
from tests.browser.settling import settle

pytestmark = pytest.mark.browser

TEXTS = (
    "T-shirt/top",
    "a_b, a__b, _a_, __a__ and a_ _b",
    "*a* **b** ~c~ ~~d~~ `e` ``f``",
    "![picture](http://evil.test/p.png) [link](http://evil.test) [![x](http://evil.test/q.png)](http://evil.test)",
    "http://evil.test/a https://evil.test HTTP://EVIL.TEST www.evil.test WWW.evil.test me@evil.test",
    "<http://evil.test> <me@evil.test> <b>bold</b> <img src=http://evil.test/i.png onerror=alert(1)>",
    "<script>alert(1)</script><!-- comment --> <style>@import url(http://evil.test/s.css)</style>",
    "[name]: http://evil.test/n 'title'",
    "$x^2$ $$y$$ \\(z\\) \\[a\\] C:\\dir\\*",
    ":material/home: :material_home: :smile: :+1: :streamlit: :red[r] :blue-background[b] :small[s] :help[h]",
    "a:b a:red ::b :::note 12:30 12:30:45 bundled:domains",
    "a -> b <- c <-> d -- e >= f <= g ~= h --> ---",
    "&amp; &lt;b&gt; &#33;[x](y) AT&T a & b",
    "# a heading",
    "> a quote",
    "- a list",
    "+ a list",
    "* a list",
    "1. a list",
    "12345) a list",
    "---",
    "- - -",
    "+",
    "1.",
    "=== and ^1^ and [^1] [ ] [x]",
    "| a | b |",
    "two\nlines\n\n# and a heading\n\n    code\n\n| a |\n|---|\n| b |",
    "    four spaces first",
    "ends in a backslash \\",
    "ends in a sign #",
    "{.class #id} {foreground=red}",
    "Ä_ö, 猫_犬, *猫*",
)
SCRIPT = """
import streamlit as st
from app.markdown import plain
from tests.browser.test_plain_text import TEXTS
for i, text in enumerate(TEXTS):
    with st.container(key=f"text-{i}"):
        st.title(plain(text), anchor=False)
        st.subheader(plain(text), anchor=False)
        st.caption(plain(text))
        st.markdown(plain(text))
        st.markdown(f"- **{plain(text)}**")
        st.error(plain(text))
        st.button(plain(text), key=f"button-{i}")
        st.expander(plain(text), expanded=False)
        st.pills("Pills", [text], format_func=plain, key=f"pills-{i}", label_visibility="collapsed")
        st.progress(0.5, plain(text))
"""
DRAWN = "a, img, code, em, del, pre, table, hr, blockquote, h4, .katex, svg.x, script, [role=img]:not(svg)"


@pytest.fixture
def address(tmp_path):
    script = tmp_path / "page.py"
    script.write_text(SCRIPT)
    with served("-m", "streamlit", "run", str(script)) as address:
        yield f"http://{address}"


def test_it_reads_as_it_stands_and_is_nothing_else(address, visit):
    page = visit(address)
    page.locator(f".st-key-text-{len(TEXTS) - 1}").wait_for(timeout=30_000)
    settle(page)
    wrong = {}
    for i, text in enumerate(TEXTS):
        place = page.locator(f".st-key-text-{i}")
        shown = {piece.replace("\u2060", "") for piece in place.locator("p, h1, h3").all_text_contents()}
        drawn = [piece.evaluate("one => one.outerHTML") for piece in place.locator(DRAWN).all()]
        if shown != {" ".join(text.split()), "Pills"} or drawn:
            wrong[plain(text)] = shown, drawn
    assert wrong == {}
    assert page.outside == []
