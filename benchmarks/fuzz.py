"""Damaged and hostile files, by the thousand: every reader has to read them or refuse them in one sentence.

    python -m benchmarks.fuzz [READER ...] [--cases 5000] [--seed 0]

For each reader of the table below, its samples are mutated (bytes flipped, cut, doubled, overwritten with instructions
of pickle, spliced with another sample) and read. Reported are how many were read and refused, the slowest file and the
memory that reading them took; any other end, a file that a sentinel made, or a class that was looked up, is a failure.
"""

from __future__ import annotations

import argparse
import io
import os
import pickle
import pickletools
import random
import resource
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rtl_core.errors import BadInput

_OPCODES = [ord(opcode.code) for opcode in pickletools.opcodes]
_NUMBERS = (b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", bytes(4), b"\x01\x00\x00\x00")


@dataclass(frozen=True)
class Reader:
    """ending: of the files; samples: intact files, given a path that none may make; read: raises BadInput, or not."""

    ending: str
    samples: Callable[[Path], list[bytes]]
    read: Callable[[Path], object]


class Sentinel:
    """Makes a folder where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def torch_files(mark: Path) -> list[bytes]:
    """State dicts, checkpoints and whole modules as torch.save and pickle write them, most with a sentinel inside."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 3))
    weights = {
        name: (values * (torch.rand(values.shape) < 0.5)).to(values.dtype)
        for name, values in network.state_dict().items()
    }
    arrays = {name: values.numpy() for name, values in weights.items()}
    objects = (
        weights,
        network,
        {"state_dict": weights, "masks": [weights["0.weight"] != 0, weights["2.weight"] != 0], "code": Sentinel(mark)},
        {"model": network, "half": weights["2.weight"].bfloat16(), "args": Sentinel(mark)},
        {"sparse": weights["2.weight"].to_sparse(), "view": weights["0.weight"][:, :, ::2], **weights},
    )
    files = []
    for content in objects:
        for zipped in (True, False):
            file = io.BytesIO()
            torch.save(content, file, _use_new_zipfile_serialization=zipped)
            files.append(file.getvalue())
    return [*files, *(pickle.dumps({**arrays, "code": Sentinel(mark)}, protocol) for protocol in range(6))]


def safetensors_files(_: Path) -> list[bytes]:
    import numpy as np
    import safetensors.numpy

    return [
        safetensors.numpy.save({"a.weight": np.eye(4, dtype=np.float32), "b.weight": np.eye(3, 5, dtype=np.float16)})
    ]


def numpy_files(mark: Path, archive: bool) -> list[bytes]:
    import numpy as np

    file, code = io.BytesIO(), io.BytesIO()
    if archive:
        np.savez(file, **{"a.weight": np.eye(4), "b.weight": np.eye(3, 5)})
        np.savez(code, w=np.array([Sentinel(mark)], object))
    else:
        np.save(file, np.eye(3, 8, dtype=bool))
        np.save(code, np.array([Sentinel(mark)], object))
    return [file.getvalue(), code.getvalue()]


def read_masks(path: Path) -> object:
    from rtl_core.interchange import import_masks

    return import_masks.join(import_masks.read_masks(path))


READERS = {
    "torch": Reader(".pth", torch_files, read_masks),
    "safetensors": Reader(".safetensors", safetensors_files, read_masks),
    "npz": Reader(".npz", lambda mark: numpy_files(mark, True), read_masks),
    "npy": Reader(".npy", lambda mark: numpy_files(mark, False), read_masks),
}


def mutated(content: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """The content with one to four changes; half of torch's zip archives are changed inside, with right checksums."""
    if content.startswith(b"PK") and draw.random() < 0.7:
        return _inside_zip(content, draw)
    return _changed(bytearray(content), others, draw)


def _inside_zip(content: bytes, draw: random.Random) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        chosen = draw.choice([name for name in old.namelist() if name.endswith((".pkl", ".npy"))])
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
        try:
            reader.read(path)
            ends["read"] += 1
        except BadInput as error:
            ends["refused" if "\n" not in str(error) else "several lines"] += 1
        except Exception as error:
            ends[f"{type(error).__name__}: {error!s:.80}"] += 1
        slowest = max(slowest, time.perf_counter() - began)
        if mark.exists():
            raise RuntimeError(f"case {number} of seed {seed} was executed")
    return ends, slowest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("readers", nargs="*", choices=[[], *READERS], default=[], metavar="READER")
    parser.add_argument("--cases", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    looked_up: Counter = Counter()
    failed = False
    for name in given.readers or READERS:
        with tempfile.TemporaryDirectory() as folder:
            outcomes(READERS[name], 20, given.seed, Path(folder))  # loads what the reader needs
            sys.addaudithook(lambda event, _, name=name: event == "pickle.find_class" and looked_up.update([name]))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            ends, slowest = outcomes(READERS[name], given.cases, given.seed, Path(folder))
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(
            f"{name}: {dict(ends)}; slowest {slowest:.2f} s; memory grew by {grown:,.0f} MB; "
            f"classes looked up: {looked_up[name]}"
        )
        failed = failed or bool(ends.keys() - {"read", "refused"} or looked_up[name])
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
