"""What a spreadsheet would compute is written so that it does not, and all else as it is."""

import csv
import io

import pandas as pd
import pytest

from rtl_core.spreadsheet_csv import csv_text


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=HYPERLINK("http://x")'])
def test_no_text_begins_a_formula(text):
    written = csv_text(pd.DataFrame({text: [text, "plain"]}))
    assert [row[0] for row in csv.reader(io.StringIO(written, newline=""))] == [f"'{text}", f"'{text}", "plain"]


def test_numbers_and_plain_texts_stay():
    frame = pd.DataFrame({"a": [-0.5, 2.0], "b": ["x-1", "a=b"], "c": [None, "é"], "d": [True, False]})
    assert csv_text(frame) == frame.to_csv(index=False, lineterminator="\r\n")
