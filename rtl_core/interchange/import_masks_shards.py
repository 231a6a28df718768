"""Files that belong together: a network that was saved in shards, with or without the index that lists them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rtl_core.errors import BadInput

MAX_INDEX_BYTES = 16 * 2**20
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{1,6})-of-(?P<all>\d{1,6})(?P<ending>\.\w+)")


@dataclass(frozen=True)
class Source:
    """What is read as one: a file, or the shards of one network.

    file     its name in sentences: its own, or that of the index
    tensors  names that an index lists; none where there is no index
    """

    file: str
    paths: tuple[Path, ...]
    tensors: tuple[str, ...] = ()


def sources_of(paths: Sequence[Path], titles: Sequence[str], copies: bool = False) -> list[Source]:
    """Files in their order, those of one network together where its first file stands.

    titles  the files' own names, without folders
    copies  the files were given under other names: shards that an index lists have to be among them

    BadInput for a shard whose others are missing, and for an index that lists what is not there.
    """
    given = {(path.parent, title): path for path, title in zip(paths, titles, strict=True)}
    counts = Counter((path.parent, title) for path, title in zip(paths, titles, strict=True))
    twice = {title for (_, title), number in counts.items() if number > 1}
    sources: list[Source] = []
    taken: set[Path] = set()
    for path, title in sorted(zip(paths, titles, strict=True), key=lambda each: not each[1].endswith(".json")):
        if path in taken:
            continue
        if title.endswith(".json"):
            source = _of_index(path, title, given, copies)
        elif match := _SHARD.fullmatch(title):
            source = _without_index(path, title, match, given)
        else:
            source = Source(title, (path,))
        names = {title, *(name for (_, name), place in given.items() if place in source.paths)}
        if len(source.paths) > 1 and names & twice:
            raise BadInput(f"two files are called {min(names & twice)}; import networks that are in shards one by one")
        taken |= {path, *source.paths}
        sources.append(source)
    order = {path: number for number, path in enumerate(paths)}
    return sorted(sources, key=lambda source: min(order.get(path, len(order)) for path in source.paths))


def _of_index(path: Path, title: str, given: dict[tuple[Path, str], Path], copies: bool) -> Source:
    tensors = _weight_map(path, title)
    shards = {}
    for shard in dict.fromkeys(tensors.values()):
        own = None if copies else path.parent / shard
        shards[shard] = given.get((path.parent, shard)) or (own if own is not None and own.is_file() else None)
    missing = [shard for shard, place in shards.items() if place is None]
    if missing:
        raise BadInput(
            f"{title} lists {len(shards)} files, but {missing[0]:.80} is not there; give the index and all files"
        )
    return Source(title, tuple(shards.values()), tuple(tensors))


def _weight_map(path: Path, title: str) -> dict[str, str]:
    """Tensor -> file, as an index lists them."""
    if path.stat().st_size > MAX_INDEX_BYTES:
        raise BadInput(f"{title} is too large for an index: at most {MAX_INDEX_BYTES:,} bytes are read")
    try:
        tensors = json.loads(path.read_bytes())["weight_map"]
        if not tensors or not all(isinstance(file, str) and _is_name(file) for file in tensors.values()):
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BadInput(
            f"{title} is no index of shards: a JSON object with a weight_map is wanted, tensors to files"
        ) from None
    return tensors


def _is_name(file: str) -> bool:
    """Whether it is a file's name without folders."""
    return bool(re.fullmatch(r"[^/\\\x00]{1,200}", file)) and file not in (".", "..")


def _without_index(path: Path, title: str, match: re.Match, given: dict[tuple[Path, str], Path]) -> Source:
    shards = {}
    for (folder, other), place in given.items():
        shard = _SHARD.fullmatch(other)
        if folder == path.parent and shard and all(shard[key] == match[key] for key in ("stem", "all", "ending")):
            shards[int(shard["number"])] = place
    if len(shards) != int(match["all"]):
        raise BadInput(
            f"{title} is one of {int(match['all'])} files of a network, of which {len(shards)} "
            f"{'was' if len(shards) == 1 else 'were'} given; give all"
        )
    return Source(match["stem"] + match["ending"], tuple(shards[number] for number in sorted(shards)))
