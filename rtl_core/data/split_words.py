"""Which split a name says, as people write it."""

from __future__ import annotations

import re

SPLIT_WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_SPLITS = {word: split for split, words in SPLIT_WORDS.items() for word in words}
_SAYING_NOTHING = {"set", "sets", "seg", "data", "dataset", "split", "images", "image", "imgs", "img", "pictures"}


def split_of(name: str) -> str | None:
    """The split that a name says: "Training", "seg_train", "test-images", "val2017"; else None."""
    return _SPLITS.get(telling_words(name))


def telling_words(name: str) -> str:
    """What is left of a name without numbers and words that say nothing: `train` of `seg_train_2`."""
    return " ".join(word for word in _words(name) if word not in _SAYING_NOTHING)


def splits_in(name: str) -> set[str]:
    """The splits that single words of a name say: test of "test_cats" and of "PrivateTest"."""
    return {_SPLITS[word] for word in _words(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)) if word in _SPLITS}


def _words(name: str) -> list[str]:
    return [word.removesuffix("set") or word for word in re.findall(r"[^\W\d_]+", name.lower())]
