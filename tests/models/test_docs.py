import contextlib
import io
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_table_of_costs_is_what_its_command_prints():
    text = PAGE.read_text("utf-8")
    command = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "forward_cost" in block)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(command, {})
    header = "| network | input | prunable weights | parameters | MFLOPs |\n|---|---|---:|---:|---:|\n"
    assert header + printed.getvalue() + "\n" in text
