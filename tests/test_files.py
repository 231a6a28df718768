"""Files and folders appear whole or not at all, whoever else makes them at the same time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rtl_core.files import make_once, private_folder, remove, replacing, sweep_drafts
from rtl_core.runs.store import project_root


def test_a_folder_is_made_once_and_seen_whole(tmp_path):
    folder, made, looked = tmp_path / "made", [], threading.Event()

    def fill(draft):
        made.append(draft)
        (draft / "first").write_text("1")
        looked.wait(10)
        (draft / "last").write_text("2")

    with ThreadPoolExecutor(4) as several:
        began = [several.submit(make_once, folder, fill) for _ in range(4)]
        while not made or not (made[0] / "first").exists():
            pass
        assert not folder.exists()
        looked.set()
        assert sorted(one.result() for one in began) == [False, False, False, True]
    assert len(made) == 1 and {file.name for file in folder.iterdir()} == {"first", "last"}


def test_a_folder_that_cannot_be_filled_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        make_once(tmp_path / "made", lambda draft: (draft / "half").write_text(str(1 / 0)))
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_what_is_removed_can_be_made_again(tmp_path):
    for number in range(2):
        assert make_once(tmp_path / "made", lambda draft, number=number: (draft / str(number)).touch())
        remove(tmp_path / "made")
        remove(tmp_path / "made")
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_threads_that_write_one_file_never_show_half_of_it(tmp_path):
    path, size = tmp_path / "file", 2_000_000

    def write(number: int) -> None:
        with replacing(path) as draft:
            draft.write_bytes(bytes([number]) * size)

    with ThreadPoolExecutor(3) as several:
        writing = [several.submit(write, number % 250) for number in range(30)]
        while not all(one.done() for one in writing):
            if path.exists():
                content = path.read_bytes()
                assert content == content[:1] * size
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_a_library_left_in_its_private_folder_goes_with_the_killed_process(tmp_path):
    path, imports = (
        tmp_path / "a.safetensors",
        "import os, sys, pathlib\nfrom rtl_core.files import private_folder, replacing",
    )
    killed = (
        f"{imports}\nwith replacing(pathlib.Path(sys.argv[1])), private_folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / '.tmpAbCdEf').write_text('half')\n    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", killed, str(path)], cwd=project_root())
    assert len(list(tmp_path.iterdir())) == 2  # the draft and the folder
    sweep_drafts(tmp_path)
    assert not list(tmp_path.iterdir())
    with private_folder(path) as folder:
        (folder / "a").touch()
        sweep_drafts(tmp_path)  # of a process that is at work
        assert folder.exists()
    assert not folder.exists()


def test_a_draft_that_a_killed_process_left_is_removed_by_whoever_writes_the_file_next(tmp_path):
    path, imports = tmp_path / "a [1].json", "import os, sys, pathlib\nfrom rtl_core.files import replacing"
    killed = f"{imports}\nwith replacing(pathlib.Path(sys.argv[1])) as draft: os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", killed, str(path)], cwd=project_root())
    others = [tmp_path / name for name in (f".a [1].json.{os.getpid()}.1.tmp", ".b.json.1.1.tmp", ".a [1].json.tmp")]
    for other in others:  # of a process that is at work, of another file, of nobody we know
        other.touch()
    assert len(list(tmp_path.iterdir())) == 4
    with replacing(path) as draft:
        draft.write_text("whole")
    assert set(tmp_path.iterdir()) == {path, *others}
