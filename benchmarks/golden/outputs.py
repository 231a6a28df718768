"""What one call of the command line gives: its JSON and the files that it wrote, without anything volatile."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.golden.items import Item

ROOT = Path(__file__).resolve().parents[2]
VOLATILE = {"seconds", "time", "pid", "process_started", "heartbeat", "started", "finished", "created", "bytes"}
VOLATILE |= {"eta_seconds", "digest"}  # the digest of run.json covers the seconds in it
TIMES = re.compile(r"\b\d+(\.\d+)? (s|seconds|min|h)\b|\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?")
PICTURE = re.compile(r"(?<=base64,)[\w+/=]{64,}")
WITHOUT_RUNS = ("settings", "benchmark")  # verbs without --runs


def of_command(item: Item, work: Path, out: Path) -> dict[str, Any]:
    """The answer of one call and the files that it wrote: into `out`, below which its runs are, too."""
    arguments: list[str] = []
    for given in item.arguments:
        given = re.sub(r"@([\w-]+)", lambda alias: str(run_folder(work, alias[1]).relative_to(work)), given)
        given = given.replace("OUT", str(out.relative_to(work)))
        arguments += [str(path.relative_to(work)) for path in sorted(work.glob(given))] if "*" in given else [given]
    runs = [] if arguments[0] in WITHOUT_RUNS else ["--runs", str(out.relative_to(work) / "runs")]
    done = subprocess.run(
        [sys.executable, "-m", "rtl_core", *arguments, *runs, *(["--json"] if item.kind == "verb" else [])],
        cwd=work,  # so that no path is in what it says
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return {"code": done.returncode, "error": done.stderr.strip().splitlines()[-1:]}
    answer = json.loads(done.stdout) if item.kind == "verb" else done.stdout.splitlines()
    return {"answer": answer, "files": described(out)}


def run_folder(work: Path, alias: str) -> Path:
    """The folder of the run that the item runs/ALIAS made."""
    return next((work / "out" / "runs" / alias / "runs").glob("*/run.json")).parent


def described(folder: Path) -> dict[str, Any]:
    """Path -> content of every file below a folder."""
    return {str(file.relative_to(folder)): _content(file) for file in sorted(folder.rglob("*")) if file.is_file()}


def _content(file: Path) -> Any:
    """JSON as it is, arrays as lists, tensors as digests, all else as lines. Of losses only the last of each stage."""
    if file.suffix == ".json":
        return json.loads(file.read_text("utf-8"))
    if file.suffix == ".jsonl":
        rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        kept = [row | {"time": 0} for row in rows if "loss" not in row or row["step"] >= row["steps"]]
        return sorted(kept, key=lambda row: json.dumps(row, sort_keys=True))  # stages are trained on threads
    if file.suffix == ".csv":
        return list(csv.DictReader(file.read_text("utf-8").splitlines()))
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            return {name: [str(arrays[name].dtype), arrays[name].tolist()] for name in sorted(arrays.files)}
    if file.suffix == ".safetensors":
        return _tensors(file)
    return re.split(r"\n|(?<=>)", file.read_text("utf-8"))


def _tensors(file: Path) -> dict[str, Any]:
    from safetensors import safe_open

    digests = {}
    with safe_open(file, framework="np") as tensors:
        for name in sorted(tensors.keys()):
            array = tensors.get_tensor(name)
            digests[name] = [str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
        metadata = tensors.metadata()
    return {"sha256": hashlib.sha256(file.read_bytes()).hexdigest(), "metadata": metadata, "tensors": digests}


def clean(value: Any, work: Path) -> Any:
    """JSON without volatile fields, times and folders; a figure's typed arrays as lists, pictures as digests."""
    if isinstance(value, dict):
        if "bdata" in value:
            flat = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
            return flat.reshape([int(n) for n in str(value.get("shape", flat.size)).split(",")]).tolist()
        return {str(name): clean(inner, work) for name, inner in value.items() if name not in VOLATILE}
    if isinstance(value, list | tuple):
        return [clean(inner, work) for inner in value]
    if isinstance(value, np.generic | np.ndarray):
        return clean(value.tolist(), work)
    if isinstance(value, str):
        short = PICTURE.sub(lambda data: hashlib.sha256(data[0].encode()).hexdigest(), value)
        return TIMES.sub("TIME", short.replace(str(work), "WORK").replace(str(ROOT), "ROOT"))
    return value if value is None or isinstance(value, int | float) else str(value)
