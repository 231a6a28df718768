"""Pickles as plain data, by an interpreter of their instructions that can build nothing else.

Nothing is imported, looked up or called for a file: what a pickle would make of a class or a function becomes a `Shell`
that keeps what the pickle gives it. What remains are numbers, texts, bytes, lists, tuples, dicts and shells, and what
they take is bounded by the number of instructions.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from rtl_core.errors import BadInput

MAX_PICKLE_BYTES = 16 * 2**20  # without the values, which torch keeps outside the pickle
MAX_INSTRUCTIONS = 2_000_000  # a pickle may build a container with each, of some hundred bytes
PERSISTENT = "persistent id"
_MAX_INTEGER_KEY = 10**9
# What `interpret` raises for a damaged pickle, besides BadInput.
DAMAGED = (LookupError, TypeError, ValueError, AttributeError, OverflowError)
_DICTS = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict")


@dataclass(frozen=True, eq=False, slots=True)
class Global:
    """A class or function by its dotted name. It is never looked up."""

    name: str


@dataclass(eq=False, slots=True)
class Shell:
    """What the pickle would have made by calling `kind`: nothing but what it was given.

    arguments  of the call
    state      what the object was to be built from: for most objects the dict of its attributes
    items      where it was used as a dict
    members    where it was used as a list or a set
    """

    kind: str
    arguments: tuple
    state: Any = None
    items: dict[Any, Any] | None = None
    members: list | None = None


@dataclass(slots=True)
class Budget:
    """Instructions that may still be followed, all pickles of a file together."""

    file: str
    left: int = field(default_factory=lambda: MAX_INSTRUCTIONS)

    def spend(self, number: int = 1) -> None:
        self.left -= number
        if self.left < 0:
            raise BadInput(
                f"{self.file} describes too many objects to be a network's tensors; save model.state_dict() alone"
            )


def interpret(stream: BinaryIO, budget: Budget, persistent: list[Shell] | None = None) -> Any:
    """The object that the next pickle of a stream holds; the stream then stands behind it.

    stream      in memory, so that a length that an instruction claims is never given room before its bytes are there
    persistent  gets the shells of what the pickle names as stored elsewhere

    BadInput for too many instructions; one of `DAMAGED` for what is no intact pickle.
    """
    machine = _Machine([] if persistent is None else persistent)
    for operation, argument, _ in pickletools.genops(stream):
        budget.spend()
        if operation.name == "STOP":
            return machine.stack.pop()
        _STEPS[operation.name](machine, argument)
    raise ValueError("the pickle has no end")


def key_of(value: Any) -> Any:
    """A key as dicts of this module have it: a text, or an object that equals nothing else.

    Whole numbers become texts. Nothing else is hashed: deeply nested tuples and chosen numbers make that slow.
    """
    if isinstance(value, str):
        return value
    if type(value) is int and abs(value) < _MAX_INTEGER_KEY:
        return str(value)
    return object()


class _Machine:
    """The stack and the memo of a pickle. `marks` are the heights of the stack at which marks were set."""

    def __init__(self, persistent: list[Shell]) -> None:
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def above_mark(self) -> list[Any]:
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def last(self, number: int) -> list[Any]:
        if len(self.stack) < number:
            raise IndexError
        items = self.stack[len(self.stack) - number :]
        del self.stack[len(self.stack) - number :]
        return items

    def pop(self, _: Any) -> None:
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.stack.pop()

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def put(self, place: int) -> None:
        if not 0 <= place <= MAX_INSTRUCTIONS:  # picklers count from 0; chosen places would make the memo slow
            raise ValueError
        self.memo[place] = self.stack[-1]

    def call(self, function: Any, arguments: Any) -> None:
        """A shell of what is called; an empty dict for the usual kinds of dicts."""
        kind = function.name if isinstance(function, Global) else "an unnamed function"
        arguments = arguments if isinstance(arguments, tuple) else (arguments,)
        if kind in ("copyreg._reconstructor", "copy_reg._reconstructor") and isinstance(arguments[0], Global):
            kind = arguments[0].name
        plain = not arguments or (kind.endswith("defaultdict") and len(arguments) == 1)
        self.push({} if kind in _DICTS and plain else Shell(kind, arguments))

    def build(self, _: Any) -> None:
        """A state for the object on top; what states say of plain dicts, such as versions, holds no values."""
        target, state = self.last(2)
        if isinstance(target, Shell):
            target.state = state
        self.push(target)

    def extend(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Shell):
            target.members = target.members or []
            target.members += values
        elif isinstance(target, list):
            target += values
        else:
            raise TypeError

    def store(self, flat: list[Any]) -> None:
        """Keys and values in turn into the dict on top."""
        target = self.stack[-1]
        if isinstance(target, Shell):
            target.items = {} if target.items is None else target.items
            target = target.items
        if not isinstance(target, dict) or len(flat) % 2:
            raise TypeError
        for key, value in zip(map(key_of, flat[::2]), flat[1::2], strict=True):
            if key in target:
                raise ValueError  # numbers and texts that are the same name
            target[key] = value

    def make_dict(self, _: Any) -> None:
        flat = self.above_mark()
        self.push({})
        self.store(flat)

    def call_top(self, _: Any) -> None:
        self.call(*self.last(2))

    def call_with_keywords(self, _: Any) -> None:
        function, arguments, keywords = self.last(3)
        self.call(function, (*arguments, keywords))

    def call_above_mark(self, _: Any) -> None:
        function, *arguments = self.above_mark()
        self.call(function, tuple(arguments))

    def name_stored(self, _: Any) -> None:
        """torch names storages so, and in its old format classes of modules with their source."""
        (name,) = self.last(1)
        if isinstance(name, tuple) and name[:1] == ("module",) and isinstance(name[1], Global):
            self.push(name[1])
            return
        self.push(Shell(PERSISTENT, (name,)))
        self.persistent.append(self.stack[-1])

    def named(self, _: Any) -> None:
        module, name = self.last(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError
        self.push(Global(f"{module}.{name}"))


def _pushes(make: Callable[[], Any]) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(make())


def _tuple(number: int) -> Callable[[_Machine, Any], None]:
    return lambda machine, _: machine.push(tuple(machine.last(number)))


def _global(machine: _Machine, argument: str) -> None:
    machine.push(Global(argument.replace(" ", ".", 1)))


def _instance(machine: _Machine, argument: str) -> None:
    machine.call(Global(argument.replace(" ", ".", 1)), tuple(machine.above_mark()))


_VALUES = """
    INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8
"""
# Every instruction that is followed; a pickle with any other is refused as damaged.
_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(_VALUES.split(), _Machine.push),
    **dict.fromkeys(("PROTO", "FRAME"), lambda machine, _: None),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda machine, place: machine.push(machine.memo[place])),
    **dict.fromkeys(("REDUCE", "NEWOBJ"), _Machine.call_top),
    **dict.fromkeys(("LIST", "FROZENSET"), lambda machine, _: machine.push(machine.above_mark())),
    **dict.fromkeys(("APPENDS", "ADDITEMS"), lambda machine, _: machine.extend(machine.above_mark())),
    "APPEND": lambda machine, _: machine.extend(machine.last(1)),
    "BINPERSID": _Machine.name_stored,
    "BUILD": _Machine.build,
    "DICT": _Machine.make_dict,
    "DUP": lambda machine, _: machine.push(machine.stack[-1]),
    "EMPTY_DICT": _pushes(dict),
    "EMPTY_LIST": _pushes(list),
    "EMPTY_SET": _pushes(list),
    "EMPTY_TUPLE": _pushes(tuple),
    "GLOBAL": _global,
    "INST": _instance,
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "MEMOIZE": _Machine.memoize,
    "NEWFALSE": _pushes(lambda: False),
    "NEWOBJ_EX": _Machine.call_with_keywords,
    "NEWTRUE": _pushes(lambda: True),
    "NONE": _pushes(lambda: None),
    "OBJ": _Machine.call_above_mark,
    "POP": _Machine.pop,
    "POP_MARK": lambda machine, _: machine.above_mark() and None,
    "SETITEM": lambda machine, _: machine.store(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.store(machine.above_mark()),
    "STACK_GLOBAL": _Machine.named,
    "TUPLE": lambda machine, _: machine.push(tuple(machine.above_mark())),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
}
