"""The README's figures are those of docs/results, and its pictures exist."""

import re
from pathlib import Path

import pytest

from benchmarks import readme

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("block", readme.BLOCKS)
def test_figures_of_the_readme_are_those_of_the_results(block):
    shown = README.partition(f"<!-- {block} -->")[2].partition(f"<!-- /{block} -->")[0].strip()
    assert shown == readme.BLOCKS[block]()
    assert re.search(r"\d\.\d{3}", shown)


def test_no_figure_stands_in_the_readme_outside_its_blocks():
    rest = README
    for block in readme.BLOCKS:
        before, _, after = rest.partition(f"<!-- {block} -->")
        rest = before + after.partition(f"<!-- /{block} -->")[2]
    assert re.findall(r"(?<!\d)0?\.\d{2,}", rest) == []


def test_linked_files_exist():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    missing = [link for link in links if not (ROOT / link).exists()]
    assert missing == []
