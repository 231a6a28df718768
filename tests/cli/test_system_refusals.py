"""A full disk, files that may not grow, what cannot be read: one sentence, and nothing left behind."""

from __future__ import annotations

import errno
import os
import resource
import stat
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from rtl_core.errors import BadInput, system_sentence
from rtl_core.files import replacing
from rtl_core.runs.status import read_status
from tests.cli.test_cli import document, refused, tiny

pytestmark = pytest.mark.long


@contextmanager
def files_of_at_most(size: int):
    """As on a full disk, whatever is written beyond the size is refused by the system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("data") / "digits.npz"
    y = np.arange(90) % 3
    x = np.random.default_rng(0).integers(0, 80, (90, 8, 8)).astype(np.uint8) + (60 * y[:, None, None]).astype(np.uint8)
    np.savez(file, x=x, y=y)
    return file


@pytest.fixture(scope="module")
def words(digits):
    return ("train", "classes", "--data", f"npz:{digits}", *tiny("model.name=mlp"))


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture
def run(rtl, words, root) -> Path:
    """Trained once, then reused."""
    return Path(document(rtl(*words, "--runs", root, "--json"))["folder"])


def files_below(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("size", [10_000, 60_000])
def test_training_fails_in_a_sentence_and_goes_on_to_the_same_bits(rtl, words, run, tmp_path, size):
    with files_of_at_most(size):
        sentence = refused(rtl(*words, "--runs", tmp_path))
    assert "cannot be written: file too large; allow larger files" in sentence
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert read_status(folder).state == "failed" and "cannot be written" in read_status(folder).error
    assert not [path for path in files_below(folder) if path.suffix == ".tmp"]
    document(rtl("train", "--resume", folder.name, "--runs", tmp_path, "--json"))
    for name in ("tickets.safetensors", "methods.safetensors"):
        assert (folder / name).read_bytes() == (run / name).read_bytes()
    assert files_below(folder) == files_below(run)


def test_a_place_for_runs_that_is_a_file(rtl, words, tmp_path):
    (tmp_path / "runs").write_text("")
    assert "a folder is wanted, this is a file" in refused(rtl(*words, "--runs", tmp_path / "runs"))


@pytest.mark.parametrize(
    "verb",
    [
        ("export", "{run}", "--ticket", "0", "--out", "{out}"),
        ("export", "{run}", "--ticket", "0", "--format", "safetensors", "--out", "{out}"),
        ("report", "{run}", "--out", "{out}/report.html"),
        ("attribute", "{run}", "--ticket", "0", "--samples", "0", "--out", "{out}/maps.npz"),
        ("import", "{file}", "{file}", "--runs", "{out}"),
    ],
    ids=lambda verb: " ".join(verb[:1] + verb[4:5]),
)
def test_what_cannot_be_written_leaves_nothing(rtl, run, tmp_path, verb):
    file = tmp_path / "mask.npy"
    np.save(file, (np.random.default_rng(0).random((2, 4_000)) < 0.3).astype(np.uint8))
    out = tmp_path / "out"
    out.mkdir()
    known = {"run": run, "out": out, "file": file}
    with files_of_at_most(300):
        assert "cannot be written" in refused(rtl(*(word.format(**known) for word in verb)))
    assert files_below(out) <= {Path(".lock")}


@pytest.mark.parametrize("name", ["run.json", "config.json", "tickets.safetensors", "methods.safetensors"])
@pytest.mark.parametrize("verb", ["show", "evaluate", "similarity", "diff", "route"])
def test_a_file_of_a_run_that_cannot_be_read(rtl, run, tmp_path, verb, name):
    copy = tmp_path / run.name
    copy.mkdir()
    for path in run.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / name).unlink()
    (copy / name).mkdir()  # a folder can be read by nobody, not even by the system's owner
    arguments = (f"{copy}:0", f"{copy}:1") if verb == "diff" else (copy,)
    code, _, err = rtl(verb, *arguments, *(("--data", "bundled:digits") if verb == "evaluate" else ()))
    assert code in (0, 2) and "Traceback" not in err and err.count("\n") == (code == 2)


def test_tensors_and_json_have_the_same_rights(run):
    rights = {stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()}
    umask = os.umask(0)
    os.umask(umask)
    assert rights == {0o666 & ~umask}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EFBIG, errno.EIO])
def test_the_sentence_names_the_file_and_what_would_help(tmp_path, number):
    def write() -> None:
        with replacing(tmp_path / "a.json") as draft:
            draft.write_text("half")
            raise OSError(number, os.strerror(number), "elsewhere")

    with pytest.raises(BadInput, match=rf"a\.json cannot be written: {os.strerror(number).lower()}"):
        write()
    assert list(tmp_path.iterdir()) == []
    assert "\n" not in system_sentence(OSError(number, os.strerror(number), "x"))
