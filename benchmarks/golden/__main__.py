"""Golden outputs: what every verb, training and page gives, written before the code is rearranged, compared after it.

    python -m benchmarks.golden write DIR      writes DIR/items/*/*.json; an item whose file exists is skipped
    python -m benchmarks.golden compare DIR    makes all items again with the code that stands here now, in a temporary
                                               folder, and lists what differs from DIR: item, place, old, new
      --keep NEW            makes them in NEW and goes on there when interrupted; a NEW for each state of the code
      --only 'pages/*'      (both) these items, with the runs they need; may be repeated
      --tolerance 1e-9      relative, of numbers; exact unless given
      --most 30             differences shown of an item

Only what stays is used: the command line in processes of its own, run folders, and `streamlit_app.py` through AppTest
with everything that an address can choose: each option of a segmented control, another value of every other widget,
each lesson's end. Long measurements are pressed, uploads are filled. Times, processes, folders and random ids are taken
out by name; of the losses the last of each stage is kept, the others are written by the clock.

A difference is "text" where a page or what people read differs in words only: the numbers in it are the same. All else
is "value". The exit code is 1 where a value differs.
"""

from __future__ import annotations

import argparse
import difflib
import fnmatch
import json
import math
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.golden.items import Item, items, make_inputs
from benchmarks.golden.outputs import clean, of_command
from benchmarks.golden.pages import of_page

NUMBERS = re.compile(r"\d+(?:[.,]\d+)*")
READ_BY_PEOPLE = ("pages/", "texts/")
Difference = tuple[str, Any, Any]  # place, old, new
MISSING = "(nothing)"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("write", "compare"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--tolerance", type=float, default=0.0)
    parser.add_argument("--most", type=int, default=30)
    given = parser.parse_args()
    wanted = chosen(items(), given.only)
    if given.what == "write":
        for _ in made(wanted, given.folder):
            pass
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        new_folder = given.keep or Path(temporary)
        return compare(made(wanted, new_folder), given.folder, new_folder, given.tolerance, given.most)


def chosen(listed: list[Item], patterns: list[str]) -> list[Item]:
    """The items that match a pattern, all without any, and those that they need, in order."""
    by_name = {item.name: item for item in listed}
    names = [name for name in by_name if not patterns or any(fnmatch.fnmatch(name, each) for each in patterns)]
    for name in names:
        names += [need for need in by_name[name].needs if need not in names]
    return [item for item in listed if item.name in names]


def made(wanted: list[Item], folder: Path) -> Iterator[Item]:
    """Makes the items that are not below `folder` yet, one after the other, and says how long each took."""
    work = (folder / "work").resolve()
    work.mkdir(parents=True, exist_ok=True)
    make_inputs(work)
    for item in wanted:
        file, out, began = file_of(item, folder), work / "out" / item.name, time.monotonic()
        if not file.exists():
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            output = clean((of_page if item.kind == "page" else of_command)(item, work, out), work)
            file.parent.mkdir(parents=True, exist_ok=True)
            draft = file.with_suffix(".draft")
            draft.write_text(json.dumps(output, indent=1, sort_keys=True), "utf-8")
            draft.rename(file)
            print(f"{time.monotonic() - began:7.1f} s  {item.name}", file=sys.stderr, flush=True)
        yield item


def file_of(item: Item, folder: Path) -> Path:
    return folder / "items" / f"{item.name}.json"


def compare(remade: Iterator[Item], old_folder: Path, new_folder: Path, tolerance: float, most: int) -> int:
    """Lists the differences of every item as it is made; 1 where a value differs."""
    counts = {"value": 0, "text": 0}
    for item in remade:
        if not file_of(item, old_folder).exists():
            print(f"{item.name} is not in {old_folder}")
            continue
        old, new = (json.loads(file_of(item, folder).read_text("utf-8")) for folder in (old_folder, new_folder))
        listed = [(kind_of(item, *ends), place, *ends) for place, *ends in differences(old, new, tolerance)]
        for kind, place, *ends in sorted(listed, key=lambda row: row[0] == "text")[:most]:
            before, after = map(short, ends)
            print(f"{kind}  {item.name}  {place}\n    - {before}\n    + {after}")
        if len(listed) > most:
            print(f"...  {item.name}  {len(listed) - most} more")
        for kind, *_ in listed:
            counts[kind] += 1
    print(f"{counts['value']} values and {counts['text']} texts differ")
    return 1 if counts["value"] else 0


def kind_of(item: Item, old: Any, new: Any) -> str:
    words = item.name.startswith(READ_BY_PEOPLE) or item.name.endswith("report")
    same = isinstance(old, str) and isinstance(new, str) and NUMBERS.findall(old) == NUMBERS.findall(new)
    return "text" if words and same else "value"


def short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 300 else f"{text[:300]}... ({len(text)} characters)"


def differences(old: Any, new: Any, tolerance: float = 0.0, place: str = "") -> Iterator[Difference]:
    """Where two JSON values differ. Lists of other lengths are aligned by their elements first."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from differences(old.get(name, MISSING), new.get(name, MISSING), tolerance, f"{place}/{name}")
    elif isinstance(old, list) and isinstance(new, list):
        for i, (before, after) in aligned(old, new):
            yield from differences(before, after, tolerance, f"{place}/{i}")
    elif not equal(old, new, tolerance):
        yield place, old, new


def aligned(old: list[Any], new: list[Any]) -> Iterator[tuple[int, tuple[Any, Any]]]:
    """(index in the old list, the two elements that stand for one another)."""
    if len(old) == len(new):
        yield from enumerate(zip(old, new, strict=True))
        return
    texts = [[json.dumps(each, sort_keys=True) for each in values] for values in (old, new)]
    for kind, i, i_end, j, j_end in difflib.SequenceMatcher(None, *texts, autojunk=False).get_opcodes():
        if kind != "equal":
            yield from enumerate(zip_longest(old[i:i_end], new[j:j_end], fillvalue=MISSING), i)


def equal(old: Any, new: Any, tolerance: float) -> bool:
    if {type(old), type(new)} <= {int, float}:
        return math.isclose(old, new, rel_tol=tolerance) or (math.isnan(old) and math.isnan(new))
    return old == new and type(old) is type(new)


if __name__ == "__main__":
    sys.exit(main())
