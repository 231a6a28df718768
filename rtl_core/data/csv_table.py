"""A CSV file as a frame, with sentences on everything that was not as it should be."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rtl_core.data.csv_form import BLANKS, DELIMITERS, CsvForm, legacy_encoding, rows_by_line, sniffed_form
from rtl_core.data.limits import check_table
from rtl_core.data.number_text import share_of_numbers, written_numbers
from rtl_core.data.text_columns import (
    MISSING_TEXTS,
    NO_WORDS,
    NUMBER_GAPS,
    SHOWN,
    as_numbers,
    classified_words,
    decimal_mark,
    different_texts,
    leading_zeros,
    looks_like,
    missing_values,
    several,
    text_names,
)
from rtl_core.errors import BadInput

_BLOCK = 2**16  # bytes at a time: what stays in the processor's cache is looked through fastest
_SAMPLE_CELLS = 20_000
_CARRIED = 64  # bytes of a block that are looked at with the next one: a number may be cut
_KEY = r"0\d+|-?\d{16,}"  # a whole number that has to stay as it is written
_INEXACT = 2.0**53  # from here on, not every whole number is a floating-point number
_SURPLUS = "\x00surplus"  # names of columns that the header does not have

Read = tuple[pd.DataFrame, list[str]]  # a frame, and sentences on what was done to it


@dataclass(frozen=True)
class Scan:
    """What one pass over a file's bytes tells: its lines, and whether some number begins with a zero."""

    lines: int
    padded: bool


def csv_table(path: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """(the frame of a CSV file, sentences on how it was read). Raises BadInput and pandas' errors of parsing."""
    try:
        return _table(path, sniffed_form(path))
    except UnicodeDecodeError:  # its beginning is UTF-8
        return _table(path, sniffed_form(path, legacy_encoding(path)))


def _table(path: Path, form: CsvForm) -> tuple[pd.DataFrame, tuple[str, ...]]:
    scan = scanned(path, form)
    check_table(scan.lines + 1, form.width, path.stat().st_size, path.name)
    try:
        file = _File(path, form)
        frame = file.read(**_missing_values(file.sample, file.raw))
    except pd.errors.ParserError as error:
        raise _wrong_length(path, form) or error from None
    if not isinstance(frame.index, pd.RangeIndex):  # the first row is longer than the header
        raise _wrong_length(path, form) or BadInput(f"{path.name} has rows longer than its header")
    _check_header_once(frame, file)
    notes = list(form.notes)
    for step in (_without_surplus, _with_words, _with_zeros, _with_long_numbers, _without_gaps, _with_numbers):
        frame, more = step(frame, file, scan)
        notes += more
    return frame, (*notes, *_lengths(frame, file, scan), *_header(frame, file))


class _File:
    """A file with its form: reads all of it, or some of its columns as they are written.

    sample   column -> its first cells, as they are written
    raw      columns of words with gaps, in which None, NA and the like are to be looked at
    """

    def __init__(self, path: Path, form: CsvForm):
        self.path, self.form = path, form
        names = list(form.header)
        different = {name.strip() for name in names} - {""}
        if len(different) < max(1, len(names)):  # pandas makes up names, or tells them apart
            beginning = io.StringIO(form.text, newline="")
            names = list(pd.read_csv(beginning, sep=form.delimiter, skipinitialspace=True, nrows=0).columns)
        names += [f"{_SURPLUS}{i}" for i in range(form.width - len(names))]
        self.names = {"header": 0, "names": names} if form.width > len(form.header) else {"header": 0}
        rows = form.sample[: max(10, _SAMPLE_CELLS // len(names))]
        self.sample = dict(zip(names, zip_longest(*rows, fillvalue=""), strict=False))
        self.raw = [name for name, cells in self.sample.items() if _words_with_gaps(cells)]

    def read(self, **options: Any) -> pd.DataFrame:
        return pd.read_csv(
            self.path,
            sep=self.form.delimiter,
            encoding=self.form.encoding,
            skiprows=self.form.skipped,
            skipinitialspace=True,
            low_memory=False,
            compression=None,  # not what the ending says: nothing unpacks here
            **self.names,
            **options,
        )

    def texts(self, columns: Sequence[str]) -> pd.DataFrame:
        """Some columns with every cell as it is written."""
        if not columns:
            return pd.DataFrame()
        return self.read(usecols=list(columns), dtype=str, keep_default_na=False)[list(columns)]


def scanned(path: Path, form: CsvForm) -> Scan:
    """One pass over the bytes; of files in UTF-16 and UTF-32 it does not look at numbers and takes `padded` as true."""
    feeds = returns = 0
    padded, last = not _one_byte(form), b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            feeds += block.count(b"\n")
            returns += block.count(b"\r") if b"\r" in block else 0
            padded = padded or _has_padded_number(last + block, form.delimiter)
            last = block[-_CARRIED:]
    padded = padded or _has_padded_number(last + b"\n", form.delimiter)
    return Scan(max(feeds, returns) + (last[-1:] not in b"\r\n"), padded)


def _one_byte(form: CsvForm) -> bool:
    return not form.encoding.startswith(("utf-16", "utf-32"))


def _has_padded_number(block: bytes, delimiter: str) -> bool:
    """Whether digits with a zero in front fill a cell somewhere, or a word of one."""
    letters = np.frombuffer(block, np.uint8)
    before, zero, after = letters[:-2], letters[1:-1], letters[2:]
    begins = zero == ord("0")
    begins &= after - ord("0") < 10
    begins &= before < ord("-") if delimiter in ",\t" else (before < ord("-")) | (before == ord(delimiter[0]))
    if not begins.any():
        return False
    place = np.flatnonzero(begins) + 2
    while len(place):  # to the end of each number
        place = place[place < len(letters)]
        digit = letters[place] - ord("0") < 10
        ended = letters[place[~digit]]
        if np.isin(ended, [*b' \t\r\n"', ord(delimiter[0])]).any():
            return True
        place = place[digit] + 1
    return False


def _words_with_gaps(cells: Iterable[str]) -> bool:
    """Whether some texts may mean a missing value, and others are no numbers."""
    texts = set(cells)
    return not texts.isdisjoint(MISSING_TEXTS) and not all(map(_is_number, texts - MISSING_TEXTS))


def _missing_values(names: Iterable[str], raw: Sequence[str]) -> dict[str, Any]:
    """pandas' options by which the columns `raw` keep None, NA and the like as texts."""
    if not raw:
        return {"na_values": ["?"]}
    missing = {name: list(NO_WORDS if name in raw else MISSING_TEXTS) for name in names}
    return {"keep_default_na": False, "na_values": missing}


def _without_surplus(frame: pd.DataFrame, file: _File, scan: Scan) -> Read:
    """Without the columns that rows have behind the last name of the header; BadInput where something stands there."""
    surplus = [name for name in frame.columns if str(name).startswith(_SURPLUS)]
    if not surplus:
        return frame, []
    if not frame[surplus].replace("", np.nan).isna().all(axis=None):
        raise _wrong_length(file.path, file.form) or BadInput(f"{file.path.name} has rows longer than its header")
    note = "the rows end with a delimiter more than the header does; nothing stands behind it"
    return frame.drop(columns=surplus), [note]


def _wrong_length(path: Path, form: CsvForm) -> BadInput | None:
    """The sentence on the first row with a value behind the last name of the header; None where there is none."""
    width = len(form.header)
    trailing = form.width > width  # every row ends with a delimiter, which alone is no value
    for line, row in rows_by_line(path, form):
        if any(row[width:]) or (len(row) > width and not trailing):
            return BadInput(
                f"line {line:,} of {path.name} has {len(row)} values and the header {width} names "
                f"({', '.join(form.header[:SHOWN])}); give each column a name, and put values with "
                f"{'blanks' if form.delimiter == BLANKS else repr(form.delimiter)} in them into double quotes"
                + ("; if lines stand above the header, take them out" if width < 2 else "")
            )
    return None


def _with_words(frame: pd.DataFrame, file: _File, scan: Scan) -> Read:
    """Missing values and words apart in the columns of texts; how many values are missing is said of every column."""
    late = [name for name in text_names(frame) if name not in file.raw and frame[name].hasnans]
    raw = {name: frame[name].astype("str") for name in file.raw if name in frame}
    raw |= {name: column.mask(column.isin(NO_WORDS)) for name, column in file.texts(late).items()}
    words_of = {name: classified_words(column) for name, column in raw.items()}
    frame = frame.assign(**{name: words.column for name, words in words_of.items() if words.missing or name in late})
    kept = [
        f"column '{name}': '{text}' in {count:,} rows is kept as a word, not taken as missing"
        for name, words in words_of.items()
        for text, count in words.kept.items()
    ]
    return frame, kept + missing_values(frame, {name: words.missing for name, words in words_of.items()})


def _with_zeros(frame: pd.DataFrame, file: _File, scan: Scan) -> Read:
    """Whole numbers with a zero in front are no numbers: postal codes, keys. Their columns stay texts."""
    numbers = [name for name, dtype in frame.dtypes.items() if dtype.kind in "iuf"]
    if not scan.padded or not numbers:
        return frame, []
    raw = file.texts(numbers)
    rows = {name: leading_zeros(column) for name, column in raw.items()}
    padded = [name for name, count in rows.items() if count]
    columns = {name: _known(raw[name]) for name in padded}
    notes = [f"'{name}' ({rows[name]:,} rows)" for name in padded]
    return frame.assign(**columns), several("kept as text, because numbers begin with a zero: ", notes)


def _with_long_numbers(frame: pd.DataFrame, file: _File, scan: Scan) -> Read:
    """Keys of 16 digits and more stay texts in columns with gaps, where pandas would round them into one another."""
    floats = [name for name, dtype in frame.dtypes.items() if dtype.kind == "f"]
    raw = file.texts([name for name in floats if (frame[name].abs() >= _INEXACT).any()])
    columns = {name: _known(column) for name, column in raw.items()}
    keys = {name: column for name, column in columns.items() if column.dropna().str.fullmatch(r"-?\d+").all()}
    return frame.assign(**keys), several("kept as text, because the numbers have too many digits: ", _quoted(keys))


def _without_gaps(frame: pd.DataFrame, file: _File, scan: Scan) -> Read:
    """Dashes, points and Excel's errors are missing values where all else in a column is a number."""
    columns, notes = {}, []
    for name in _likely(frame):
        texts = different_texts(frame[name])
        gaps = set(texts) & NUMBER_GAPS
        if gaps and written_numbers(texts[~texts.isin(gaps)]) is not None:
            stripped = frame[name].str.strip()
            columns[name] = frame[name].mask(stripped.isin(gaps))
            counts = stripped[stripped.isin(gaps)].value_counts()
            listed = ", ".join(f"'{gap}' {count:,}" for gap, count in counts.items())
            notes.append(f"'{name}' ({listed})")
    return frame.assign(**columns), several("taken as missing among numbers: ", notes)


def _with_numbers(frame: pd.DataFrame, file: _File, scan: Scan) -> Read:
    """Columns of texts that all are numbers as people write them become numbers; columns of nearly such are named."""
    written = {name: written_numbers(different_texts(frame[name])) for name in _likely(frame)}
    if not written and file.form.delimiter != ";":
        return frame, []
    certain = [numbers.certain for numbers in written.values() if numbers]
    if "." not in certain and ("," in certain or file.form.delimiter == ";"):
        # Then 1.234, which pandas takes for a fraction, may be a thousand: surely so beside 999, without decimals.
        raw = {name: _known(column) for name, column in file.texts(_fractions(frame)).items()}
        raw = {name: column for name, column in raw.items() if "," in certain or _some_have_no_point(column)}
        whole = {name: written_numbers(different_texts(column)) for name, column in raw.items()}
        whole = {name: numbers for name, numbers in whole.items() if numbers and "," in numbers.fits}
        frame, written = frame.assign(**{name: raw[name] for name in whole}), {**written, **whole}
    mark = decimal_mark(certain, bool(_fractions(frame)), file.form.delimiter)
    changed, notes = {}, []
    for name, numbers in written.items():
        if numbers:
            own = mark if mark in numbers.fits else numbers.fits[0]
            changed[name] = as_numbers(frame[name], numbers, own)
            notes.append(f"'{name}' ({_example(frame[name], changed[name])})")
    odd = [_odd(frame[name]) for name, numbers in written.items() if numbers is None]
    return frame.assign(**changed), [
        *several("texts read as numbers: ", notes),
        *several("most values are numbers, but it is read as text: ", odd),
    ]


def _quoted(names: Iterable[str]) -> list[str]:
    return [f"'{name}'" for name in names]


def _known(raw: pd.Series) -> pd.Series:
    """Texts without blanks around, those that mean a missing value as such."""
    texts = raw.str.strip()
    return texts.mask(texts.isin(MISSING_TEXTS))


def _likely(frame: pd.DataFrame) -> list[str]:
    """Columns of texts that look like numbers; one with leading zeros, or with numbers of too many digits, is none."""
    texts = [name for name in text_names(frame) if looks_like(frame[name])]
    return [name for name in texts if not frame[name].astype("str").str.fullmatch(rf"\s*(?:{_KEY})\s*").any()]


def _fractions(frame: pd.DataFrame) -> list[str]:
    """Columns that pandas read as fractions."""
    floats = [name for name, dtype in frame.dtypes.items() if dtype.kind == "f"]
    return [name for name in floats if (frame[name] % 1 > 0).any()]


def _some_have_no_point(column: pd.Series) -> bool:
    known = column.dropna()
    return len(known) > 0 and bool((~known.str.contains(".", regex=False)).any())


def _example(texts: pd.Series, values: pd.Series) -> str:
    longest = texts.dropna().iloc[:1000].str.len().idxmax()
    return f"'{texts[longest]}' as {values[longest]:.12g}"


def _odd(column: pd.Series) -> str:
    _, others = share_of_numbers(different_texts(column))
    why = "for values such as " + ", ".join(f"'{text}'" for text in others) if others else "written in several ways"
    return f"'{column.name}' ({why})"


def _lengths(frame: pd.DataFrame, file: _File, scan: Scan) -> list[str]:
    """Sentences on rows shorter than the header, and on line breaks inside values, where rows may have been lost."""
    notes = []
    form, width = file.form, len(file.form.header)
    if len(frame.columns) == width and frame.iloc[:, -1].hasnans and not _surely_full(file, len(frame)):
        short = [line for line, row in rows_by_line(file.path, form) if len(row) < width]
        if short:
            rows = "1 row is" if len(short) == 1 else f"{len(short):,} rows are"
            notes.append(f"{rows} shorter than the header (line {short[0]:,} first); what is not there is missing")
    breaks = scan.lines - form.skipped - 1 - len(frame)
    if breaks > 0 and _one_byte(form):
        with file.path.open("rb") as lines:
            breaks -= sum(line.count(b"\r\r") + (not line.strip()) for line in lines)
    if breaks > 0 and _one_byte(form):
        notes.append(f"{breaks:,} line breaks stand inside values; if none should, a quotation mark is not closed")
    return notes


def _surely_full(file: _File, rows: int) -> bool:
    """Whether the delimiters of the file are as many as full rows have; with quotes among them that says nothing."""
    form = file.form
    if form.delimiter == BLANKS or not _one_byte(form):
        return False
    delimiter, delimiters = form.delimiter.encode(), -form.skipped * (form.delimiter in DELIMITERS)
    with file.path.open("rb") as content:
        while block := content.read(_BLOCK):
            if b'"' in block:
                return False
            delimiters += block.count(delimiter)
    return delimiters == (rows + 1) * (len(form.header) - 1)


def _check_header_once(frame: pd.DataFrame, file: _File) -> None:
    """BadInput where the header stands again among the rows, as in files that were put one behind another."""
    header = [name.strip() for name in file.form.header]
    if len(header) < 2 or not header[0] or frame.columns[0] not in text_names(frame):
        return
    again = (frame.iloc[:, 0].str.strip() == header[0]).to_numpy(copy=True)
    for name, column in zip(header[1:], frame.columns[1:], strict=False):
        if not again.any():
            return
        again[again] = (frame[column][again].astype("str").str.strip() == name).to_numpy()
    if again.any():
        rows = "1 row repeats" if again.sum() == 1 else f"{int(again.sum()):,} rows repeat"
        raise BadInput(
            f"{rows} the header of {file.path.name} (row {int(again.argmax()) + 1:,} first), as if files had been put "
            "one behind another; take these lines out"
        )


def _header(frame: pd.DataFrame, file: _File) -> list[str]:
    """Sentences on a header that looks like a row of data, and on names that are there twice."""
    twice = [f"'{name}'" for name, count in Counter(file.form.header).items() if count > 1]
    notes = several("names that stand in the header twice, and are told apart by numbers: ", twice)
    numbers = [name for name in frame.columns if _is_number(_stem(name) or name)]
    values = [float(_stem(name) or name) for name in numbers]
    rising = len(values) > 2 and all(first < second for first, second in pairwise(values))
    words = [name for name in frame.columns if file.sample.get(name, ()).count(_stem(name) or name) > 1]
    if words or (numbers and not rising):
        shown = ", ".join(f"'{name}'" for name in [*words, *numbers][:SHOWN])
        notes.append(
            f"the first line is taken as the header, but looks like a row of data ({shown}); if the file has no "
            "header, put a line of names in front"
        )
    return notes


def _stem(name: str) -> str | None:
    """`a` of `a.1`, as pandas calls the second column of that name."""
    stem, dot, number = str(name).rpartition(".")
    return stem if dot and stem and number.isdigit() else None


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False
