"""`make lock`: writes `requirements.lock`, every package of `requirements.txt` pinned with the hashes of its files.

Torch and what its builds bring along stand outside: a build for the processor and one for CUDA have other files and
other companions, and the step that installs torch takes care of both.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.lock"
_OUTSIDE = re.compile(r"(torch|triton|setuptools|nvidia-.*|cuda-.*)")
_OPTIONS = ("--quiet", "--generate-hashes", "--upgrade", "--no-header", "--no-annotate", "--python-version", "3.11")
_HEAD = """\
# Made by `make lock` from requirements.txt; not to be edited. After torch, which stands outside:
#   pip install --require-hashes --no-deps -r requirements.lock
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.lock"
        command = [sys.executable, "-m", "uv", "pip", "compile", *_OPTIONS, "--output-file", str(whole)]
        subprocess.run([*command, str(ROOT / "requirements.txt")], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        LOCK.write_text(_HEAD + "".join(kept(whole.read_text("utf-8"))), "utf-8")


def kept(text: str) -> list[str]:
    """The blocks of a lock, `name==version` and its hashes, without comments and without what stands outside."""
    blocks = re.findall(r"^[a-zA-Z0-9][^\n]*\\\n(?:    --hash=[^\n]*\n)+", text, re.MULTILINE)
    return [block for block in blocks if not _OUTSIDE.fullmatch(block.partition("==")[0])]


if __name__ == "__main__":
    main()
