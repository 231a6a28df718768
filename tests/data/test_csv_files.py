"""CSV files as people have them: what is written is what is read, or one sentence says why not."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from rtl_core.data.tables import read_table
from rtl_core.errors import BadInput


@pytest.fixture
def written(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return read_table(path)

    return write


def notes(frame: pd.DataFrame) -> str:
    return "; ".join(frame.attrs["notes"])


# Lengths of rows


def test_a_delimiter_more_at_the_end_of_every_row_is_said_and_shifts_nothing(written):
    frame = written("age,hours,income,sex\n" + "70,58,>50K,Female,\n57,25,<=50K,Male,\n" * 20)
    assert frame["income"].value_counts().to_dict() == {">50K": 20, "<=50K": 20}
    assert frame["age"].tolist() == [70, 57] * 20 and list(frame.columns) == ["age", "hours", "income", "sex"]
    assert "a delimiter more" in notes(frame)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a,b\n1,2,x\n3,4,y\n", "line 2 .* has 3 values and the header 2 names"),
        ("a,b\n" + "1,2\n" * 500 + "3,4,5\n", "line 502 .* has 3 values"),
        ("age,wage\n70,35,38\n57,22,32\n", "line 2 .* has 3 values"),  # decimal commas between commas
        ("a;b\n1;2\n1;2;3\n", "line 3 .* has 3 values and the header 2 names"),
        ("a,b\n1,2,\n1,2,\n1,2,7\n", "line 4 .* has 3 values"),
        ('a,b\n"x\ny",2\n3,4,5\n', "line 4 .* has 3 values"),
        ("Report of May\n\na,b,c\n1,2,3\n", "line 3 .* has 3 values and the header 1 names"),
        ("x y\n1 2 3\n4 5 6\n", "line 2 .* has 3 values"),
    ],
)
def test_a_row_longer_than_the_header_is_refused_with_its_line(written, content, line):
    with pytest.raises(BadInput, match=line):
        written(content)


@pytest.mark.parametrize("quoted", ["", '"q"'])
def test_shorter_rows_are_counted(written, quoted):
    frame = written(f"a,b,c\n1,2,{quoted or 'q'}\n3,4\n5,,r\n6\n")
    assert frame["c"].isna().tolist() == [False, True, False, True]
    assert "2 rows are shorter than the header (line 3 first)" in notes(frame)
    full = written(f"a,b,c\n1,2,{quoted or 'q'}\n3,4,\n5,,r\n")
    assert "shorter" not in notes(full)


def test_line_breaks_inside_values_are_counted(written):
    assert "2 line breaks stand inside values" in notes(written('a,b\n"x\ny\nz",1\nw,2\n'))
    assert notes(written("a,b\n\nx,1\n\n\nw,2\n\n")) == ""


# Delimiters, encodings


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949", "utf-32"])
def test_delimiters_and_encodings(written, delimiter, encoding):
    rows = [("이름", "나이", "도시"), ("김철수", "31", "서울"), ("이영희", "28", "부산"), ("박민수", "45", "대구")]
    frame = written("\n".join(delimiter.join(row) for row in rows) + "\n", encoding)
    assert list(frame.columns) == list(rows[0])
    assert frame["나이"].tolist() == [31, 28, 45] and frame["도시"].tolist() == ["서울", "부산", "대구"]
    named = "utf-16" if encoding == "utf-16" else encoding
    assert (f"read as {named}" in notes(frame)) == (not encoding.startswith("utf-8"))


@pytest.mark.parametrize("words", [("Müller", "Straße"), ("café", "crème brûlée"), ("niño", "El Niño – “sí”")])
def test_western_europe_in_one_byte_a_letter(written, words):
    frame = written("who,what\n" + f"{words[0]},{words[1]}\n" * 5, "cp1252")
    assert set(frame["who"]) == {words[0]} and set(frame["what"]) == {words[1]}
    assert "read as cp1252" in notes(frame)


def test_letters_beyond_the_first_block_are_read_too(written):
    frame = written("who,n\n" + "Anna,1\n" * 20_000 + "Jürgen,2\n", "latin-1")
    assert frame["who"].iloc[-1] == "Jürgen" and len(frame) == 20_001


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Москва,Россия\n", "cp1251"),
        ("東京都,日本\n", "shift_jis"),
        ("Wrocław,Poznań\n", "cp1250"),
        ("Łódź,x\n", "cp1250"),
        ("أحمد,مصر\n", "cp1256"),
    ],
)
def test_other_encodings_are_refused_by_name_of_the_file(written, text, encoding):
    with pytest.raises(BadInput, match="not UTF-8"):
        written("a,b\n" + text * 3, encoding)


def test_utf8_with_a_damaged_place_is_not_taken_for_another_encoding(written):
    with pytest.raises(BadInput, match="a place is damaged"):
        written(b"who,n\n" + "Jürgen,1\nRené,2\n".encode() * 5 + b"Ren\xe9,3\n")


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_line_that_names_the_delimiter_is_honoured(written, first, mark):
    frame = written(f"{mark}{first}\r\na;b,c\r\n1;2\r\n3;4\r\n")
    assert frame.to_dict("list") == {"a": [1, 3], "b,c": [2, 4]} and notes(frame) == ""


def test_quoted_values_hold_any_delimiter(written):
    frame = written('name;note\n"Smith; J";"a, b, c"\n"Lee; K";"d, e, f"\n')
    assert frame["name"].tolist() == ["Smith; J", "Lee; K"] and frame["note"].tolist() == ["a, b, c", "d, e, f"]


_NAMES = some.text("abcdefgäöüßéñ", min_size=1, max_size=6)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=some.lists(_NAMES, min_size=2, max_size=12),
    numbers=some.lists(some.integers(-40_000, 40_000).map(lambda n: n / 4), min_size=12, max_size=12),
    delimiter=some.sampled_from([",", ";", "\t", "|"]),
    encoding=some.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    mark=some.sampled_from([".", ","]),
    end=some.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_what_is_read(tmp_path, words, numbers, delimiter, encoding, mark, end):
    """Random delimiters, encodings, decimal marks and ends of lines; every number has two decimals."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    writer.writerow(["word", "number", "row"])
    for row, (word, number) in enumerate(zip(words, numbers, strict=False)):
        writer.writerow([word, f"{number:.2f}".replace(".", mark), row])
    path = tmp_path / "any.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    frame = read_table(path)
    assert frame["word"].tolist() == words
    assert frame["number"].tolist() == numbers[: len(words)]
    assert frame["row"].tolist() == list(range(len(words)))


# Missing values and words


def test_a_frequent_none_is_a_word(written):
    frame = written("sleep,disorder\n" + "1,None\n" * 24 + "2,Insomnia\n" * 8 + "3,Sleep Apnea\n" * 8)
    assert frame["disorder"].value_counts().to_dict() == {"None": 24, "Insomnia": 8, "Sleep Apnea": 8}
    assert "'None' in 24 rows is kept as a word" in notes(frame)


@pytest.mark.parametrize("word", ["NA", "null", "NaN", "N/A"])
def test_such_words_are_kept_where_frequent_and_missing_where_rare(written, word):
    often = written("x,alley\n" + f"1,{word}\n" * 90 + "1,Gravel\n" * 6 + "1,Paved\n" * 4)
    assert often["alley"].value_counts().to_dict() == {word: 90, "Gravel": 6, "Paved": 4}
    rare = written("x,alley\n" + f"1,{word}\n" * 2 + "1,Gravel\n" * 60 + "1,Paved\n" * 40)
    assert rare["alley"].isna().sum() == 2 and f"'alley' 2 ('{word}' 2)" in notes(rare)


def test_among_numbers_and_dates_such_words_are_missing(written):
    frame = written("x,wage,day\n" + '1,"1,5",2024-01-05\n' * 10 + "2,NA,None\n" * 10)
    assert frame["wage"].isna().sum() == 10 and frame["wage"].dropna().eq(1.5).all()
    assert frame["day"].isna().sum() == 10


def test_a_word_that_only_comes_late_is_told_too(written):
    frame = written("x,kind\n" + "1,cat\n" * 20_000 + "1,None\n" * 5_000 + "1,\n" * 3)
    assert frame["kind"].value_counts(dropna=False).to_dict() == {"cat": 20_000, "None": 5_000, np.nan: 3}
    assert "'None' in 5,000 rows is kept" in notes(frame) and "'kind' 3" in notes(frame)


def test_missing_numbers_are_counted(written):
    frame = written("a,b\n1,x\n,y\n?,z\nNA,w\n")
    assert frame["a"].isna().tolist() == [False, True, True, True]
    assert notes(frame) == "missing values: 'a' 3"


# Numbers


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["35,38", "22,32", "7"], [35.38, 22.32, 7]),
        (["1.234,50", "12,5", "1.000.000"], [1234.5, 12.5, 1e6]),
        (["$1,234.50", "$7", "$ 12.25"], [1234.5, 7, 12.25]),
        (["12 %", "7.5%", "100%"], [12, 7.5, 100]),
        (["1 234,5", "2\u202f000", "3\u00a0000,25"], [1234.5, 2000, 3000.25]),
        (["1'234.50", "99", "2'000'000"], [1234.5, 99, 2e6]),
        (["€ 5,50", "€ 7", "€ 1.200,00"], [5.5, 7, 1200]),
        (["5 EUR", "1,5 EUR", "-2 EUR"], [5, 1.5, -2]),
        (["(5)", "3.5", "(1,200)"], [-5, 3.5, -1200]),
        (["−5,5", "+3", "0,25"], [-5.5, 3, 0.25]),
        (["1,234,567", "1,000", "5"], [1234567, 1000, 5]),
        (["1,5e-3", "2", "3,25E2"], [0.0015, 2, 325]),
    ],
)
def test_numbers_as_people_write_them(written, texts, values):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["number", "kind"], *([one, "x"] for one in texts)])
    frame = written(text.getvalue())
    assert frame["number"].tolist() == pytest.approx(values)
    assert "texts read as numbers: 'number'" in notes(frame)


@pytest.mark.parametrize(
    "texts", [["5%", "0.05"], ["$5", "€5"], ["12.05.2024", "1.6.2024"], ["1-2", "3-4"], ["1.2.3", "4.5.6"]]
)
def test_what_is_no_number_stays_text(written, texts):
    frame = written("t,k\n" + "".join(f"{text},x\n" for text in texts * 3))
    assert frame["t"].tolist() == texts * 3


def test_a_column_of_nearly_numbers_is_named(written):
    frame = written("lohn;k\n" + "35,38;x\n22,1;y\n" * 9 + "k.A.;x\nunbekannt;y\n")
    assert frame["lohn"].iloc[0] == "35,38"
    assert "read as text: 'lohn' (for values such as 'k.A.', 'unbekannt')" in notes(frame)


def test_a_comma_before_three_digits_is_read_as_in_the_other_columns(written):
    german = written("a;b\n" + "1,234;0,5\n2,500;1,25\n" * 3)
    assert german["a"].tolist() == [1.234, 2.5] * 3
    english = written('a,b\n"1,234",0.5\n"2,500",1.25\n')
    assert english["a"].tolist() == [1234, 2500]
    alone = written("a;b\n1,234;x\n2,500;y\n")
    assert alone["a"].tolist() == [1.234, 2.5] and "'1,234' as 1.234" in notes(alone)


def test_a_point_before_three_digits_is_a_thousand_beside_decimal_commas(written):
    frame = written("people;share\n1.234;0,5\n12.345;0,25\n999;1,75\n")
    assert frame["people"].tolist() == [1234, 12345, 999] and frame["share"].tolist() == [0.5, 0.25, 1.75]
    points = written("people;share\n1.5;0,5\n12.345;0,25\n")
    assert points["people"].tolist() == [1.5, 12.345]


# Leading zeros


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_leading_zeros_stay(written, delimiter):
    rows = ["90210", "01234", "1234", "00501"]
    frame = written(f"zip{delimiter}x\n" + "".join(f"{code}{delimiter}0.05\n" for code in rows))
    assert frame["zip"].tolist() == rows and frame["x"].tolist() == [0.05] * 4
    assert "numbers begin with a zero: 'zip' (2 rows)" in notes(frame)


def test_a_leading_zero_far_down_counts(written):
    frame = written("zip,n\n" + "90210,10\n" * 30_000 + "01234,10\n" + "80001,10\n" * 30_000)
    assert frame["zip"].iloc[30_000] == "01234" and frame["n"].dtype == np.int64


@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_leading_zero_in_the_last_cell_counts(written, end):
    frame = written("n,key\n1,123\n2,045" + end)
    assert frame["key"].tolist() == ["123", "045"]


@pytest.mark.parametrize("cell", ["0", "0.05", "-0.7", "100", "10:05", "2024-01-05", "1e05"])
def test_other_zeros_leave_numbers_as_they_are(written, cell):
    frame = written(f"n,other\n10,{cell}\n200,{cell}\n")
    assert frame["n"].tolist() == [10, 200] and "begin with a zero" not in notes(frame)


# Headers


@pytest.mark.parametrize(
    "content",
    [
        "39,State-gov,0.5\n50,Private,0.25\n38,Private,0.1\n",
        "5.1,3.5,a\n4.9,3,b\n",
        "1,Male\n2,Male\n3,Female\n4,Male\n",
    ],
)
def test_a_header_that_looks_like_data_is_said(written, content):
    assert "looks like a row of data" in notes(written(content))


@pytest.mark.parametrize("header", ["age,sex", "2019,2020,2021", "0,1,2,y", "x1,x2", "id,1st"])
def test_usual_headers_are_not_suspected(written, header):
    width = header.count(",") + 1
    frame = written(header + "\n" + ",".join("5" * width) + "\n" + ",".join("7" * width) + "\n")
    assert notes(frame) == ""


def test_a_name_that_is_there_twice_is_said(written):
    frame = written("a,b,a\n1,2,3\n4,5,6\n")
    assert list(frame.columns) == ["a", "b", "a.1"] and "header twice" in notes(frame) and "'a'" in notes(frame)
