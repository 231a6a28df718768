"""What `benchmarks.fuzz` mutates beside masks: data sets, tables of predictions, tickets and the files of a run."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from rtl_core.config import DataSettings, parse, preset
from rtl_core.data.sources import load
from rtl_core.runs.store import samples as sample_runs

Read = Callable[[Path], object]
FILES_OF_A_RUN = ("run.json", "config.json", "tickets.safetensors", "methods.safetensors", "status.json")


def pictures(_: Path) -> list[bytes]:
    """One picture of each kind that is read."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    made = [_encoded(Image.fromarray(pixels), kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP")]
    deep = Image.fromarray(pixels[..., 0].astype(np.uint16) * 16)
    return [*made, _encoded(deep, "PNG"), _encoded(deep, "TIFF")]


def _encoded(picture: Image.Image, kind: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def read_picture(path: Path) -> object:
    """As one picture among others of two classes."""
    folder = path.parent / "pictures"
    if not folder.is_dir():
        for name in ("a", "b"):
            (folder / name).mkdir(parents=True)
            for number in range(4):
                Image.new("L", (9, 9), 20 * number).save(folder / name / f"{number}.png")
    shutil.copy(path, folder / "a" / "mutated.png")
    return load(DataSettings(spec=f"folder:{folder}"), seed=0)


def uploads(_: Path) -> list[bytes]:
    files = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
    return [_zipped({f"{split}{c}/{i}.png": _png(i) for split in s for c in "ab" for i in range(3)}, how)
            for how in files for s in (("",), ("train/", "test/"))]  # fmt: skip


def _png(shade: int) -> bytes:
    return _encoded(Image.new("L", (9, 9), shade), "PNG")


def _zipped(content: dict[str, bytes], how: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return file.getvalue()


def read_upload(path: Path) -> object:
    from app.uploads import store

    root = path.parent / "uploads"
    try:
        return load(DataSettings(spec=store("mine.zip", path.read_bytes(), root)), seed=0)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def people() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": draw.integers(18, 90, 60),
            "pay": draw.normal(30, 5, 60).round(2),
            "town": draw.choice(["Bern", "Köln", "Łódź"], 60),
            "day": pd.date_range("2020-01-01", periods=60),
            "answer": draw.choice(["yes", "no"], 60),
        }
    )


def csv_tables(_: Path) -> list[bytes]:
    frame = people()
    return [
        frame.to_csv(index=False).encode(),
        frame.to_csv(index=False, sep=";", decimal=",").encode("utf-16"),
        frame.head(30).to_csv(index=False, sep="\t").encode("utf-8-sig"),
    ]


def parquet_tables(_: Path) -> list[bytes]:
    frame, files = people(), []
    for made in (frame, frame.convert_dtypes(), frame.astype({"town": "category"})):
        file = io.BytesIO()
        made.to_parquet(file)
        files.append(file.getvalue())
    return files


def read_table(path: Path) -> object:
    return load(DataSettings(spec=f"csv:{path}", target="answer", groups=("town",)), seed=0)


def predictions(_: Path) -> list[bytes]:
    draw, n = np.random.default_rng(0), 60
    frame = pd.DataFrame(
        {"y_true": draw.integers(0, 2, n), "y_pred": draw.integers(0, 2, n), "g": draw.choice(list("ab"), n)}
    )
    return [frame.to_csv(index=False).encode(), frame.assign(score=draw.random(n)).to_csv(index=False).encode()]


def read_predictions(path: Path) -> object:
    from rtl_core.audit.fairness.audit_settings import AuditSettings
    from rtl_core.runs.fairness import audit_table

    return audit_table(path, {}, ["g"], AuditSettings(permutations=10))


def array_archives(_: Path) -> list[bytes]:
    draw, files = np.random.default_rng(0), []
    x, y = draw.integers(0, 256, (30, 8, 8), dtype=np.uint8), np.arange(30) % 3
    for arrays in ({"x": x, "y": y}, {"x": draw.normal(size=(30, 4)), "y": y, "classes": np.array(["a", "b", "c"])}):
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, **arrays)
            files.append(file.getvalue())
    return files


def read_arrays(path: Path) -> object:
    return load(DataSettings(spec=f"npz:{path}", image_size=8), seed=0)


def idx_pictures(_: Path) -> list[bytes]:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 9, 9), dtype=np.uint8)
    plain = bytes([0, 0, 8, 3]) + struct.pack(">III", *pixels.shape) + pixels.tobytes()
    return [plain, gzip.compress(plain)]


def read_idx(path: Path) -> object:
    folder = path.parent / "idx"
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()
    labels = (np.arange(40) % 2).astype(np.uint8).tobytes()
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1]) + struct.pack(">I", 40) + labels)
    packed = path.read_bytes()[:2] == b"\x1f\x8b"
    shutil.copy(path, folder / f"train-images-idx3-ubyte{'.gz' if packed else ''}")
    return load(DataSettings(spec=f"idx:{folder}"), seed=0)


def cifar_batches(_: Path) -> list[bytes]:
    records = np.random.default_rng(0).integers(0, 256, (40, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(40) % 10
    return [records.tobytes()]


def read_cifar(path: Path) -> object:
    folder = path.parent / "cifar"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "data_batch_1.bin")
    return load(DataSettings(spec=f"cifar:{folder}"), seed=0)


def of_run(name: str) -> tuple[Callable[[Path], list[bytes]], Read]:
    """(intact contents, read) of one file of a run: it is mutated in a copy of a sample, which is then opened."""

    def intact(_: Path) -> list[bytes]:
        return [(folder / name).read_bytes() for folder in (sample_runs()["domains"], sample_runs()["adult"])]

    def read(path: Path) -> object:
        from rtl_core.runs.checkpoint import finished_run, load_learned
        from rtl_core.runs.store import list_runs

        folder = path.parent / "runs" / "copy"
        if not folder.is_dir():
            shutil.copytree(sample_runs()["domains"], folder)
        shutil.copy(path, folder / name)
        list_runs(folder.parent)
        return load_learned(finished_run(folder))

    return intact, read


def ticket_files(mark: Path) -> list[bytes]:
    from rtl_core.runs.checkpoint import load_run
    from rtl_core.runs.exports import export

    run = load_run(sample_runs()["domains"])
    names = run.tickets.names[:2]
    return [Path(export(run, name, ["ticket"], mark.parent)["ticket"]).read_bytes() for name in names]


def read_ticket_file(path: Path) -> object:
    from rtl_core.interchange.ticket_file import read_ticket

    return read_ticket(path)


def settings_files(_: Path) -> list[bytes]:
    return [json.dumps(preset(name)).encode() for name in ("domains", "adult", "classes")]


def read_settings(path: Path) -> object:
    from rtl_core.cli.training import _settings_file

    return parse(_settings_file(path))


def name_tables(_: Path) -> list[bytes]:
    table = {"classes": {"a": "cat", "b": "猫"}, "left_out": {"hidden files": 3}}
    return [json.dumps(table).encode(), json.dumps(table, ensure_ascii=False).encode()]


def read_names(path: Path) -> object:
    from rtl_core.data.class_folders import name_table

    folder = path.parent / "names"
    folder.mkdir(exist_ok=True)
    shutil.copy(path, folder / "class-names.json")
    return name_table(folder)
