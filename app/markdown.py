"""Names and other texts that came from outside, as Markdown that shows them and makes nothing of them.

Streamlit reads titles, captions, messages, labels of widgets and help texts as Markdown: a class called
`![x](http://…)` would fetch a picture. Whatever was not written by us goes through `plain` right where Streamlit gets
it, and nowhere before, so that tables, files and sentences hold the names as they are.
"""

from __future__ import annotations

import re

_UNSEEN = "\u2060"  # the word joiner, which has no width

# Streamlit looks for these in the text that is left when backslashes are gone: only a character can take them apart.
_APART = (
    (re.compile(r"https?(?=://)|www(?=\.)", re.I), rf"\g<0>{_UNSEEN}"),  # addresses become links
    (re.compile(r"(?<=[\w.+-])(?=@[\w-])"), _UNSEEN),  # as those of mail do
    (re.compile(r":(?=material/|[\w+-]+:)"), rf":{_UNSEEN}"),  # icons and emoji
    (re.compile(r"(?<!\S)(?:[<~>-](?=[>=-](?!\S))|<(?=->(?!\S)))"), rf"\g<0>{_UNSEEN}"),  # arrows, dashes, comparisons
)
_SIGNS = re.compile(
    r"[\\`*\[\]<#$~|]"  # code, emphasis, links and pictures, HTML, headings, formulas, tables
    r"|(?<!\w)_+|_+(?!\w)"  # emphasis too, unless inside a word
    r"|:(?=[^\W\d]|:)"  # directives
    r"|&(?=#?\w+;)"  # character references
    r"|^>|^[+-](?=[\s-]|$)"  # quotes, lists and rules
)
_NUMBERED = re.compile(r"^(\d+)(?=[.)](?:\s|$))")  # lists with numbers


def plain(text: object) -> str:
    """Markdown that reads as the text does, in one line, with no link, picture, icon or markup in it."""
    line = " ".join(str(text).split())
    for pattern, apart in _APART:
        line = pattern.sub(apart, line)
    line = _SIGNS.sub(lambda result: "".join(f"\\{sign}" for sign in result[0]), line)
    return _NUMBERED.sub(r"\1\\", line)
