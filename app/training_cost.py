"""What a training would cost, estimated in another process: it needs torch."""

from __future__ import annotations

import subprocess
import sys

import streamlit as st
from pydantic import TypeAdapter

from rtl_core.errors import BadInput
from rtl_core.read_only import refused_in_public
from rtl_core.runs.record import TrainingCost
from rtl_core.runs.store import project_root

_ASK = """
import json, sys
from rtl_core.config import parse
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.runs.pipeline import estimate
try:
    print(json.dumps(plain(estimate(parse(json.load(sys.stdin))))))
except BadInput as error:
    print(json.dumps(str(error)))
"""


@refused_in_public("estimating a training")
@st.cache_data(max_entries=32, show_spinner="Estimating the cost")
def estimate(config_json: str) -> TrainingCost:
    """The pipeline's estimate of a config given as JSON. Raises BadInput with the core's sentence."""
    process = subprocess.run(
        [sys.executable, "-c", _ASK], input=config_json, capture_output=True, text=True, cwd=project_root(), check=False
    )
    if process.returncode != 0:
        last = process.stderr.strip().splitlines()[-1:] or ["no reason was given"]
        raise BadInput(f"the cost could not be estimated ({last[0]})")
    answer = TypeAdapter(TrainingCost | str).validate_json(process.stdout.splitlines()[-1])
    if isinstance(answer, str):
        raise BadInput(answer)
    return answer
