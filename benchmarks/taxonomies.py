"""Remakes the taxonomies of Fashion-MNIST, CIFAR-10 and CIFAR-100 from WordNet 3.0: `python -m benchmarks.taxonomies`.

WordNet's files come from the Debian package `wordnet-base`, or from wordnet.princeton.edu (folder `dict`).
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from rtl_core.overlap.taxonomy import read_taxonomy
from rtl_core.runs.store import project_root

SOURCE = "WordNet 3.0, https://wordnet.princeton.edu; hypernyms of the nouns; remade by python -m benchmarks.taxonomies"
LICENCE = "WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved. The terms are in LICENCE.txt."
LICENCE_LINES = 29  # at the head of WordNet's files

# Class -> word.n.sense, by WordNet's own numbering of a word's senses. They were chosen by hand: what the class means
# in its data set and, in CIFAR-100, under its coarse label (apples and peppers are food there, not plants).
FASHION = {
    "T-shirt/top": "t-shirt.n.1",
    "Trouser": "trouser.n.1",
    "Pullover": "pullover.n.1",
    "Dress": "dress.n.1",
    "Coat": "coat.n.1",
    "Sandal": "sandal.n.1",
    "Shirt": "shirt.n.1",
    "Sneaker": "sneaker.n.1",
    "Bag": "bag.n.4",  # a handbag; bag.n.1 is any sack
    "Ankle boot": "boot.n.1",
}
CIFAR_10 = {
    "airplane": "airplane.n.1",
    "automobile": "automobile.n.1",
    "bird": "bird.n.1",
    "cat": "cat.n.1",
    "deer": "deer.n.1",
    "dog": "dog.n.1",
    "frog": "frog.n.1",
    "horse": "horse.n.1",
    "ship": "ship.n.1",
    "truck": "truck.n.1",
}
CIFAR_100_BY_COARSE_LABEL = {
    "aquatic mammals": "beaver.n.7 dolphin.n.2 otter.n.2 seal.n.9 whale.n.2",
    "fish": "aquarium_fish=fish.n.1 flatfish.n.2 ray.n.7 shark.n.1 trout.n.2",
    "flowers": "orchid.n.1 poppy.n.1 rose.n.1 sunflower.n.1 tulip.n.1",
    "food containers": "bottle.n.1 bowl.n.1 can.n.1 cup.n.1 plate.n.4",
    "fruit and vegetables": "apple.n.1 mushroom.n.5 orange.n.1 pear.n.1 sweet_pepper.n.2",
    "household electrical devices": "clock.n.1 keyboard=computer_keyboard.n.1 lamp.n.2 telephone.n.1 television.n.3",
    "household furniture": "bed.n.1 chair.n.1 couch.n.1 table.n.2 wardrobe.n.1",
    "insects": "bee.n.1 beetle.n.1 butterfly.n.1 caterpillar.n.1 cockroach.n.1",
    "large carnivores": "bear.n.1 leopard.n.2 lion.n.1 tiger.n.2 wolf.n.1",
    "large man-made outdoor things": "bridge.n.1 castle.n.2 house.n.1 road.n.1 skyscraper.n.1",
    "large natural outdoor scenes": "cloud.n.2 forest.n.2 mountain.n.1 plain.n.1 sea.n.1",
    "large omnivores and herbivores": "camel.n.1 cattle.n.1 chimpanzee.n.1 elephant.n.1 kangaroo.n.1",
    "medium-sized mammals": "fox.n.1 porcupine.n.1 possum.n.1 raccoon.n.2 skunk.n.4",
    "non-insect invertebrates": "crab.n.1 lobster.n.2 snail.n.1 spider.n.1 worm.n.1",
    "people": "baby.n.1 boy.n.1 girl.n.2 man.n.1 woman.n.1",
    "reptiles": "crocodile.n.1 dinosaur.n.1 lizard.n.1 snake.n.1 turtle.n.2",
    "small mammals": "hamster.n.1 mouse.n.1 rabbit.n.1 shrew.n.2 squirrel.n.1",
    "trees": "maple_tree=maple.n.2 oak_tree.n.1 palm_tree.n.1 pine_tree.n.1 willow_tree.n.1",
    "vehicles 1": "bicycle.n.1 bus.n.1 motorcycle.n.1 pickup_truck.n.1 train.n.1",
    "vehicles 2": "lawn_mower.n.1 rocket.n.1 streetcar.n.1 tank.n.1 tractor.n.1",
}
CIFAR_100 = {
    item.partition("=")[0].partition(".")[0]: item.rpartition("=")[2]  # `class=word.n.sense`, or the word is the class
    for items in CIFAR_100_BY_COARSE_LABEL.values()
    for item in items.split()
}
TAXONOMIES = {
    "fashion_mnist": ("Fashion-MNIST", FASHION),
    "cifar_10": ("CIFAR-10", CIFAR_10),
    "cifar_100": ("CIFAR-100", CIFAR_100),
}

Way = tuple[str, ...]  # synsets from the root down


@dataclass(frozen=True)
class Nouns:
    """WordNet's nouns. A synset is known by its offset in data.noun.

    senses     word -> its synsets in WordNet's order
    words      synset -> its first word
    hypernyms  synset -> the synsets above it
    """

    senses: dict[str, list[str]]
    words: dict[str, str]
    hypernyms: dict[str, list[str]]

    def synset(self, sense: str) -> str:
        """The synset of `word.n.number`."""
        word, _, number = sense.split(".")
        return self.senses[word][int(number) - 1]

    def paths(self, synset: str) -> list[Way]:
        """All ways down to a synset, the shortest first."""
        above = self.hypernyms[synset]
        paths_ = [(*path, synset) for parent in above for path in self.paths(parent)] if above else [(synset,)]
        return sorted(paths_, key=len)

    def edges_up(self, synset: str) -> dict[str, int]:
        """Every ancestor, and the synset itself, with the fewest edges up to it."""
        up, queue = {synset: 0}, deque([synset])
        while queue:
            here = queue.popleft()
            for parent in self.hypernyms[here]:
                if parent not in up:
                    up[parent] = up[here] + 1
                    queue.append(parent)
        return up


def read_nouns(folder: Path) -> Nouns:
    """Parses index.noun and data.noun; their format is in WordNet's manual page wndb(5)."""
    senses, words, hypernyms = {}, {}, {}
    for line in _entries(folder / "index.noun"):
        fields = line.split()
        senses[fields[0]] = fields[-int(fields[2]) :]
    for line in _entries(folder / "data.noun"):
        fields = line.partition(" | ")[0].split()
        pointers = fields[5 + 2 * int(fields[3], 16) :]
        words[fields[0]] = fields[4].replace("_", " ")
        hypernyms[fields[0]] = [pointers[at + 1] for at in range(0, len(pointers), 4) if pointers[at] == "@"]
    return Nouns(senses, words, hypernyms)


def fewest_paths(nouns: Nouns, classes: dict[str, str]) -> dict[str, list[Way]]:
    """Class -> the paths that give WordNet's own distance of every pair of the classes; all others are left out."""
    up = {name: nouns.edges_up(nouns.synset(sense)) for name, sense in classes.items()}
    true = {(a, b): min(up[a][s] + up[b][s] for s in up[a].keys() & up[b].keys()) for a in up for b in up}
    paths = {name: nouns.paths(nouns.synset(sense)) for name, sense in classes.items()}

    def right(name: str, kept: list[Way]) -> bool:
        others = (other for other in classes if other != name)
        return all(min(_edges(p, q) for p in kept for q in paths[b]) == true[name, b] for b in others)

    for name in classes:
        assert right(name, paths[name])
        for path in reversed(paths[name]):
            kept = [other for other in paths[name] if other != path]
            if kept and right(name, kept):
                paths[name] = kept
    return paths


def document(nouns: Nouns, title: str, classes: dict[str, str]) -> dict[str, Any]:
    """The taxonomy's file as a dictionary."""
    chosen = fewest_paths(nouns, classes)
    written = {name: [" > ".join(nouns.words[s] for s in path) for path in paths] for name, paths in chosen.items()}
    ways = {path[: depth + 1] for paths in chosen.values() for path in paths for depth in range(len(path))}
    assert len({tuple(nouns.words[s] for s in way) for way in ways}) == len(ways), "two synsets would become one node"
    return {"name": title, "licence": LICENCE, "source": SOURCE, "paths": written}


def _entries(path: Path) -> Iterator[str]:
    """The lines after the licence, which is indented."""
    return (line for line in path.read_text("utf-8").splitlines() if not line.startswith("  "))


def _edges(a: Way, b: Way) -> int:
    common = sum(1 for _ in takewhile(lambda nodes: nodes[0] == nodes[1], zip(a, b, strict=False)))
    return len(a) + len(b) - 2 * common


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="folder with data.noun")
    wordnet = parser.parse_args().wordnet
    nouns = read_nouns(wordnet)
    target = project_root() / "rtl_core" / "tickets" / "taxonomies"
    for stem, (title, classes) in TAXONOMIES.items():
        text = json.dumps(document(nouns, title, classes), indent=1, ensure_ascii=False) + "\n"
        read_taxonomy(text.encode())
        (target / f"{stem}.json").write_text(text, "utf-8")
    head = (wordnet / "data.noun").read_text("utf-8").splitlines()[:LICENCE_LINES]
    terms = [line.strip().lstrip("0123456789").strip() for line in head]  # WordNet numbers these lines
    (target / "LICENCE.txt").write_text("\n".join(terms) + "\n", "utf-8")


if __name__ == "__main__":
    main()
