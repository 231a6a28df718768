"""What is loaded once and kept: runs by folder and time of change, data by their settings."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from rtl_core import expected_warnings
from rtl_core.config import DataSettings, PartitionSettings
from rtl_core.overlap.overlap import Overlap, overlap
from rtl_core.tickets.ticket_set import Level, TicketSet

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.open_run import OpenRun


@st.cache_resource(show_spinner=False)
def hide_expected_warnings() -> bool:
    """Once for the server: threads share the filters."""
    expected_warnings.hide()
    return True


@st.cache_resource(show_spinner=False)
def freeze_startup_objects() -> bool:
    """Streamlit collects garbage fully after every rerun; what imports created never becomes garbage."""
    gc.collect()
    gc.freeze()
    return True


def load_run(folder: Path) -> Run:
    """The finished run in a folder. Raises BadInput for whatever is wrong with its files."""
    return _load_run(str(folder), changed(folder))


def compute_as(run: Run) -> None:
    """The visitor's thread computes with as many threads as the run was trained with, whatever others are looking at;
    for wherever the page takes up networks that a cache keeps."""
    from rtl_core.threads import use_threads

    use_threads(run.config.threads)


def changed(folder: Path) -> int:
    """When the run in a folder was last written, for keys of caches; 0 where it has no result yet."""
    checkpoint = folder / "run.json"
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0


@st.cache_resource(max_entries=8, show_spinner="Loading the run")
def _load_run(folder: str, changed: int) -> Run:
    from rtl_core.runs.checkpoint import load_run as load

    return load(Path(folder))


def overlap_counts(run: Run, level: Level) -> Overlap:
    """What all pairs of a run's tickets share at a level; the masks are read for it once."""
    return _overlap_counts(str(run.folder), changed(run.folder), level.index, run.tickets)


@st.cache_resource(max_entries=24, show_spinner="Counting what the tickets share")
def _overlap_counts(folder: str, changed: int, level: int, _tickets: TicketSet) -> Overlap:
    return overlap(_tickets, _tickets.levels[level - 1])


def opened(run: Run) -> OpenRun:
    """A run at work over its own data, checked to be those that it was trained on. Raises BadInput."""
    partition = _opened(str(run.folder), changed(run.folder), run)
    compute_as(run)
    return partition


@st.cache_resource(max_entries=4, show_spinner="Loading the networks and the run's data")
def _opened(folder: str, changed: int, _run: Run) -> OpenRun:
    from rtl_core.runs.open_run import open_run

    return open_run(_run)


@st.cache_resource(max_entries=2, show_spinner="Reading the data")
def dataset(settings: DataSettings, seed: int) -> Dataset:
    """The data that settings name. Raises BadInput."""
    from rtl_core.data.sources import load

    return load(settings, seed)


@st.cache_data(max_entries=16, show_spinner="Splitting the data")
def partition_sizes(data: DataSettings, partition: PartitionSettings, seed: int) -> tuple[pd.DataFrame, float | None]:
    """(subset, train, val, test) and the silhouette. Raises BadInput for empty or tiny subsets."""
    from rtl_core.data.partitions import sizes, split

    rows = dataset(data, seed)
    split_ = split(rows, partition, seed)
    return sizes(rows, split_), split_.silhouette
