"""How much memory a refusal takes, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOAD = "from rtl_core.config import DataSettings; from rtl_core.data.sources import load"
FEW = 300 * 2**20  # bytes above what the same process takes to read something small
_MOST = 8 * 2**30  # of address space: what should be refused, and is not, must not take the machine
# VmHWM and not getrusage: what that says of a new program begins with the memory of the one that started it, and a
# test in a large process could not fail.
_CODE = """
import json, resource, sys
from pathlib import Path
limit = int(sys.argv[1])
{setup}
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
def most():
    own = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return 1024 * max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
def answer(path):
    try:
        {read}
        return "read"
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
first = answer(Path(sys.argv[2]))
before = most()
last = answer(Path(sys.argv[3]))
print(json.dumps({{"first": first, "last": last, "bytes": most() - before}}))
"""


@dataclass(frozen=True)
class Answer:
    """first: what became of the small file ("read" where it was); last: of the other one; bytes: the memory that this
    took above the first."""

    first: str
    last: str
    bytes: int


def measured(setup: str, read: str, small: Path, large: Path) -> Answer:
    """Runs `setup` (imports), then `read` (a statement that reads the file `path`) on a small file and on another."""
    code = _CODE.format(setup=setup, read=read)
    command = [sys.executable, "-c", code, str(_MOST), str(small), str(large)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    return Answer(**json.loads(done.stdout.splitlines()[-1]))


def refused(answer: Answer, words: str) -> None:
    """Asserts one sentence of BadInput with these words, and that it took little memory."""
    assert answer.first == "read"
    assert answer.last.startswith("BadInput: ") and words in answer.last and "\n" not in answer.last, answer.last
    assert answer.bytes < FEW, f"{answer.bytes / 2**20:,.0f} MB were taken to say: {answer.last}"


def load_of(kind: str, settings: str = "") -> str:
    """A statement for `measured` that loads the file as data of a kind."""
    return f"load(DataSettings(spec=f'{kind}:{{path}}', {settings}), 0)"
