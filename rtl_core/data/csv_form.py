"""How a CSV file is written, told by its beginning: encoding, delimiter, header, and the lengths of its rows."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rtl_core.errors import BadInput

HEAD = 1_000_000  # characters of a file in which its header and first row should end
SAMPLE = 2**16  # characters by which the delimiter and the kinds of columns are told
BLANKS = r"\s+"  # the delimiter of columns with blanks between them, as pandas calls it
DELIMITERS = ("\t", ";", "|", ",")  # the first of them where two fit equally well
_NAMES = {"\t": "tabs", ";": "semicolons", "|": "vertical bars", ",": "commas", BLANKS: "blanks"}
_SAMPLE_ROWS = 200
_SEP_LINE = re.compile(r'"?sep=(.)"?[ \t]*\r?\n', re.IGNORECASE)  # what Excel writes in front of a header
_MARKS = {  # byte order marks, the longer ones first
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_HIGH_RUNS = re.compile(rb"[\x80-\xff]+")
_KOREAN_PAIR = re.compile(rb"[\xb0-\xc8][\xa1-\xfe]")  # a syllable of KS X 1001, in which nearly all Korean is written
_SYMBOL_IN_WORD = re.compile(r"[^\W\d_][¡-©«-¬®-³¶¸¹»-¿×÷†‡‰•™‹›„‚][^\W\d_]|[¢-¦¨¬¯±-³¶¸¹¼-¾×÷][^\W\d_]")
_LEGACY_BYTES = 2**24  # of a file that is not UTF-8, by which its encoding is told


@dataclass(frozen=True)
class CsvForm:
    """encoding    as Python calls it
    delimiter   one character, or `BLANKS`
    skipped     lines before the header
    header      the names as they are written
    sample      the first whole rows below the header, as texts
    text        the beginning of the file that holds header and sample
    notes       sentences on what is not the usual form
    """

    encoding: str
    delimiter: str
    skipped: int
    header: tuple[str, ...]
    sample: tuple[tuple[str, ...], ...]
    text: str
    notes: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns that the header and the first row make."""
        return max(len(self.header), *(len(row) for row in self.sample[:1]), 0)


def sniffed_form(path: Path, encoding: str | None = None) -> CsvForm:
    """The form of a CSV file; `encoding` where it is known. BadInput where the first row does not end."""
    encoding = encoding or _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        head, cut = file.read(HEAD), bool(file.read(1))
    marked = _SEP_LINE.match(head)
    text = head[marked.end() :] if marked else head
    rows_of = _first_rows(text, cut)
    delimiter = marked[1] if marked else _delimiter(rows_of)
    header, *sample = rows_of(delimiter) or [()]
    if cut and not sample:
        raise BadInput(f"{path.name} does not end its header and first row within {HEAD:,} characters; is it a table?")
    notes = () if encoding.startswith("utf-8") else (f"the file is read as {encoding}; it is not UTF-8",)
    if delimiter not in ",;\t":
        notes += (f"the columns are divided by {_NAMES.get(delimiter, repr(delimiter))}",)
    return CsvForm(encoding, delimiter, int(bool(marked)), tuple(header), tuple(map(tuple, sample)), text, notes)


def legacy_encoding(path: Path) -> str:
    """The encoding of a file that is not UTF-8: cp1252 or cp949 (Korean). BadInput where it cannot be told."""
    with path.open("rb") as file:
        content = file.read(_LEGACY_BYTES)
    runs = _HIGH_RUNS.findall(content)
    if sum(map(_is_utf8, runs)) > len(runs) / 2:
        raise BadInput(f"{path.name} is not UTF-8 text, though most of it is: a place is damaged; save it in UTF-8")
    if is_korean(content):
        return "cp949"
    single = sum(len(run) == 1 for run in runs)
    western = content.decode("cp1252", "replace")
    if single > 0.6 * len(runs) and "\ufffd" not in western and not _SYMBOL_IN_WORD.search(western):
        return "cp1252"
    raise BadInput(f"{path.name} is not UTF-8 text, nor surely cp1252 or cp949; save it as CSV in UTF-8")


def is_korean(content: bytes) -> bool:
    """Whether bytes that are not UTF-8 are Korean in cp949 and leave little doubt."""
    runs = _HIGH_RUNS.findall(content)
    pairs = sum(2 * len(_KOREAN_PAIR.findall(run)) for run in runs)
    return pairs > 0.9 * sum(map(len, runs)) and _decodes(content, "cp949")


def rows_by_line(path: Path, form: CsvForm) -> Iterator[tuple[int, list[str]]]:
    """(line, values) of every row below the header, blank lines passed over; slow, row by row."""
    with path.open(encoding=form.encoding, newline="") as file:
        for _ in range(form.skipped):
            file.readline()
        rows = _reader(file, form.delimiter)
        filled = ((rows.line_num + form.skipped, row) for row in rows if row)
        yield from itertools.islice(filled, 1, None)


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    zeros = [head[start::2].count(0) for start in (0, 1)]
    if max(zeros) > len(head) / 8:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return legacy_encoding(path)
    return "utf-8"


def _first_rows(text: str, cut: bool):
    """delimiter -> the first rows with something in them, the header among them; those of `SAMPLE` that surely end."""
    sample = text[:SAMPLE]
    whole = not cut and len(text) <= SAMPLE

    def rows_of(delimiter: str) -> list[list[str]]:
        for beginning, ends in ((sample, whole), (text, not cut)):
            rows = _rows(beginning, delimiter)
            rows = rows if ends else rows[:-1]
            if len(rows) > 1 or (ends and len(beginning) == len(text)):
                break
        return rows

    return rows_of


def _rows(text: str, delimiter: str) -> list[list[str]]:
    filled = (row for row in _reader(io.StringIO(text, newline=""), delimiter) if row)
    try:
        return list(itertools.islice(filled, _SAMPLE_ROWS))
    except csv.Error:  # a very long text
        first, _, rest = text.partition("\n")
        return [line.split(delimiter) for line in (first, rest.partition("\n")[0], "")]


def _reader(lines, delimiter: str):
    if delimiter == BLANKS:
        stripped = (" ".join(line.split()) + "\n" for line in lines)
        return csv.reader(stripped, delimiter=" ")
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True)


def _delimiter(rows_of) -> str:
    """The one that divides the header and, most evenly, the rows below it."""
    scores = {delimiter: _evenness(rows_of(delimiter)) for delimiter in DELIMITERS}
    best = max(scores, key=scores.get)
    if scores[best][0]:
        return best
    return BLANKS if _evenness(rows_of(BLANKS)) >= (True, 1.0) else ","


def _evenness(rows: list[list[str]]) -> tuple[bool, float, int]:
    """(whether the header has several names, share of rows of the commonest length above one, names of the header)."""
    header, *rest = rows or [[]]
    lengths = Counter(len(row) for row in rest)
    most = max((count for length, count in lengths.items() if length > 1), default=0)
    return len(header) > 1, most / len(rest) if rest else 1.0, len(header)


def _is_utf8(run: bytes) -> bool:
    try:
        run.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _decodes(content: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(content)
    except UnicodeDecodeError:
        return False
    return True
