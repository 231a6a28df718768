"""Runs whose every name tries to fetch something from http://evil.test, to run a script or to be markup."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from tests.toy_run import toy

PICTURE = "![picture](http://evil.test/picture.png)"
TAG = '<img src="http://evil.test/tag.png" onerror="alert(1)">'
LINK = '<a href="http://evil.test/anchor">anchor</a> [link](http://evil.test/link) http://evil.test/auto'
SCRIPT = "<script>fetch('http://evil.test/script')</script><svg onload=alert(2)>"
STYLE = (
    "<style>@import url(http://evil.test/sheet.css)</style><span style=\"background:url('//evil.test/b.png')\">x</span>"
)
SIGNS = ":material/home: :red[r] :smile: $x^2$ `code` **bold** _e_ {a|rich} %{x} &amp;"
NAMES = (PICTURE, TAG, LINK, SCRIPT, STYLE, SIGNS)
LAYERS = (*NAMES, "conv")  # were there a slash in all, the first half would be tickets
FOLDER = r"![picture](http:\\evil.test\folder.png) www.evil.test"  # no slash in it, so that a folder can bear it

_SMALL = toy(
    density=0.3,
    denser=[1.0, 0.6],
    lighter=[0.1],
    controls=["random", "dense"],
    joint={"steps": 6},
    optimiser={"batch_size": 16},
)


def train_on_pictures(data: Path, runs: Path) -> Path:
    """A run of multi-class tickets, one a class."""
    draw = np.random.default_rng(0)
    y = np.repeat(np.arange(len(NAMES)), 80)
    x = draw.integers(0, 255, (len(y), 10, 10)).astype(np.uint8)
    x[np.arange(len(y)), y] = 255
    np.savez(data / "pictures.npz", x=x, y=y, classes=np.array(NAMES))
    settings = {"data": {"spec": f"npz:{data / 'pictures.npz'}"}, "partition": {"by": "class", "min_size": 8}}
    return _trained({**_SMALL, **settings, "model": {"width": 0.1}, "task": "multiclass"}, runs, "pictures")


def train_on_a_table(data: Path, runs: Path) -> Path:
    """A run whose columns, groups and outcomes bear the names; one ticket for each group of the first column."""
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            PICTURE: np.array(NAMES[1:4])[draw.integers(0, 3, 900)],
            TAG: np.array(NAMES[3:6])[draw.integers(0, 3, 900)],
            STYLE: draw.normal(size=900),
            SIGNS: draw.normal(size=900),
        }
    )
    frame[LINK] = np.where(frame[STYLE] + draw.normal(size=900) > 0, PICTURE, SCRIPT)
    frame.to_csv(data / "table.csv", index=False)
    settings = {
        "data": {"spec": f"csv:{data / 'table.csv'}", "target": LINK, "groups": [PICTURE, TAG]},
        "partition": {"by": "attribute", "column": PICTURE, "min_size": 8},
        "model": {"name": "mlp", "width": 0.25},
    }
    return _trained({**_SMALL, **settings}, runs, "table")


def import_masks(data: Path, runs: Path) -> Path:
    """A run of masks only: file names and layers bear the names."""
    from safetensors.numpy import save_file

    from rtl_core.runs.imports import import_masks as bring_in

    draw, files = np.random.default_rng(2), []
    for i in range(4):
        layers = {f"{name}.weight": np.where(draw.random((8, 6)) < 0.4, draw.random((8, 6)), 0.0) for name in LAYERS}
        files.append(data / f"{i}.safetensors")
        save_file({name: values.astype(np.float32) for name, values in layers.items()}, files[-1])
    titles = [f"{name.replace('/', chr(92))}.safetensors" for name in NAMES[:4]]
    return Path(bring_in(files, runs, "masks", titles=titles).folder).rename(runs / "masks")


def write_runs(data: Path, runs: Path) -> None:
    """`pictures`, `table` and `masks`, all with hostile labels, and a run in a folder with a hostile name."""
    for folder in (train_on_pictures(data, runs), train_on_a_table(data, runs), import_masks(data, runs)):
        label(folder)
    shutil.copytree(runs / "masks", runs / FOLDER)


def label(folder: Path) -> None:
    """Title, note and records of a run bear the names, as those of a file made by hand could."""
    from rtl_core.runs import checkpoint, store

    store.rename_run(folder, f"{PICTURE} {TAG}")
    store.annotate_run(folder, f"{LINK} {SCRIPT}")
    file = folder / "run.json"
    document = json.loads(file.read_text("utf-8"))
    info = document["info"]
    info["warnings"] = [*info.get("warnings", []), *NAMES]
    for place in ("data", "environment"):  # a network of another name than the catalogue's is refused
        info[place] = {**info.get(place, {}), "licence": PICTURE, "name": TAG, "torch": LINK}
    if "evaluation" in info:
        info["evaluation"]["methods"].append({"method": STYLE, "applies": False, "reason": SCRIPT})
    del document["digest"]
    file.write_text(json.dumps({**document, "digest": checkpoint._digest(document)}))


def predictions() -> str:
    """A table of predictions as CSV: its columns, groups, tickets and outcomes bear the names."""
    draw = np.random.default_rng(3)
    truth = np.array([PICTURE, SCRIPT])[draw.integers(0, 2, 400)]
    frame = pd.DataFrame(
        {
            f"truth {STYLE}": truth,
            f"prediction {LINK}": np.where(draw.random(400) < 0.8, truth, PICTURE),
            f"ticket {TAG}": np.array(NAMES[:2])[draw.integers(0, 2, 400)],
            PICTURE: np.array(NAMES[2:5])[draw.integers(0, 3, 400)],
        }
    )
    return frame.to_csv(index=False)


def taxonomy() -> str:
    """A taxonomy of the names, under a name of the same kind, as JSON."""
    paths = {name: [f"{SIGNS} > group {i % 3} > {i}"] for i, name in enumerate(NAMES)}
    return json.dumps({"name": f"{PICTURE} {TAG}", "licence": LINK, "source": SCRIPT, "paths": paths})


def _trained(settings: dict, runs: Path, name: str) -> Path:
    from rtl_core.config import parse
    from rtl_core.runs.training import train_new

    folder = Path(train_new(parse(settings), runs)["folder"])
    return folder.rename(runs / name)
