"""Damaged and hostile files, by the thousand: every reader has to read them or refuse them in one sentence.

    python -m benchmarks.fuzz [READER ...] [--cases 1000] [--seed 0] [--out docs/results/fuzz.md]

For each reader of the table below, its samples are mutated (bytes flipped, cut, doubled, overwritten with instructions
of pickle, spliced with another sample) and read. Reported are how many were read and refused, the slowest file and the
memory that reading them took; any other end, a file that a sentinel made, or a class that was looked up, is a failure.
"""

from __future__ import annotations

import argparse
import io
import pickletools
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import fuzz_data as data
from benchmarks import fuzz_masks as masks
from rtl_core.errors import BadInput

PATIENCE = 20  # seconds after which a reader counts as hung
MOST_MB = 2_048  # by which reading may make the memory grow
_OPCODES = [ord(opcode.code) for opcode in pickletools.opcodes]
_NUMBERS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", bytes(4), b"\x01\x00\x00\x00")


@dataclass(frozen=True)
class Reader:
    """ending: of the files; samples: intact files, given a path that none may make; read: raises BadInput, or not."""

    ending: str
    samples: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]


READERS = {
    "torch": Reader(".pth", masks.torch_files, masks.read_masks),
    "safetensors": Reader(".safetensors", masks.safetensors_files, masks.read_masks),
    "masks in npz": Reader(".npz", lambda mark: masks.numpy_files(mark, True), masks.read_masks),
    "masks in npy": Reader(".npy", lambda mark: masks.numpy_files(mark, False), masks.read_masks),
    "ticket file": Reader(".ticket.safetensors", data.ticket_files, data.read_ticket_file),
    "pictures": Reader(".png", data.pictures, data.read_picture),
    "uploaded zip": Reader(".zip", data.uploads, data.read_upload),
    "names of classes": Reader(".json", data.name_tables, data.read_names),
    "csv": Reader(".csv", data.csv_tables, data.read_table),
    "parquet": Reader(".parquet", data.parquet_tables, data.read_table),
    "npz": Reader(".npz", data.array_archives, data.read_arrays),
    "idx": Reader(".idx", data.idx_pictures, data.read_idx),
    "cifar": Reader(".bin", data.cifar_batches, data.read_cifar),
    "predictions": Reader(".csv", data.predictions, data.read_predictions),
    "settings": Reader(".json", data.settings_files, data.read_settings),
    **{name: Reader(".part", *data.of_run(name)) for name in data.FILES_OF_A_RUN},
}


def mutated(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """The content with one to four changes; most zip archives are changed inside, with right checksums."""
    if content.startswith(b"PK") and draw.random() < 0.7:
        return _inside_zip(content, draw)
    return _changed(bytearray(content), others, draw)


def _inside_zip(content: bytes, draw: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = draw.choice(old.namelist())
        for name in old.namelist():
            inner = old.read(name)
            new.writestr(name, _changed(bytearray(inner), [inner], draw) if name == chosen else inner)
    return file.getvalue()


def _changed(content: bytearray, others: list[bytes], draw: random.Random) -> bytes:
    for _ in range(draw.randint(1, 4)):
        place = draw.randrange(len(content) + 1)
        match draw.randrange(7):
            case 0 if place < len(content):
                content[place] ^= 1 << draw.randrange(8)
            case 1 if place < len(content):
                content[place] = draw.choice(_OPCODES)
            case 2:
                content[place : place + 4] = draw.choice(_NUMBERS)
            case 3:
                del content[place : place + draw.randint(1, 40)]
            case 4:
                content[place:place] = content[place : place + draw.randint(1, 40)] * draw.randint(1, 3)
            case 5:
                other = draw.choice(others)
                start = draw.randrange(len(other) + 1)
                content[place:place] = other[start : start + draw.randint(1, 60)]
            case _ if draw.random() < 0.1:
                del content[place:]
    return bytes(content)


def outcomes(reader: Reader, cases: int, seed: int, folder: Path) -> tuple[Counter, float]:
    """How often each end came, and the seconds of the slowest file.

    Ends: "read", "refused", or the name of an error that is no sentence. RuntimeError if anything was executed.
    """
    draw, mark, path = random.Random(seed), folder / "executed", folder / f"case{reader.ending}"
    samples = reader.samples(mark)
    ends, slowest = Counter(), 0.0
    for number in range(cases):
        path.write_bytes(mutated(samples[number % len(samples)], samples, draw))
        began = time.perf_counter()
        signal.alarm(PATIENCE)
        try:
            reader.read(path)
            ends["read"] += 1
        except BadInput as error:
            ends["refused" if "\n" not in str(error) else "several lines"] += 1
        except Exception as error:
            ends[f"{type(error).__name__}: {error!s:.80}"] += 1
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.perf_counter() - began)
        if mark.exists():
            raise RuntimeError(f"case {number} of seed {seed} was executed")
    return ends, slowest


def report(name: str, cases: int, seed: int) -> tuple[str, bool]:
    """A line of the table, and whether all files were read or refused within the memory that they may take."""
    with tempfile.TemporaryDirectory() as folder:
        outcomes(READERS[name], 20, seed, Path(folder))  # loads what the reader needs
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        ends, slowest = outcomes(READERS[name], cases, seed, Path(folder))
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    read, refused = ends.pop("read", 0), ends.pop("refused", 0)
    other = "; ".join(f"{end} ({count})" for end, count in ends.items()) or "0"
    line = f"| {name} | {cases:,} | {read:,} | {refused:,} | {other} | {slowest:.2f} | {grown:,.0f} |"
    return line, not ends and grown <= MOST_MB


def table(names: list[str], cases: int, seed: int) -> Iterator[tuple[str, bool]]:
    about = (
        f"{len(names) * cases:,} mutations, by seed, of intact files of every kind that is read. Each has to end in a "
        f"result or a sentence, within {PATIENCE} s, and reading may take {MOST_MB:,} MB at most. "
        f"Made by `python -m benchmarks.fuzz --cases {cases} --seed {seed}`."
    )
    for line in ("# Damaged files\n", f"{about}\n"):
        yield line, True
    yield "| reader | files | read | refused | other ends | slowest, s | memory grew by, MB |", True
    yield "|---|---|---|---|---|---|---|", True
    looked_up: list[str] = []
    sys.addaudithook(lambda event, _: looked_up.append(event) if event == "pickle.find_class" else None)
    for name in names:
        yield report(name, cases, seed)
    yield f"\nClasses that a file had looked up: {len(looked_up)}. Files that ran something: 0.", not looked_up


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], default=[], metavar="READER")
    parser.add_argument("--cases", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="also write the table to this file")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _hung)
    lines, fine = [], True
    for line, good in table(given.readers or list(READERS), given.cases, given.seed):
        print(line, flush=True)
        lines.append(line)
        fine = fine and good
    if given.out:
        given.out.write_text("\n".join(lines) + "\n", "utf-8")
    return int(not fine)


def _hung(*_: object) -> None:
    raise TimeoutError(f"more than {PATIENCE} s")


if __name__ == "__main__":
    sys.exit(main())
