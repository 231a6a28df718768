"""Hierarchies of meaning: which classes are how closely related.

The similarity of two classes is WordNet's path similarity, 1 / (1 + edges on the shortest path through a common
ancestor). How to write a taxonomy is in docs/taxonomy.md. Its file is never trusted: every refusal is one sentence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtl_core.errors import BadInput

MAX_BYTES = 1_000_000
MAX_CLASSES = 10_000
MAX_PATHS = 16  # of one class
MAX_DEPTH = 64  # nodes on a path
SEPARATOR = ">"  # between the nodes of a path


@dataclass(frozen=True)
class Taxonomy:
    """Classes, each with its ways down from the one root.

    paths  class -> at least one tuple of nodes, root first; the last one stands for the class. Two nodes are the same
           where the whole way down to them is the same
    """

    name: str
    licence: str
    source: str
    paths: dict[str, tuple[tuple[str, ...], ...]]

    def missing(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are no class here. Case, spaces and punctuation do not count."""
        classes = {_letters(name) for name in self.paths}
        return [name for name in names if _letters(name) not in classes]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, Field(min_length=1, max_length=200)]
    licence: Annotated[str, Field(max_length=20_000)] = ""
    source: Annotated[str, Field(max_length=2_000)] = ""
    paths: Annotated[
        dict[str, Annotated[list[str], Field(min_length=1, max_length=MAX_PATHS)]],
        Field(min_length=1, max_length=MAX_CLASSES),
    ]


def read_taxonomy(content: bytes) -> Taxonomy:
    """The taxonomy in a file's bytes. BadInput, in one sentence, whatever is wrong with it."""
    if len(content) > MAX_BYTES:
        raise BadInput(f"the taxonomy has {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        document = json.loads(content, object_pairs_hook=_no_key_twice)
        json.dumps(document, ensure_ascii=False).encode()  # fails for escapes that are half a character
    except BadInput:
        raise
    except (ValueError, RecursionError):
        raise BadInput("the taxonomy is not a JSON file in UTF-8; docs/taxonomy.md shows how to write one") from None
    if not isinstance(document, dict):
        raise BadInput("the taxonomy should be a JSON object with a name and paths")
    try:
        described = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where, wrong = ".".join(map(str, first["loc"])), first["msg"]
        raise BadInput(f"the taxonomy has a wrong entry '{where:.100}': {wrong[0].lower()}{wrong[1:]}") from None
    paths = {name: tuple(_nodes(name, path) for path in listed) for name, listed in described.paths.items()}
    _check_classes(paths)
    roots = sorted({path[0] for listed in paths.values() for path in listed})
    if len(roots) > 1:
        raise BadInput(f"the taxonomy has several roots ({', '.join(roots):.100}); all paths should begin with one")
    return Taxonomy(described.name, described.licence, described.source, paths)


def shipped() -> dict[str, Taxonomy]:
    """The taxonomies that come with the program, by name."""
    folder = resources.files("rtl_core").joinpath("overlap", "taxonomies")
    read = [read_taxonomy(entry.read_bytes()) for entry in folder.iterdir() if entry.name.endswith(".json")]
    return {taxonomy.name: taxonomy for taxonomy in sorted(read, key=lambda taxonomy: taxonomy.name)}


def fitting(names: Sequence[str], taxonomies: Mapping[str, Taxonomy]) -> dict[str, Taxonomy]:
    """The taxonomies that have a class for each of the names (`Taxonomy.missing` says how they are compared)."""
    return {called: taxonomy for called, taxonomy in taxonomies.items() if not taxonomy.missing(names)}


def path_similarity(names: Sequence[str], taxonomy: Taxonomy) -> np.ndarray:
    """float (K, K) in (0, 1], the similarity of the K named classes. BadInput: a name that is no class there."""
    missing = taxonomy.missing(names)
    if missing:
        raise BadInput(f"the taxonomy {taxonomy.name} has no class for: {', '.join(missing):.200}")
    paths_of = {_letters(name): paths for name, paths in taxonomy.paths.items()}
    below: dict[tuple[str, ...], dict[int, int]] = {}  # ancestor (the way down to it) -> class -> edges up to it
    for k, name in enumerate(names):
        for path in paths_of[_letters(name)]:
            for depth in range(1, len(path) + 1):
                up = below.setdefault(path[:depth], {})
                up[k] = min(len(path) - depth, up.get(k, MAX_DEPTH))
    edges = np.full((len(names), len(names)), np.inf)
    for up in below.values():
        classes, steps = np.array(list(up)), np.array(list(up.values()))
        block = np.ix_(classes, classes)
        edges[block] = np.minimum(edges[block], steps[:, None] + steps[None, :])
    return 1 / (1 + edges)


def _letters(name: str) -> str:
    """What is compared of a name: its letters and digits, in one case."""
    return "".join(sign for sign in name.casefold() if sign.isalnum())


def _no_key_twice(items: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object; json itself would silently keep the last of two equal keys."""
    read = dict(items)
    if len(read) < len(items):
        twice = Counter(key for key, _ in items).most_common(1)[0][0]
        raise BadInput(f"the taxonomy names '{twice:.100}' twice; every class and every key may be there once")
    return read


def _nodes(name: str, path: str) -> tuple[str, ...]:
    nodes = tuple(node.strip() for node in path.split(SEPARATOR))
    if not all(nodes):
        raise BadInput(
            f"a path of '{name:.100}' has a node without a name; wanted is 'root {SEPARATOR} ... {SEPARATOR} class'"
        )
    if len(nodes) > MAX_DEPTH:
        raise BadInput(f"a path of '{name:.100}' has {len(nodes)} nodes; at most {MAX_DEPTH} are read")
    return nodes


def _check_classes(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        letters = _letters(name)
        if not letters:
            raise BadInput(f"the taxonomy has a class '{name:.100}'; a name needs at least one letter or digit")
        if letters in seen:
            raise BadInput(f"the classes '{seen[letters]:.100}' and '{name:.100}' differ only in case or punctuation")
        seen[letters] = name
