"""Inputs as people have them: `python -m benchmarks.inputs [--out FILE]` makes many of each kind and reads them.

Each input is made from values that are known, so it can be said whether it was read right, refused in a sentence, or
wrong: another value than the true one without a note that says so, or a traceback. Inputs differ by seed in names,
encodings, delimiters, words, kinds of files, wrappers.
"""

from __future__ import annotations

import io
import random
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from app import uploads
from benchmarks.pages import show
from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.config import DataSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.sources import load
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.fairness import audit_table
from rtl_core.runs.imports import import_masks

INPUTS = 20  # of each kind
RIGHT, REFUSED, WRONG = "right", "refused", "wrong"


@dataclass(frozen=True)
class Input:
    """One input.

    read   what the product makes of it
    truth  what is right; None where only a refusal is
    """

    read: Callable[[], Any]
    truth: Any


Maker = Callable[[random.Random, Path], Input]


def verdict(made: Input) -> str:
    try:
        value = made.read()
    except BadInput as error:
        return REFUSED if str(error) and "\n" not in str(error) else WRONG
    except Exception:
        return WRONG
    return RIGHT if value == made.truth else WRONG


# Pictures


def _picture(shade: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("L", (9, 9), shade).save(file, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


def _stored(lot: random.Random, place: Path, files: dict[str, bytes]) -> str:
    """The spec of the files, in a folder on disk or in an uploaded zip."""
    if lot.random() < 0.5:
        for name, content in files.items():
            (place / "data" / name).parent.mkdir(parents=True, exist_ok=True)
            (place / "data" / name).write_bytes(content)
        return f"folder:{place / 'data'}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return uploads.store("mine.zip", archive.getvalue(), place)


def _counted(dataset: Dataset) -> dict[tuple[str, str], int]:
    return dict(Counter((dataset.classes[y], str(s)) for y, s in zip(dataset.y, dataset.split, strict=True)))


def _class_names(lot: random.Random, n: int) -> list[str]:
    return lot.sample(
        ["A", "A+", "C", "C#", "C++", "katze_ä", "katze_ö", "猫", "犬", "고양이", "red car", "red_car"], n
    )


def folders(lot: random.Random, place: Path) -> Input:
    """Splits and classes under the names that people give them, with what systems leave behind."""
    names, above = _class_names(lot, 3), lot.choice(["", "data/", "my pets/all/"])
    called = {
        "train": lot.choice(["train", "Training", "training_set", "seg_train", "train2017", "Train Images"]),
        "val": lot.choice(["val", "valid", "VALIDATION", "dev", "val2017"]),
        "test": lot.choice(["test", "Testing", "eval", "seg_test", "test-images"]),
    }
    files, truth = {}, {}
    for split, folder in called.items():
        for name in names:
            truth[name, split] = lot.randint(2, 6)
            deeper = lot.choice(["", "deep/"])
            for i in range(truth[name, split]):
                files[f"{above}{folder}/{name}/{deeper}{i}.png"] = _picture(lot.randrange(256))
    for hidden in lot.sample([".ipynb_checkpoints", "@eaDir", ".AppleDouble", "__MACOSX"], 2):
        files[f"{above}{called['train']}/{names[0]}/{hidden}/copy.png"] = _picture(1)
    spec = _stored(lot, place, files)
    return Input(lambda: _counted(load(DataSettings(spec=spec), seed=0)), truth)


def picture_files(lot: random.Random, place: Path) -> Input:
    """Kinds of picture files, under endings of their own or of others."""
    endings = {"JPEG": ".jfif .jpe .JPG", "WEBP": ".webp .jpg", "TIFF": ".tif .TIFF", "GIF": ".gif", "BMP": ".bmp"}
    files, shades = {}, []
    for i in range(12):
        kind = lot.choice(list(endings))
        shades.append(lot.randrange(0, 256, 8))
        files[f"{'ab'[i % 2]}/{i:02}{lot.choice(endings[kind].split())}"] = _picture(shades[-1], kind)
    spec = _stored(lot, place, files)
    truth = sorted(shade // 8 for shade in shades)

    def read() -> list[int]:
        return sorted(round(float(x.mean()) / 8) for x in load(DataSettings(spec=spec), seed=0).x)

    return Input(read, truth)


def deep_pictures(lot: random.Random, place: Path) -> Input:
    """10, 12 and 16 bits in 16-bit files."""
    bits = lot.choice([10, 12, 16])
    values = [2**bits - 1, *(lot.randrange(2**bits) for _ in range(7))]
    files = {}
    for split in ("train", "test"):
        for i, value in enumerate(values):
            file = io.BytesIO()
            Image.fromarray(np.full((8, 8), value, np.uint16)).save(file, "PNG")
            files[f"{split}/{'ab'[i % 2]}/{i}.png"] = file.getvalue()
    spec = _stored(lot, place, files)
    truth = sorted(value >> (bits - 8) for value in values)
    return Input(
        lambda: (lambda d: sorted(int(x.max()) for x in d.x[d.rows("test")]))(load(DataSettings(spec=spec), seed=0)),
        truth,
    )


def unreadable_pictures(lot: random.Random, place: Path) -> Input:
    """A class of files that are not read, or damaged pictures: never a smaller data set in silence."""
    files = {f"{name}/{i}.png": _picture(i) for name in "abc" for i in range(4)}
    if lot.random() < 0.5:
        files = {
            (f"c/{i}.heic" if name[0] == "c" else name): content for i, (name, content) in enumerate(files.items())
        }
    else:
        for name in lot.sample(sorted(files), 3):
            files[name] = files[name][: lot.randrange(60)]
    spec: list[str] = []

    def read() -> Dataset:
        spec.append(_stored(lot, place, files))
        return load(DataSettings(spec=spec[0]), seed=0)

    return Input(read, None)


# Tables


def _csv(place: Path, frame: pd.DataFrame, delimiter: str = ",", encoding: str = "utf-8", head: str = "") -> str:
    path = place / "table.csv"
    path.write_bytes((head + frame.to_csv(index=False, sep=delimiter)).encode(encoding))
    return f"csv:{path}"


def _people(lot: random.Random, n: int = 200) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "town": [lot.choice(["Köln", "Bern", "Paris"]) for _ in range(n)],
            "pay": [round(lot.uniform(1, 99), 2) for _ in range(n)],
            "answer": [lot.choice(["yes", "no", "perhaps"]) for _ in range(n)],
        }
    )


def _table(spec: str, target: str = "answer", **settings: Any) -> Dataset:
    return load(DataSettings(spec=spec, target=target, **settings), seed=0)


def _classes(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(dataset.classes[y] for y in dataset.y))


def csv_forms(lot: random.Random, place: Path) -> Input:
    """Delimiters, encodings and decimal marks: the column of numbers has to come back."""
    frame, delimiter = _people(lot), lot.choice([",", ";", "\t", "|"])
    truth = {"n": len(frame), "classes": frame.answer.value_counts().to_dict()}
    pay = (frame.pay - frame.pay.mean()) / frame.pay.std(ddof=0)
    written = frame.copy()
    if delimiter != "," and lot.random() < 0.5:
        written["pay"] = [str(value).replace(".", ",") for value in frame.pay]
    encoding = lot.choice(["utf-8", "utf-8-sig", "latin-1", "utf-16"])
    spec = _csv(place, written, delimiter, encoding, f"sep={delimiter}\n" if lot.random() < 0.3 else "")

    def read() -> dict[str, Any]:
        dataset = _table(spec)
        place_of = [name for name in dataset.features if name.startswith("pay")]
        column = dataset.x[:, dataset.features.index(place_of[0])] if place_of else np.zeros(len(dataset))
        same = np.corrcoef(column, pay)[0, 1] > 0.999 if len(dataset) == len(pay) and column.std() else False
        return {"n": len(dataset), "classes": _classes(dataset)} if same else {"pay": "lost"}

    return Input(read, truth)


def words_for_nothing(lot: random.Random, place: Path) -> Input:
    """None, NA and null as a class of their own."""
    frame, word = _people(lot), lot.choice(["None", "NA", "null", "NaN", "N/A"])
    frame["answer"] = [word if value == "perhaps" else value for value in frame.answer]
    spec = _csv(place, frame)
    return Input(lambda: _classes(_table(spec)), frame.answer.value_counts().to_dict())


def spellings(lot: random.Random, place: Path) -> Input:
    """One label in two spellings: a blank, a dot at the end, another case."""
    frame = _people(lot)
    change = lot.choice([lambda t: f" {t}", lambda t: f"{t}.", str.upper, lambda t: f"{t} "])
    truth = frame.answer.value_counts().to_dict()
    frame["answer"] = [change(value) if lot.random() < 0.3 else value for value in frame.answer]
    spec = _csv(place, frame)
    return Input(lambda: {name.casefold().strip(): n for name, n in _classes(_table(spec)).items()}, truth)


def long_rows(lot: random.Random, place: Path) -> Input:
    """Rows with more values than the header has names, all of them or some."""
    frame, every = _people(lot), lot.random() < 0.5
    lines = frame.to_csv(index=False).splitlines()
    for i in range(1, len(lines)) if every else lot.sample(range(1, len(lines)), 3):
        lines[i] += lot.choice([",surplus", ",7"])
    (place / "table.csv").write_text("\n".join(lines) + "\n")
    return Input(lambda: _classes(_table(f"csv:{place / 'table.csv'}")), frame.answer.value_counts().to_dict())


def group_codes(lot: random.Random, place: Path) -> Input:
    """Codes with leading zeros that are other groups without them."""
    frame = _people(lot)
    frame["zip"] = [lot.choice(["01234", "1234", "00501", "501"]) for _ in range(len(frame))]
    spec = _csv(place, frame)

    def read() -> dict[str, int]:
        return _table(spec, groups=("zip",)).attributes["zip"].astype(str).value_counts().to_dict()

    return Input(read, frame.zip.value_counts().to_dict())


def split_columns(lot: random.Random, place: Path) -> Input:
    """A column that says the split, in the words that people use."""
    frame = _people(lot)
    words = {"train": ["train", "training"], "val": ["dev", "valid", "validation"], "test": ["test", "eval", "Testing"]}
    chosen = {split: lot.choice(of) for split, of in words.items()}
    split = [lot.choices(list(words), (6, 2, 2))[0] for _ in range(len(frame))]
    frame[lot.choice(["split", "Split"])] = [chosen[s] for s in split]
    spec = _csv(place, frame)
    return Input(lambda: dict(Counter(map(str, _table(spec).split))), dict(Counter(split)))


# Predictions


def predictions(lot: random.Random, place: Path) -> Input:
    """Decisions of any model, whose labels may be written otherwise than the truth's."""
    n = 300
    truth, group = np.array([lot.random() < 0.4 for _ in range(n)]), [lot.choice("ab") for _ in range(n)]
    decided = np.array([t if lot.random() < 0.8 else not t for t in truth])
    forms = {"Yes/No": ("No", "Yes"), "1/0": (0, 1), "bool": (False, True), "case": ("no", "yes"), "sign": (-1, 1)}
    a, b = lot.choice(list(forms)), lot.choice(list(forms))
    frame = pd.DataFrame(
        {"y_true": [forms[a][int(t)] for t in truth], "y_pred": [forms[b][int(d)] for d in decided], "g": group}
    )
    path = place / "predictions.csv"
    frame.to_csv(path, index=False)
    rates = {g: float(decided[[x == g for x in group]].mean()) for g in "ab"}

    def read() -> dict[str, float]:
        settings = AuditSettings(metrics=("selection_rate",), permutations=10)
        document = plain(audit_table(path, {}, ["g"], settings))
        return {row["group"].split("=")[-1]: round(row["value"], 9) for row in document["cells"]}

    return Input(read, {g: round(rate, 9) for g, rate in rates.items()})


# Masks


def pruned_networks(lot: random.Random, place: Path) -> Input:
    """Two networks in files as trainings leave them: wrapped, with prefixes, as modules, with masks beside."""
    kept = []
    for name in ("first", "second"):
        draw = torch.Generator().manual_seed(lot.randrange(2**31))
        net = torch.nn.Sequential(torch.nn.Linear(40, 30), torch.nn.ReLU(), torch.nn.Linear(30, 5))
        masks = {f"{i}.weight": torch.rand(net[i].weight.shape, generator=draw) < 0.25 for i in (0, 2)}
        kept.append(sum(int(mask.sum()) for mask in masks.values()))
        torch.save(
            _wrapped(lot, net, masks), place / f"{name}{lot.choice(['.pt', '.pth', '.ckpt', '.th', '.pth.tar'])}"
        )
    files = sorted(path for path in place.iterdir() if path.is_file())

    def read() -> list[int]:
        made = import_masks(files, place / "runs", "made")
        return [int(n) for n in load_run(Path(made.folder)).tickets.masks().sum(axis=1)]

    return Input(read, kept)


def _wrapped(lot: random.Random, net: torch.nn.Module, masks: dict[str, torch.Tensor]) -> Any:
    state, prefix = net.state_dict(), lot.choice(["", "module.", "_orig_mod.", "model."])
    mask_key = lot.choice([None, None, "masks", "mask_dict"])
    if mask_key is None:
        state = {name: value * masks[name] if name in masks else value for name, value in state.items()}
    if mask_key is None and lot.random() < 0.3:
        net.load_state_dict(state)
        return {"model": net, "epoch": 3} if lot.random() < 0.5 else net
    state = {prefix + name: value for name, value in state.items()}
    around = lot.choice([None, "state_dict", "model_state_dict", "net", "model", "params"])
    document = state if around is None and mask_key is None else {around or "state_dict": state, "epoch": 3}
    if mask_key:
        document[mask_key] = {prefix + name: mask.float() for name, mask in masks.items()}
    return document


KINDS: dict[str, Maker] = {
    "folders, splits and classes": folders,
    "kinds of picture files": picture_files,
    "10, 12 and 16 bits a pixel": deep_pictures,
    "pictures that cannot be read": unreadable_pictures,
    "delimiters, encodings, decimal marks": csv_forms,
    "None, NA, null as words": words_for_nothing,
    "two spellings of a label": spellings,
    "rows longer than the header": long_rows,
    "codes with leading zeros": group_codes,
    "columns that say the split": split_columns,
    "labels of predictions": predictions,
    "networks pruned elsewhere": pruned_networks,
}


def table() -> str:
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "# Inputs as people have them\n"
    yield (
        f"{INPUTS} inputs of each kind, made by seed from values that are known (`benchmarks/inputs.py`), as folders "
        "on disk, uploaded zips, tables and files of torch. Right: the values that are true came back. Refused: one "
        "sentence says what is wrong. Wrong: other values, or a traceback. Made by `python -m benchmarks.inputs`.\n"
    )
    yield "| kind | right | refused clearly | wrong |\n|---|---|---|---|"
    total: Counter = Counter()
    for kind, maker in KINDS.items():
        counts = Counter(one(maker, seed) for seed in range(INPUTS))
        total += counts
        yield f"| {kind} | {counts[RIGHT]} | {counts[REFUSED]} | {counts[WRONG]} |"
    yield f"| all | {total[RIGHT]} | {total[REFUSED]} | {total[WRONG]} |"


def one(maker: Maker, seed: int) -> str:
    with tempfile.TemporaryDirectory() as place:
        return verdict(maker(random.Random(seed), Path(place)))


if __name__ == "__main__":
    show(__doc__, table)
