"""The network in a file of torch.save or pickle: its tensors by name, and the masks that stand outside its state dict.

A file may be a state dict, a whole module, a training checkpoint that holds either, or masks. What is not read is
named: nothing that could hold weights or masks is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import Values, check_total, words, zeros_and_ones
from rtl_core.interchange.import_masks_assign import bare
from rtl_core.interchange.import_masks_leaves import Leaf, holds_masks, leaves_of
from rtl_core.interchange.torch_file import TorchFile
from rtl_core.interchange.torch_values import NoTensor

# Keys under which training scripts put the network, the first that is there; then words of keys of other things.
_HOLDERS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "model_state", "net_state_dict"),
    *("network_state_dict", "net_state", "params", "parameters", "weights", "state"),
)
_OF_COPIES = "ema avg average averaged swa teacher shadow init initial original rewind prev previous old"
_OF_TRAINING = """
    optimizer optimizers optimiser optim opt scheduler schedulers sched scaler amp rng grad grads gradients momentum
    momenta history callbacks loops metrics
"""

# What torch's optimizers keep for each parameter.
_OF_OPTIMIZERS = {"exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg", "grad_avg", "acc_delta"}

Path = tuple[str, ...]


@dataclass(frozen=True)
class Network:
    """What a file holds of a network.

    tensors   by name
    masks     key that holds them -> name under it -> values
    left_out  name -> why it is not among the tensors
    notes     sentences about what was chosen and what was not read
    """

    tensors: dict[str, Values]
    masks: dict[str, dict[str, Values]]
    left_out: dict[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Choice:
    """path: of the network; without: keys below it that are none of the network's; not_read: path -> how many tensors
    there are of what was passed by on the way."""

    path: Path = ()
    without: frozenset[str] = frozenset()
    not_read: tuple[tuple[str, int], ...] = ()

    def has(self, leaf: Leaf) -> bool:
        inside = leaf.path[: len(self.path)] == self.path and len(leaf.path) >= len(self.path)
        key = leaf.path[len(self.path)] if len(leaf.path) > len(self.path) + 1 else ""
        return inside and key not in self.without and not _says(key, _OF_TRAINING)

    def named(self, leaves: Iterable[Leaf]) -> dict[str, Values | NoTensor]:
        return {".".join(leaf.path[len(self.path) :]) or "tensor": leaf.value for leaf in leaves if self.has(leaf)}


def network_in(file: TorchFile, patterns: Sequence[str] = ()) -> Network:
    """The network that a file holds.

    patterns  of names of tensors that are wanted: where they match none of the network that would be chosen, everything
              in the file counts as one network, its names with all keys before them

    BadInput where several networks are there and none is to be preferred, or for masks that are no tensors.
    """
    leaves = leaves_of(file)
    weights = [leaf for leaf in leaves if leaf.of_a_network]
    if weights and all(leaf.path and leaf.path[-1] in _OF_OPTIMIZERS for leaf in weights):
        raise BadInput(f"{file.file} holds the state of an optimizer and no network; give the network's own file")
    others = [leaf for leaf in leaves if not any(map(holds_masks, leaf.path[:-1]))]
    try:
        choice = _choose(others, file.file)
    except BadInput:
        if not patterns:
            raise
        choice = _Choice()
    everything = _Choice().named(others)
    if patterns and not any_match(choice.named(others), patterns) and any_match(everything, patterns):
        choice = _Choice()
    network = choice.named(others)
    if len(network) < sum(map(choice.has, others)):
        raise BadInput(
            f"{file.file} holds two tensors of one name, in a dict and with a dot; save model.state_dict() alone"
        )
    masks = [leaf for leaf in leaves if any(map(holds_masks, leaf.path[:-1]))]
    if not patterns:
        _check_one_set(masks, file.file)
    outside = [leaf for leaf in others if leaf.path and not choice.has(leaf)]
    masks += [leaf for leaf in outside if holds_masks(leaf.path[-1])]
    unnamed = _by_content(outside, {leaf.path for leaf in masks})
    return Network(
        {name: value for name, value in network.items() if isinstance(value, Values)},
        _by_holder(masks, choice.path, file.file) | unnamed,
        {
            name: f"it is {value.what}"
            for name, value in network.items()
            if isinstance(value, NoTensor) and value.what != "a list of numbers"
        },
        _notes(choice, unnamed),
    )


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a tensor's name fits one of the patterns, with * and ? as in names of files."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def any_match(names: Iterable[str], patterns: Sequence[str]) -> bool:
    return any(matches(name, patterns) for name in names)


def _choose(leaves: Sequence[Leaf], file: str) -> _Choice:
    """Goes inward as long as one of the dicts at a level is the network."""
    path: Path = ()
    not_read: list[tuple[str, int]] = []
    while True:
        level = _level(leaves, path)
        networks = {key: group for key, group in level.items() if key and not _says(key, _OF_TRAINING)}
        if "" in level and not any(key in networks for key in _HOLDERS):
            chosen, without = None, {key for key in level if key not in networks or _says(key, _OF_COPIES)} - {""}
        else:
            chosen = _preferred(networks, path, file)
            without = level.keys() - ({chosen} if chosen else networks.keys())
        not_read += [(".".join((*path, key)) if key else "", len(level[key])) for key in level if key in without]
        if chosen is None:
            return _Choice(path, frozenset(without), tuple(not_read))
        path = (*path, chosen)


def _level(leaves: Sequence[Leaf], path: Path) -> dict[str, list[Leaf]]:
    """What stands below a path, by the next key; under "" the tensors of a network that stand there themselves."""
    level: dict[str, list[Leaf]] = {}
    below = [leaf for leaf in leaves if leaf.path[: len(path)] == path and leaf.of_a_network]
    for leaf in below:
        if len(leaf.path) > len(path) + 1:
            level.setdefault(leaf.path[len(path)], []).append(leaf)
    direct = [leaf for leaf in below if len(leaf.path) == len(path) + 1]
    if direct and not (level and all(holds_masks(leaf.path[-1]) for leaf in direct)):
        level[""] = direct
    return level


def _preferred(networks: dict[str, list[Leaf]], path: Path, file: str) -> str | None:
    """Which of several dicts is the network; None where there is none, or all of them are its layers."""
    depth = len(path)
    holders = [key for key in _HOLDERS if key in networks]
    inner = [piece for group in networks.values() for leaf in group for piece in leaf.path[depth + 1 :]]
    if not holders and not any("." in piece or piece in _HOLDERS for piece in inner):
        return None
    for keys in (holders, [key for key in networks if not _says(key, _OF_COPIES)], list(networks)):
        names = {frozenset(bare(".".join(leaf.path[depth + 1 :])) for leaf in networks[key]) for key in keys}
        if len(keys) == 1 or (keys is holders and len(names) == 1):
            return keys[0]
        if keys:
            raise BadInput(
                f"{file} holds several networks ({', '.join(keys[:5]):.100}); choose one by its tensors' names, as in "
                f"--tensors '{'.'.join((*path, keys[0])):.80}.*', or give each a file of its own"
            )
    return None


def _says(key: str, of: str) -> bool:
    """Whether one of these words is in a key."""
    return bool(words(key) & set(of.split()))


def _notes(choice: _Choice, used: Collection[str]) -> tuple[str, ...]:
    """What was chosen, and what was not read; `used`: paths of what was read after all."""
    notes = [f"the network is what stands under '{'.'.join(choice.path)}'"] if choice.path else []
    passed = [(path, number) for path, number in choice.not_read if path not in used]
    names = [f"{repr(path) if path else 'tensors outside it'} ({number})" for path, number in passed]
    if names:
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        notes.append(f"not read, with their numbers of tensors: {', '.join(names[:6])}{more}")
    return tuple(notes)


def _by_content(outside: Sequence[Leaf], known: set[Path]) -> dict[str, dict[str, Values]]:
    """Masks under a key that does not say so: nothing but zeros and ones stand there, and nothing of the training."""
    groups: dict[Path, list[Leaf]] = {}
    for leaf in outside:
        if leaf.of_a_network and leaf.path not in known and not any(_says(key, _OF_TRAINING) for key in leaf.path):
            groups.setdefault(leaf.path[:-1], []).append(leaf)
    shapes = [leaf.value.shape for group in groups.values() for leaf in group if isinstance(leaf.value, Values)]
    check_total(sum(map(prod, shapes)))
    return {
        ".".join(path): {leaf.path[-1]: leaf.value for leaf in group}
        for path, group in groups.items()
        if path
        and all(isinstance(leaf.value, Values) for leaf in group)
        and zeros_and_ones([leaf.value for leaf in group])
    }


def _check_one_set(masks: Sequence[Leaf], file: str) -> None:
    """BadInput where masks of the same tensors stand there several times, as of the rounds of a pruning."""
    sets: dict[Path, dict[str, dict[Path, object]]] = {}  # path of what holds them -> set -> tensor -> shape
    for leaf in masks:
        place = next(i for i, key in enumerate(leaf.path) if holds_masks(key))
        if len(leaf.path) > place + 2:
            inner = sets.setdefault(leaf.path[: place + 1], {}).setdefault(leaf.path[place + 1], {})
            inner[leaf.path[place + 2 :]] = getattr(leaf.value, "shape", None)
    for holder, of in sets.items():
        first, *others = of.values()
        if others and all(other == first for other in others) and any("." in path[0] for path in first):
            raise BadInput(
                f"{file}: '{'.'.join(holder)}' holds {len(of)} masks of each tensor ({', '.join(list(of)[:5]):.100}); "
                "give each set a file of its own"
            )


def _by_holder(masks: Sequence[Leaf], path: Path, file: str) -> dict[str, dict[str, Values]]:
    """Masks by the key that holds them; their names are as in the network at `path`."""
    held: dict[str, dict[str, Values]] = {}
    for leaf in masks:
        if isinstance(leaf.value, NoTensor):
            raise BadInput(
                f"{file}: '{'.'.join(leaf.path)}' should be a mask but is {leaf.value.what}; masks are plain tensors"
            )
        place = next(i for i, key in enumerate(leaf.path) if holds_masks(key))
        outer = leaf.path[len(path) : place] if leaf.path[: min(len(path), place)] == path else ()
        above = leaf.path[place].rpartition(".")[0]
        inner = leaf.path[place + 1 :] or (leaf.path[place].rpartition(".")[2],)
        name = ".".join((*outer, *([above] if above else []), *inner))
        held.setdefault(".".join(leaf.path[: place + 1]), {})[name] = leaf.value
    return held
