"""Pages over a run whose data or settings were changed: one sentence, no figures of other rows, no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from rtl_core.config import parse
from rtl_core.data import sources
from rtl_core.runs import started
from rtl_core.runs.store import create_run
from rtl_core.runs.training import train_new
from tests.toy_run import toy

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = toy(task="one_vs_rest", partition={"by": "class"}, model={"width": 0.5})


def write(path: Path, more: int = 0) -> None:
    x = np.random.default_rng(0).integers(0, 256, (90 + more, 8, 8)).astype(np.uint8)
    np.savez(path, x=x, y=np.arange(90 + more) % 3)


def open_page(page: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run().switch_page(f"pages/{page}.py").run()


def words_on(app: AppTest) -> str:
    assert not app.exception
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "info")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


@pytest.fixture
def config(tmp_path):
    write(tmp_path / "data.npz")
    return parse({**SETTINGS, "data": {"spec": f"npz:{tmp_path / 'data.npz'}"}})


def test_pages_say_that_the_data_have_changed(config, runs_folder, tmp_path):
    name = train_new(config, runs_folder)["run"]
    write(tmp_path / "data.npz", more=1)
    for page in ("routing", "attribution", "fairness"):
        assert "no longer holds the data" in words_on(open_page(page, run=name)), page
    masks = open_page("masks", run=name, detail="The pair")
    masks.button(key="exchange").click().run()
    assert "no longer holds the data" in words_on(masks)


def test_the_resume_button_says_why_it_does_not_go_on(config, runs_folder):
    dataset = sources.load(config.data, config.seed)
    folder, _ = create_run(config, dataset.fingerprint, runs_folder)
    started.check(folder, config, dataset, half_done=False)
    (folder / "config.json").write_text(json.dumps({**config.model_dump(mode="json"), "density": 0.2}))
    app = open_page("train", run=folder.name, view="Progress")
    next(button for button in app.button if button.label == "Resume").click().run()
    assert "density was 0.1 and is 0.2" in words_on(app)
