"""Folders whose pictures would get wrong classes: those of splits in places where classes are wanted.

A path, `Names`, is what stands below the root, or below the folders around everything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from rtl_core.data.split_words import split_of, splits_in
from rtl_core.errors import BadInput

Names = tuple[str, ...]
_SHOWN = 5
_WANTED = "the splits' folders stand above those of the classes, as in"


def check_tops(pictures: Iterable[Names]) -> None:
    """BadInput where no folder of a split holds class folders, but some seem to be of splits all the same."""
    below: dict[str, dict[str, None]] = defaultdict(dict)  # folder at the top -> folders in it
    for path in pictures:
        if len(path) > 1:
            below[path[0]].update(dict.fromkeys(path[1:-1][:1]))
    if below and all(map(split_of, below)):
        raise BadInput(
            f"there are no class folders in {listed(below)}, so the classes of their pictures are not known; "
            f"{_WANTED} '{min(below)}/cats/1.jpg'"
        )
    for top, inner in sorted(below.items()):
        if len(below) == 1 and len(inner) > 1:
            raise BadInput(
                f"all pictures lie in '{top}', some of them in no folder there; if {listed(inner)} are the classes, "
                "take out the pictures beside them"
            )
        if len({split_of(name) for name in inner} - {None}) > 1:
            other = next(name for name in sorted(below) if name != top)
            raise BadInput(
                f"'{top}' holds {listed(name for name in inner if split_of(name))}; {_WANTED} 'train/{top}/1.jpg': "
                f"move them up, or take out '{other}' if '{top}' is no class"
            )
    named = {name: splits for name in below if (splits := splits_in(name))}
    if len(named) > 1 and len(set().union(*named.values())) > 1 and "train" in set().union(*named.values()):
        raise BadInput(f"the folders {listed(named)} seem to be of splits; {_WANTED} 'train/cats/1.jpg'")


def check_classes_in_train(pictures: Sequence[tuple[str, str, Names]]) -> None:
    """BadInput for a class of which pictures stand in val or test, but none in train; (split, class, path) of each."""
    known = {label for split, label, _ in pictures if split == "train"}
    stray = [(split, label, path) for split, label, path in pictures if label not in known]
    if stray:
        split, label, path = stray[0]
        raise BadInput(
            f"the class '{label}' has pictures in {split} (such as '{'/'.join(path)}') and none in train, "
            f"whose classes are {listed(known)}; call its folder as in train, or take it out"
        )


def inner_folders_note(folders: Iterable[Names]) -> tuple[str, ...]:
    """A sentence where class folders hold several folders each, which are not told apart; none elsewhere.

    folders  of each picture, from its class folder on
    """
    inner: dict[str, dict[str, None]] = defaultdict(dict)
    for path in folders:
        inner[path[0]].update(dict.fromkeys(path[1:2]))
    several = [f"{top}/{name}" for top, names in inner.items() if len(names) > 1 for name in names]
    return (f"folders inside class folders are not told apart: {listed(several)}",) if several else ()


def listed(names: Iterable[str]) -> str:
    """The first few names in quotation marks, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more
