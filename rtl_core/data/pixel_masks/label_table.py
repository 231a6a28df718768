"""What the values or colours of masks mean."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rtl_core.data.class_folders import Names, check_apart, class_name
from rtl_core.data.dataset import IGNORED
from rtl_core.data.file_tree import FileTree
from rtl_core.errors import BadInput

TABLES = ("classes.csv", "class_dict.csv", "palette.txt", "label_colors.txt")
MOST_CLASSES = IGNORED  # their indices are bytes, and the last byte means that a pixel does not count
MAX_TABLE_BYTES = 2**20
_NAME = ("name", "class", "label", "class_name")
_VALUE = ("value", "index", "id", "train_id")
_CHANNELS = (("r", "red"), ("g", "green"), ("b", "blue"))
_NO_CLASS = {"ignore", "ignored", "void", "unlabelled", "unlabeled", "dont care", "don't care"}

Value = int | tuple[int, int, int]  # of a pixel in a mask: an index or a colour


@dataclass(frozen=True)
class LabelTable:
    """Which class each value of a pixel stands for.

    classes  names of the classes
    of       value -> index of its class, or `IGNORED`; colours (r, g, b) where the masks are in colours
    source   the file or layout that says so, for sentences
    """

    classes: tuple[str, ...]
    of: Mapping[Value, int]
    source: str

    @property
    def in_colours(self) -> bool:
        return any(isinstance(value, tuple) for value in self.of)


def label_table(tree: FileTree, among: Sequence[Names]) -> LabelTable | None:
    """The table beside the masks; None where there is none. BadInput where it is damaged or there are two.

    A CSV has a column `name` and either `value` or `r`, `g`, `b`; a text file lines such as `64 128 64 Animal`. Rows
    called ignore, void or unlabelled are pixels that do not count, and so is the value 255 unless a row has it.
    """
    tables = [path for path in among if path[-1].lower() in TABLES]
    if not tables:
        return None
    if len(tables) > 1:
        raise BadInput(
            f"{tree.called(tables[0])} and {tree.called(tables[1])} both say what masks mean; keep one of them"
        )
    (path,) = tables
    called = tree.called(path)
    try:
        text = tree.content(path, MAX_TABLE_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(f"{called} is not in UTF-8; save it in that encoding") from None
    rows = _rows_of_csv(text, called) if path[-1].lower().endswith(".csv") else _rows_of_text(text, called)
    return _table(rows, called)


def _table(rows: Sequence[tuple[str, Value]], called: str) -> LabelTable:
    classes: list[str] = []
    of: dict[Value, int] = {}
    for name, value in rows:
        if value in of:
            raise BadInput(f"{called} gives the value {value} twice; every class has a value of its own")
        if name.lower() in _NO_CLASS:
            of[value] = IGNORED
        else:
            of[value] = len(classes)
            classes.append(class_name(name))
    check_apart(classes)
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise BadInput(f"{called} names {len(classes)} classes; masks have 2 to {MOST_CLASSES}")
    table = LabelTable(tuple(classes), of, called)
    return table if table.in_colours else LabelTable(table.classes, {IGNORED: IGNORED, **of}, called)


def _rows_of_csv(text: str, called: str) -> list[tuple[str, Value]]:
    first = text.splitlines()[0] if text else ""
    delimiter = max(",;\t", key=first.count)
    try:
        # Each line ended as here: the reader refuses ends of old Macs.
        read = csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)
        lines = [line for line in read if any(map(str.strip, line))]
    except csv.Error:
        raise BadInput(f"{called} cannot be read as a table, as where a quotation mark is never closed") from None
    header = [cell.strip().lower() for cell in lines[0]] if lines else []
    name, value = _column(header, _NAME), _column(header, _VALUE)
    channels = [_column(header, words) for words in _CHANNELS]
    if name is None or (value is None and None in channels):
        raise BadInput(f"{called} wants a first line `name,value` or `name,r,g,b`, it has `{first.strip()[:80]}`")
    columns = [value] if value is not None else channels
    return [_row(line, name, columns, called) for line in lines[1:]]


def _column(header: Sequence[str], words: Sequence[str]) -> int | None:
    return next((header.index(word) for word in words if word in header), None)


def _row(line: Sequence[str], name: int, columns: Sequence[int], called: str) -> tuple[str, Value]:
    if len(line) <= max(name, *columns):
        raise BadInput(
            f"{called} has a line with fewer cells than its first one: `{' '.join(','.join(line).split())[:80]}`"
        )
    return line[name].strip(), _value([line[column] for column in columns], called)


def _rows_of_text(text: str, called: str) -> list[tuple[str, Value]]:
    """Lines `r g b name` or `value name`."""
    rows = []
    for line in text.splitlines():
        words = line.split()
        numbers = next((i for i, word in enumerate(words) if not word.isdigit()), len(words))
        if words and (numbers not in (1, 3) or numbers == len(words)):
            raise BadInput(f"{called} wants lines `red green blue name` or `value name`, it has `{line.strip()[:80]}`")
        if words:
            rows.append((" ".join(words[numbers:]), _value(words[:numbers], called)))
    return rows


def _value(cells: Sequence[str], called: str) -> Value:
    try:
        numbers = [int(cell) for cell in cells]
    except ValueError:
        numbers = [-1]
    if not all(0 <= number <= 255 for number in numbers):
        raise BadInput(
            f"{called} gives a class the value `{' '.join(cells)[:80]}`; values are whole numbers from 0 to 255"
        )
    return numbers[0] if len(numbers) == 1 else tuple(numbers)
