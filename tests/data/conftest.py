"""Small inputs for the data room's tests."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from rtl_core.config import DataSettings
from rtl_core.data import measure_parquet, tables
from rtl_core.data.dataset import Dataset
from rtl_core.data.sources import load


@pytest.fixture(scope="session")
def fashion() -> Dataset:
    return load(DataSettings(spec="bundled:fashion"), seed=0)


@pytest.fixture(scope="session")
def domains() -> Dataset:
    return load(DataSettings(spec="bundled:domains"), seed=0)


@pytest.fixture(scope="session")
def adult() -> Dataset:
    return load(DataSettings(spec="bundled:adult"), seed=0)


@pytest.fixture
def measured_here(monkeypatch):
    """Parquet files are measured in this process: tests of what is in a file need no bound on memory, nor a process
    for each file."""

    def run(command: list[str], **how: object) -> SimpleNamespace:
        assert command[2].endswith("measure_parquet.py")
        return SimpleNamespace(stdout=json.dumps(measure_parquet.measured(Path(command[3]), int(command[4]))))

    monkeypatch.setattr(measure_parquet, "_bound_memory", lambda more: None)
    monkeypatch.setattr(tables, "subprocess", SimpleNamespace(run=run, DEVNULL=None))


@pytest.fixture
def people() -> pd.DataFrame:
    """60 rows of mixed columns with a binary target."""
    return pd.DataFrame(
        {
            "height": np.linspace(150, 190, 60).round(1) % 37,
            "city": ["Rome", "Oslo", "Lima"] * 20,
            "member": [True, False] * 30,
            "label": ["no", "no", "yes"] * 20,
        }
    )


@pytest.fixture
def picture_folder(tmp_path):
    """Two classes of ten 40 x 50 colour PNG pictures: red ones and blue ones."""
    for name, colour in (("red", (255, 0, 0)), ("blue", (0, 0, 255))):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("RGB", (50, 40), colour).save(tmp_path / "pictures" / name / f"{number}.png")
    return tmp_path / "pictures"
