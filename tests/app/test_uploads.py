"""Uploads: bounded, and no name in them decides where a file goes."""

from __future__ import annotations

import contextlib
import io
import zipfile

import pytest

from app import uploads
from rtl_core.errors import BadInput


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
    assert files_below(folder) == ["classes/cat/000000.png", "classes/dog/000001.jpg"]


def test_splits_stay_above_their_classes(tmp_path):
    uploads.store("mine.zip", packed("all/train/cat/a.png", "all/test/cat/b.png"), tmp_path)
    assert files_below(uploads.stored(tmp_path)[0]) == ["classes/test/cat/000001.png", "classes/train/cat/000000.png"]


@pytest.mark.parametrize(
    "name",
    ["../../evil/a.png", "/etc/evil/a.png", "x/../../evil/a.png", "..\\..\\evil\\a.png", "evil/\x01..\x02/a.png"],
)
def test_no_entry_leaves_its_folder(tmp_path, name):
    root = tmp_path / "inner" / "uploads"
    with contextlib.suppress(BadInput):
        uploads.store("mine.zip", packed(name), root)
    assert all(f.startswith("inner/uploads/zip-") for f in files_below(tmp_path))


def test_the_uploads_own_name_is_never_a_path(tmp_path):
    spec = uploads.store("../../../evil.csv", b"a,b\n1,2\n", tmp_path / "uploads")
    assert spec.startswith(f"csv:{tmp_path}/uploads/csv-") and spec.endswith("/table.csv")


def test_a_bomb_is_refused_by_what_comes_out(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_FILE_BYTES", 1000)
    with pytest.raises(BadInput, match="unpacks to more"):
        uploads.store("bomb.zip", packed("a/b.png", content=bytes(100_000)), tmp_path)
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mine.zip", b"no archive", "no zip archive"),
        ("mine.zip", packed("notes.txt"), "no pictures"),
        ("mine.zip", packed("a.png"), "outside any folder"),
        ("mine.exe", b"", "an upload is a .zip"),
    ],
)
def test_refusals_say_what_would_be_right(tmp_path, name, content, said):
    with pytest.raises(BadInput, match=said):
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
