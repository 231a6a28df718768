"""All tensors in the object that a file holds, each with the keys that lead to it.

The object may be any dicts, lists and tuples in one another, whole modules, and objects of unknown classes, whose
attributes are looked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rtl_core.errors import BadInput
from rtl_core.interchange.import_masks_arrays import Values, check_name, words
from rtl_core.interchange.pickle_reader import PERSISTENT, Shell
from rtl_core.interchange.torch_file import TorchFile
from rtl_core.interchange.torch_values import NoTensor, shown

MAX_DEPTH = 60  # dicts in dicts, modules in modules
MAX_NODES = 300_000
# Words that may stand beside "mask" in a key under which masks are; with others, such as "mask_rcnn", it says no masks.
_OF_MASKS = """
    mask masks dict dicts list lists state states tensor tensors weight weights param params parameter parameters layer
    layers by name names epoch round level final best current last init prune pruned pruning sparse sparsity model net
    network binary global ticket tickets lottery lth all my the of for buffer buffers map module modules keep kept
    winning
"""
_TORCH_SCRIPT = ("__torch__.", "torch.jit.")  # modules without tensors, lists of numbers
_CONTAINERS = ("collections.OrderedDict", "builtins.set", "__builtin__.set", "builtins.list", "builtins.dict")


@dataclass(frozen=True)
class Leaf:
    """A tensor, or something that might hold one. `path`: keys from the outside in, names inside a module as one."""

    path: tuple[str, ...]
    value: Values | NoTensor

    @property
    def of_a_network(self) -> bool:
        """Whether it is more than a bias, a counter or a setting."""
        return self.value.tensor if isinstance(self.value, NoTensor) else len(self.value.shape) >= 2


def leaves_of(file: TorchFile) -> list[Leaf]:
    """In the file's order. BadInput for what nests too deeply or holds too much, or has keys that cannot be shown."""
    leaves = _Walk(file).leaves(file.tree, ())
    for key in {key for leaf in leaves for key in leaf.path}:
        check_name(key, file.file)
    return leaves


def holds_masks(key: str) -> bool:
    """Whether a key says that masks are under it."""
    of = words(key.rpartition(".")[2])
    return bool(of & {"mask", "masks"}) and of <= set(_OF_MASKS.split())


class _Walk:
    """Goes through a file's object depth first, at most `MAX_DEPTH` deep and over at most `MAX_NODES` nodes."""

    def __init__(self, file: TorchFile) -> None:
        self.file = file
        self.above: set[int] = set()  # the nodes that this one is in
        self.left = MAX_NODES

    def leaves(self, node: Any, path: tuple[str, ...]) -> list[Leaf]:
        if not isinstance(node, Shell | dict | list | tuple) or id(node) in self.above:
            return []
        self.above.add(id(node))
        self.left -= 1
        if self.left < 0 or len(self.above) > MAX_DEPTH:
            raise BadInput(
                f"{self.file.file} nests objects too deeply or too often to be a network; save model.state_dict() alone"
            )
        if isinstance(node, Shell):
            leaves = self.of_shell(node, path)
        elif isinstance(node, dict):
            leaves = [leaf for key, child in node.items() for leaf in self.leaves(child, (*path, _text(key)))]
        else:
            leaves = self.of_sequence(node, path)
        self.above.remove(id(node))
        return leaves

    def of_shell(self, node: Shell, path: tuple[str, ...]) -> list[Leaf]:
        value = self.file.value_of(node)
        if value is not None:
            return [Leaf(path, value), *self.of_attributes(node, path)]
        if isinstance(node.state, dict) and ("_modules" in node.state or "_parameters" in node.state):
            return [replace(leaf, path=(*path, *leaf.path)) for leaf in self.of_module(node.state)]
        return self.of_object(node, path)

    def of_sequence(self, node: Sequence[Any], path: tuple[str, ...]) -> list[Leaf]:
        """Members by their numbers; a tuple with something quantised is what a layer packs its weights into."""
        if node and all(isinstance(member, int | float) for member in node):
            return [Leaf(path, NoTensor("a list of numbers", tensor=False))]
        leaves = [leaf for i, child in enumerate(node) for leaf in self.leaves(child, (*path, str(i)))]
        odd = [leaf.value for leaf in leaves if isinstance(leaf.value, NoTensor) and leaf.value.tensor]
        return [Leaf(path, _packed(odd[0].what))] if odd and isinstance(node, tuple) else leaves

    def of_object(self, node: Shell, path: tuple[str, ...]) -> list[Leaf]:
        """What an object of an unknown class has in it; the object itself where that is nothing."""
        state, contents = node.state, [node.items, node.members]
        if isinstance(state, dict):
            contents.append(state)
        elif node.kind.startswith("numpy.") and isinstance(state, tuple) and len(state) == 5:
            contents.append(state[4])  # an array of objects
        if node.kind in _CONTAINERS:
            contents += [argument for argument in node.arguments if isinstance(argument, dict | list | tuple)]
        leaves = [leaf for content in contents if content for leaf in self.leaves(content, path)]
        if leaves:
            return leaves
        for packed in (state, list(node.arguments)):
            inner = [leaf.value for leaf in self.leaves(packed, ()) if leaf.of_a_network]
            if inner:
                return [Leaf(path, _packed(getattr(inner[0], "what", "a tensor")))]
        if node.kind.startswith(_TORCH_SCRIPT):
            return []
        kind = "values without a shape" if node.kind == PERSISTENT else f"an object ({shown(node.kind)}), never built"
        return [Leaf(path, NoTensor(kind, tensor=False))]

    def of_module(self, state: dict[Any, Any]) -> list[Leaf]:
        """What `state_dict()` of a module would hold, and masks and packed weights among its other attributes."""
        leaves = []
        for kind in ("_parameters", "_buffers", "_modules"):
            for key, child in _dict(state.get(kind)).items():
                inner = self.leaves(child, ())
                if kind == "_modules":
                    inner = [leaf for leaf in inner if leaf.of_a_network or isinstance(leaf.value, Values)]
                elif kind == "_buffers":
                    inner = [replace(leaf, value=_as_buffer(leaf.value)) for leaf in inner]
                leaves += [Leaf(_joined(_text(key), leaf.path), leaf.value) for leaf in inner]
        for key, child in state.items():
            if isinstance(key, str) and (holds_masks(key) or "packed" in key):
                leaves += [leaf for leaf in self.leaves(child, (key,)) if getattr(leaf.value, "tensor", True)]
        return leaves

    def of_attributes(self, node: Shell, path: tuple[str, ...]) -> Iterable[Leaf]:
        """Masks that were set as attributes of a parameter."""
        state = node.arguments[3] if node.kind.endswith("_with_state") and len(node.arguments) > 3 else None
        for attributes in state if isinstance(state, tuple) else (state,):
            for key, child in _dict(attributes).items():
                if isinstance(key, str) and holds_masks(key):
                    for leaf in self.leaves(child, ()):
                        yield Leaf((*path[:-1], ".".join((*path[-1:], key, *leaf.path))), leaf.value)


def _joined(key: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """The path of what stands in a module below its child `key`: the first two are one name."""
    return (f"{key}.{path[0]}", *path[1:]) if path else (key,)


def _packed(what: str) -> NoTensor:
    return NoTensor(what if what.startswith("packed") else f"packed by its layer ({what})")


def _as_buffer(value: Values | NoTensor) -> Values | NoTensor:
    return replace(value, buffer=True) if isinstance(value, Values) else value


def _dict(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _text(key: Any) -> str:
    return key if isinstance(key, str) else "(a key that is no text)"
