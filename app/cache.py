"""What is loaded once and kept: runs by folder and time of change, data by their settings."""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import wraps
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from rtl_core import expected_warnings
from rtl_core.config import DataSettings, PartitionSettings
from rtl_core.overlap.overlap import Overlap, overlap
from rtl_core.runs.checkpoint import Run
from rtl_core.tickets.ticket_set import Level

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset
    from rtl_core.runs.open_run import OpenRun

# As many as the samples and two more: with fewer, visitors of different samples keep pushing each other's out.
RUNS_AT_WORK = 6


@st.cache_resource(show_spinner=False)
def hide_expected_warnings() -> bool:
    """Once for the server: threads share the filters."""
    expected_warnings.hide()
    return True


@st.cache_resource(show_spinner=False)
def freeze_startup_objects() -> bool:
    """What imports created never becomes garbage; looking through it again and again holds everybody up."""
    freeze()
    return True


def freeze() -> None:
    """Takes everything that is there now out of Python's search for garbage."""
    gc.collect()
    gc.freeze()


def load_run(folder: Path) -> Run:
    """The finished run in a folder. Raises BadInput for whatever is wrong with its files."""
    return _load_run(str(folder), changed(folder))


def changed(folder: Path) -> int:
    """When the run in a folder was last written, for keys of caches; 0 where it has no result yet."""
    checkpoint = folder / "run.json"
    return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0


@st.cache_resource(max_entries=8, show_spinner="Loading the run")
def _load_run(folder: str, changed: int) -> Run:
    from rtl_core.runs.checkpoint import load_run as load

    return load(Path(folder))


def of_run(*views: type, kind: Callable[..., Any] = st.cache_resource, **settings: Any) -> Any:
    """A decorator: Streamlit's cache for functions of a `Run`, which is told from others by its folder and its change.

    views     types that may be arguments too; their `key` tells them apart
    kind      st.cache_resource keeps the very object, st.cache_data gives everybody a copy
    settings  of Streamlit's cache, such as max_entries and show_spinner
    """
    by_key = dict.fromkeys(views, attrgetter("key"))
    return kind(hash_funcs={Run: lambda run: (str(run.folder), changed(run.folder)), **by_key}, **settings)


def networks_of_run(**settings: Any) -> Callable[[Callable[[Run], Any]], Callable[[Run], Any]]:
    """`of_run` for what holds networks: whoever takes it up computes with as many threads as the run was trained with,
    whatever other visitors are looking at."""

    def decorate(load: Callable[[Run], Any]) -> Callable[[Run], Any]:
        kept = of_run(**settings)(load)

        @wraps(load)
        def taken_up(run: Run) -> Any:
            from rtl_core.threads import use_threads

            partition = kept(run)
            use_threads(run.config.threads)
            return partition

        return taken_up

    return decorate


@of_run(max_entries=24, show_spinner="Counting what the tickets share")
def overlap_counts(run: Run, level: Level) -> Overlap:
    """What all pairs of a run's tickets share at a level; the masks are read for it once."""
    return overlap(run.tickets, level)


@networks_of_run(max_entries=RUNS_AT_WORK, show_spinner="Loading the networks and the run's data")
def opened(run: Run) -> OpenRun:
    """A run at work over its own data, checked to be those that it was trained on. Raises BadInput."""
    from rtl_core.runs.open_run import open_run

    return open_run(run)


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
