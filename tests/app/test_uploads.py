"""Uploads: bounded, and no name in them decides where a file goes."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import PIPE

import pytest

from app import uploads
from rtl_core.config import DataSettings
from rtl_core.data.class_folders import KINDS
from rtl_core.data.sources import load
from rtl_core.errors import BadInput
from tests.data.mask_files import masked_pictures, zipped

ROOT = Path(__file__).resolve().parents[2]


def packed(*names: str, content: bytes = b"picture") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


def files_below(folder):
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def test_class_folders_are_kept_and_pictures_numbered(tmp_path):
    spec = uploads.store("mine.zip", packed("pets/cat/a.PNG", "pets/dog/b.jpg", "pets/readme.txt"), tmp_path)
    (folder,) = uploads.stored(tmp_path)
    assert spec == uploads.spec_of(folder) == f"folder:{folder / 'classes'}"
    assert files_below(folder) == [
        "classes/class-00001/000000.png",
        "classes/class-00002/000001.jpg",
        "classes/class-names.json",
    ]
    assert json.loads((folder / "classes" / "class-names.json").read_text("utf-8")) == {
        "classes": {"class-00001": "cat", "class-00002": "dog"},
        "left_out": {f"files that are no {KINDS} pictures (.txt)": 1},
        "notes": [],
        "pictures": {"class-00001/000000.png": "pets/cat/a.PNG", "class-00002/000001.jpg": "pets/dog/b.jpg"},
    }


def test_pictures_with_masks_stay_in_their_zip(tmp_path):
    packed_masks = zipped(masked_pictures(tmp_path / "set"), tmp_path / "set.zip").read_bytes()
    spec = uploads.store("mine.zip", packed_masks, tmp_path / "kept")
    (folder,) = uploads.stored(tmp_path / "kept")
    assert spec == uploads.spec_of(folder) == f"masks:{folder / 'masks.zip'}" and uploads.usable(folder)
    assert len(load(DataSettings(spec=spec), 0)) == 12
    (tmp_path / "set" / "masks" / "003.png").unlink()
    with pytest.raises(BadInput, match="1 pictures have no mask"):
        uploads.store("mine.zip", zipped(tmp_path / "set", tmp_path / "set.zip").read_bytes(), tmp_path / "kept")
    assert uploads.stored(tmp_path / "kept") == [folder]


def test_splits_stay_above_their_classes(tmp_path):
    uploads.store("mine.zip", packed("all/train/cat/a.png", "all/test/cat/b.png"), tmp_path)
    assert files_below(uploads.stored(tmp_path)[0]) == [
        "classes/class-names.json",
        "classes/test/class-00001/000001.png",
        "classes/train/class-00001/000000.png",
    ]


@pytest.mark.parametrize(
    "name",
    ["../../evil/a.png", "/etc/evil/a.png", "x/../../evil/a.png", "..\\..\\evil\\a.png", "evil/\x01..\x02/a.png"],
)
def test_no_entry_leaves_its_folder(tmp_path, name):
    root = tmp_path / "inner" / "uploads"
    with contextlib.suppress(BadInput):
        uploads.store("mine.zip", packed(name), root)
    assert all(f.startswith(("inner/uploads/pictures-", "inner/uploads/.lock")) for f in files_below(tmp_path))


def test_the_uploads_own_name_is_never_a_path(tmp_path):
    spec = uploads.store("../../../evil.csv", b"a,b\n1,2\n", tmp_path / "uploads")
    assert spec.startswith(f"csv:{tmp_path}/uploads/csv-") and spec.endswith("/table.csv")


def test_a_bomb_is_refused_by_what_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BadInput, match="unpacks to more"):
        uploads.store("bomb.zip", packed("a/b.png", content=bytes(100_000)), tmp_path)
    assert files_below(tmp_path) == [".lock"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine.zip", b"no archive", "no zip archive"),
        ("mine.zip", packed("notes.txt"), "JPEG.* pictures"),
        ("mine.zip", packed("a.png"), "outside any folder"),
        ("mine.zip", packed("cat/a.png", "cat/b.png").replace(b"cat/b.png", b"\0at/b.png"), "entry without a name"),
        ("mine.exe", b"", "an upload is a .zip"),
    ],
)
def test_refusals_say_what_would_be_right(tmp_path, name, content, message):
    with pytest.raises(BadInput, match=message):
        uploads.store(name, content, tmp_path)


def test_too_many_pictures_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    with pytest.raises(BadInput, match="3 pictures; at most 2"):
        uploads.store("mine.zip", packed("a/1.png", "a/2.png", "b/3.png"), tmp_path)


def test_deleting_takes_only_stored_uploads(tmp_path):
    uploads.store("t.csv", b"a\n1\n", tmp_path / "uploads")
    (folder,) = uploads.stored(tmp_path / "uploads")
    with pytest.raises(BadInput):
        uploads.delete(tmp_path, tmp_path / "uploads")
    uploads.delete(folder, tmp_path / "uploads")
    assert uploads.stored(tmp_path / "uploads") == []


PICTURES = packed(*(f"{split}/{name}/{i}.png" for split in ("train", "test") for name in "abc" for i in range(20)))


def test_the_same_file_from_many_sessions_is_kept_once_and_always_whole(tmp_path):
    def upload(_: int) -> list[str]:
        spec = uploads.store("mine.zip", PICTURES, tmp_path)
        return files_below(Path(spec.removeprefix("folder:")))

    with ThreadPoolExecutor(6) as sessions:
        seen = list(sessions.map(upload, range(30)))
    assert [len(files) for files in seen] == [121] * 30
    assert len(uploads.stored(tmp_path)) == 1


@pytest.mark.long
def test_processes_that_upload_the_same_file_at_once_share_it(tmp_path):
    (tmp_path / "mine.zip").write_bytes(PICTURES)
    code = (
        "from pathlib import Path; from app import uploads; import sys; sys.stdin.read();"
        f"print(uploads.store('mine.zip', Path({str(tmp_path / 'mine.zip')!r}).read_bytes(), Path({str(tmp_path)!r})))"
    )
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, cwd=ROOT) for _ in range(3)]
    for process in started:
        process.stdin.close()  # all of them have their modules by now, or nearly
    specs = {process.stdout.read().strip() for process in started}
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(specs) == 1 and len(files_below(Path(specs.pop().removeprefix("folder:")))) == 121


def test_a_second_upload_does_not_touch_what_others_read(tmp_path):
    folder = Path(uploads.store("mine.zip", PICTURES, tmp_path).removeprefix("folder:"))
    before = {file: file.stat().st_ino for file in folder.rglob("*")}
    uploads.store("again.zip", PICTURES, tmp_path)
    assert {file: file.stat().st_ino for file in folder.rglob("*")} == before


def test_what_a_crash_left_unfinished_is_never_read_and_is_removed(tmp_path):
    half = tmp_path / ".draft-pictures-0123456789abcdef"
    (half / "classes" / "class-00001").mkdir(parents=True)
    assert uploads.stored(tmp_path) == []
    uploads.store("mine.zip", PICTURES, tmp_path)
    assert len(uploads.stored(tmp_path)) == 1 and not half.exists()


def test_what_an_earlier_version_kept_can_only_be_deleted(tmp_path):
    (tmp_path / "zip-0123456789abcdef" / "classes" / "cat").mkdir(parents=True)
    (folder,) = uploads.stored(tmp_path)
    assert not uploads.usable(folder)
    uploads.delete(folder, tmp_path)
    assert uploads.stored(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path):
    (tmp_path / "uploads").write_text("a file in its place")
    with pytest.raises(BadInput, match="cannot be kept in"):
        uploads.store("t.csv", b"a\n1\n", tmp_path / "uploads")
