"""The README's figures are the study's, and its pictures exist."""

import json
import re
from pathlib import Path

from benchmarks.seeds import IN_README, MARKS, RESULTS, table

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")


def test_the_readmes_table_is_what_the_study_gives():
    text = table(IN_README, json.loads((RESULTS / f"{IN_README}.json").read_text()))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    shown = README.partition(MARKS[0])[2].partition(MARKS[1])[0].strip().splitlines()
    assert shown == rows
    assert (RESULTS / f"{IN_README}.md").read_text() == text


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    missing = [link for link in links if not (RESULTS.parents[1] / link).exists()]
    assert missing == []
