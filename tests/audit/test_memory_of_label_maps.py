"""Label maps are counted and let go: the answers of K tickets for every pixel never lie in memory at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS, TICKETS, CLASSES, SHAPE = 230, 4, 11, (180, 240)
MOST = 1_200_000_000  # bytes; the outputs alone would be 1.75 GB a ticket
# VmHWM and not getrusage: what that says of a new program begins with the memory of the one that started it.
_CODE = f"""
import json
from pathlib import Path
import numpy as np, pandas as pd
from rtl_core.audit.evaluate import answers_of_all, evaluation_set, served_answers, ticket_figures
from rtl_core.config import ModelSettings, SharingSettings
from rtl_core.data.dataset import Dataset
from rtl_core.data.partition import Partition
from rtl_core.learning.rewind_point import cold_start
from rtl_core.models.catalogue import build
from rtl_core.routing.serving import serving
from rtl_core.tasks.segmentation import SEGMENTATION
from rtl_core.threads import use_threads
from rtl_core.tickets.layout import Layout

use_threads(1)
draw = np.random.default_rng(0)
x = draw.integers(256, size=({ROWS}, 3, *{SHAPE}), dtype=np.uint8)
y = draw.integers({CLASSES}, size=({ROWS}, *{SHAPE}), dtype=np.uint8)
names = tuple("abcdefghijk")
split, unit = np.full({ROWS}, "test"), np.arange({ROWS})
moments = dict(mean=(0.5,) * 3, std=(0.3,) * 3)
data = Dataset("toy:film", "image", x, y, names, pd.DataFrame(index=range({ROWS})), split, unit, "0", **moments)
partition = Partition("attribute", "film", tuple("ABCD"), np.arange({ROWS}) % {TICKETS}, True)
network = build(ModelSettings(name="unet", width=0.5), (3, *{SHAPE}), SEGMENTATION.output_shape(data), 0)
layout = Layout.of(dict(network.module.named_parameters()), network.prunable)
masks = draw.random(({TICKETS}, layout.n)) < 0.25
tickets = cold_start(network, SharingSettings(), {TICKETS}, "cpu").subnetworks(partition.names, masks)
rows = evaluation_set(data, partition, SEGMENTATION, "test")
answers = answers_of_all(network, tickets, layout, rows)
served = served_answers(serving(network, tickets, layout), rows)
figures = [ticket_figures(rows, k, answers.kept[k][rows.judged(k)]) for k in range({TICKETS})]
print(json.dumps({{
    "most": 1024 * int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]),
    "kept": answers.kept.nbytes,
    "shape": answers.kept.shape,
    "pixels": int(answers.kept[0].sum()),
    "served": float((answers.kept != served.kept).mean()),
    "miou": [row["figures"]["miou"] for row in figures],
}}))
"""


@pytest.mark.long
def test_a_film_of_four_tickets_is_evaluated_in_little_memory():
    done = subprocess.run([sys.executable, "-c", _CODE], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["most"] < MOST, f"{result['most'] / 1e6:,.0f} MB"
    assert result["shape"] == [TICKETS, ROWS, CLASSES, CLASSES] and result["kept"] < 2_000_000
    assert result["pixels"] == ROWS * SHAPE[0] * SHAPE[1] and result["served"] < 0.2
    assert all(0 < value < 0.2 for value in result["miou"])
