"""The figures of the README and docs/ are those of docs/results, and what they link to exists."""

import re
from pathlib import Path

import pytest

from benchmarks import docs, lead_breakdown

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def between(text, block):
    return text.partition(f"<!-- {block} -->")[2].partition(f"<!-- /{block} -->")[0].strip()


@pytest.mark.parametrize(("page", "block"), [(page, block) for page, blocks in docs.PAGES.items() for block in blocks])
def test_figures_are_those_of_the_results(page, block):
    shown = between((ROOT / page).read_text("utf-8"), block)
    assert shown == docs.PAGES[page][block]()
    assert re.search(r"\d\.\d", shown)


def test_the_drawing_is_of_the_results():
    assert (ROOT / docs.DRAWING).read_text("utf-8") == lead_breakdown.drawing()


def test_no_figure_stands_in_the_readme_outside_its_blocks():
    rest = README
    for block in docs.PAGES["README.md"]:
        before, _, after = rest.partition(f"<!-- {block} -->")
        rest = before + after.partition(f"<!-- /{block} -->")[2]
    assert re.findall(r"(?<!\d)0?\.\d{2,}", rest) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_exist(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
