"""Does overlap follow meaning: do tickets of classes with related names share more weights?

The names' similarity is the path similarity of a taxonomy, as WordNet defines it: 1 / (1 + edges on the shortest path
through a common ancestor). It is set against the tickets' excess IoU by Spearman's rank correlation over all pairs.
The pairs are not independent (every ticket is in K - 1 of them), so p comes from permuting the tickets: Mantel (1967),
"The detection of disease clustering and a generalized regression approach".

How to write a taxonomy is in docs/taxonomy.md. Its file is never trusted: every refusal is one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import permutations as orders
from math import factorial
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rtl_core.errors import BadInput
from rtl_core.rng import numpy_generator
from rtl_core.tickets.chance import holm

MAX_BYTES = 1_000_000  # of a taxonomy's file
MAX_CLASSES = 10_000
MAX_PATHS = 16  # of one class
MAX_DEPTH = 64  # nodes on a path
MIN_TICKETS = 4
MIN_PAIRS = 6  # what four tickets have; fewer are no correlation
_BLOCK = 2_000_000  # values of permuted pairs that are held at a time


@dataclass(frozen=True)
class Taxonomy:
    """Classes in a hierarchy of meaning.

    paths  class -> its ways down from the root, which all classes share; the last node stands for the class. Most
           classes have one way; nodes are the same where the whole way to them is
    """

    name: str
    licence: str
    source: str
    paths: dict[str, tuple[tuple[str, ...], ...]]

    def lacks(self, names: Sequence[str]) -> list[str]:
        """Those of the names that are no class here; case, spaces and punctuation do not matter."""
        known = {_key(name) for name in self.paths}
        return [name for name in names if _key(name) not in known]


@dataclass(frozen=True)
class Alignment:
    """How well the overlap of K tickets follows the meaning of their names.

    rho           Spearman's correlation of path similarity and excess IoU over the pairs; NaN where not defined
    p             one-sided: the share of permutations of the tickets with a rho at least as large. NaN with rho
    pairs         how many pairs it is computed on; n_undefined: pairs left out because their excess is not defined
    permutations  how many were looked at; exact: these are all K! of them, the observed one included. Otherwise they
                  are drawn, and p is (1 + as large) / (1 + permutations)
    reason        why rho is not defined; empty where it is
    frame         one row per pair: a, b, path_similarity, excess (NaN where not defined)
    """

    rho: float
    p: float
    pairs: int
    k: int
    permutations: int
    exact: bool
    n_undefined: int
    reason: str
    frame: pd.DataFrame


class _Document(BaseModel):
    """A taxonomy's file."""

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
    except (ValueError, RecursionError) as error:
        if isinstance(error, BadInput):
            raise
        raise BadInput("the taxonomy is not valid JSON in UTF-8; docs/taxonomy.md shows how one looks") from None
    try:
        read = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where, wrong = ".".join(map(str, first["loc"])) or "whole file", first["msg"]
        raise BadInput(f"the taxonomy has a wrong entry '{where:.100}': {wrong[0].lower()}{wrong[1:]}") from None
    paths = {name: tuple(_nodes(name, path) for path in listed) for name, listed in read.paths.items()}
    _check_classes(list(paths))
    roots = sorted({path[0] for listed in paths.values() for path in listed})
    if len(roots) > 1:
        raise BadInput(f"the taxonomy has several roots ({', '.join(roots):.100}); all paths should begin with one")
    return Taxonomy(read.name, read.licence, read.source, paths)


def shipped() -> dict[str, Taxonomy]:
    """The taxonomies that come with the program, by name."""
    folder = resources.files("rtl_core").joinpath("tickets", "taxonomies")
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda entry: entry.name)
    read = [read_taxonomy(entry.read_bytes()) for entry in files]
    return {taxonomy.name: taxonomy for taxonomy in read}


def fitting(names: Sequence[str], taxonomies: Mapping[str, Taxonomy]) -> dict[str, Taxonomy]:
    """The taxonomies in which every one of the tickets' names is a class, as `Taxonomy.lacks` compares them."""
    return {name: taxonomy for name, taxonomy in taxonomies.items() if not taxonomy.lacks(names)}


def path_similarity(names: Sequence[str], taxonomy: Taxonomy) -> np.ndarray:
    """float (K, K): 1 / (1 + edges on the shortest path through a common ancestor); 1 with itself.

    BadInput: a name that is no class of the taxonomy.
    """
    missing = taxonomy.lacks(names)
    if missing:
        raise BadInput(f"the taxonomy '{taxonomy.name}' has no class for: {', '.join(missing):.200}")
    by_key = {_key(name): paths for name, paths in taxonomy.paths.items()}
    below: dict[tuple[str, ...], dict[int, int]] = {}  # ancestor, by the way to it -> ticket -> edges up to it
    for ticket, name in enumerate(names):
        for path in by_key[_key(name)]:
            for depth in range(1, len(path) + 1):
                below.setdefault(path[:depth], {})[ticket] = len(path) - depth
    edges = np.full((len(names), len(names)), np.inf)
    for steps in below.values():
        tickets, up = np.array(list(steps)), np.array(list(steps.values()))
        block = np.ix_(tickets, tickets)
        edges[block] = np.minimum(edges[block], up[:, None] + up)
    return 1 / (1 + edges)


def alignment(
    excess: np.ndarray, names: Sequence[str], taxonomy: Taxonomy, permutations: int = 9_999, seed: int = 0
) -> Alignment:
    """Mantel's test of the tickets' overlap against the meaning of their names.

    excess  (K, K), symmetric: excess IoU (or another similarity) of the tickets; NaN where not defined

    The alternative is that tickets of related classes share more. All K! permutations are looked at where they are no
    more than `permutations`. BadInput: fewer than four tickets, a name that the taxonomy lacks, another shape.
    """
    k = len(names)
    if k < MIN_TICKETS:
        raise BadInput(f"alignment needs at least {MIN_TICKETS} tickets; here are {k}")
    if excess.shape != (k, k):
        raise BadInput(f"the overlap of {k} tickets should be {k} x {k}, not {' x '.join(map(str, excess.shape))}")
    meaning = path_similarity(names, taxonomy)
    i, j = np.triu_indices(k, 1)
    frame = pd.DataFrame(
        {
            "a": np.array(names, dtype=object)[i],
            "b": np.array(names, dtype=object)[j],
            "path_similarity": meaning[i, j],
            "excess": excess[i, j],
        }
    )
    defined = frame["excess"].notna().to_numpy()
    exact = factorial(k) <= permutations
    rho, p, reason = float("nan"), float("nan"), _reason(frame[defined])
    if not reason:
        ours = (i[defined], j[defined])
        observed = _rho(meaning[ours][None], excess[ours])[0]
        draws = _all_orders(k) if exact else _drawn_orders(k, permutations, seed)
        as_large = sum(_as_large(block, meaning, excess, ours, observed) for block in _blocks(draws, k))
        rho, p = float(observed), as_large / factorial(k) if exact else (1 + as_large) / (1 + permutations)
    return Alignment(
        rho=rho,
        p=p,
        pairs=int(defined.sum()),
        k=k,
        permutations=factorial(k) if exact else permutations,
        exact=exact,
        n_undefined=int((~defined).sum()),
        reason=reason,
        frame=frame,
    )
