"""Files of networks and masks that `benchmarks.fuzz` mutates, most of them with something inside that must not run."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path


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
