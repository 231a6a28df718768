"""A sample of damaged and hostile files for every reader; `python -m benchmarks.fuzz` takes thousands."""

import pytest

from benchmarks.fuzz import READERS, outcomes

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("reader", READERS)
def test_damaged_and_hostile_files_end_in_a_result_or_a_sentence(tmp_path, reader):
    ends, _ = outcomes(READERS[reader], 320 if reader == "torch" else 40, 7, tmp_path)
    assert ends.keys() <= {"read", "refused"} and sum(ends.values()) >= 40
    assert not (tmp_path / "executed").exists()
