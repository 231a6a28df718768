"""From a data spec to a Dataset: the one door to all sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rtl_core.config import DataSettings
from rtl_core.data.bundled import BUNDLED, load_bundled
from rtl_core.data.cifar import load_cifar
from rtl_core.data.coco import load_coco
from rtl_core.data.dataset import Dataset
from rtl_core.data.domain_folders import load_domain_folders
from rtl_core.data.folders import load_folder
from rtl_core.data.idx import load_idx
from rtl_core.data.npz import load_npz
from rtl_core.data.pixel_masks.source import is_mask_folder, load_masks
from rtl_core.data.tables import load_openml, load_table
from rtl_core.data.voc import load_voc
from rtl_core.data.yolo import load_yolo
from rtl_core.errors import BadInput


def _load_folder(path: Path, settings: DataSettings, seed: int) -> Dataset:
    """Pictures in class folders, or pictures with masks."""
    return (load_masks if is_mask_folder(path) else load_folder)(path, settings, seed)


PATH_SOURCES: dict[str, Callable[[Path, DataSettings, int], Dataset]] = {
    "folder": _load_folder,
    "masks": load_masks,
    "csv": load_table,
    "npz": load_npz,
    "idx": load_idx,
    "cifar": load_cifar,
    "domain": load_domain_folders,
    "coco": load_coco,
    "voc": load_voc,
    "yolo": load_yolo,
}
NAME_SOURCES: dict[str, Callable[[str, DataSettings, int], Dataset]] = {
    "bundled": load_bundled,
    "openml": load_openml,
}


def load(settings: DataSettings, seed: int) -> Dataset:
    """The data that `settings.spec` names (`kind:rest`); `seed` draws the split where the data has none, and the limit.

    Raises BadInput, in one sentence, for whatever is wrong with the spec, the files or their contents.
    """
    dataset = _loaded(settings, seed)
    if settings.split == "blocks" and dataset.pixel_labels is None:
        raise BadInput(
            f"data.split blocks: only pictures with masks are cut so, and '{settings.spec}' has none; take given"
        )
    return dataset


def _loaded(settings: DataSettings, seed: int) -> Dataset:
    kind, _, rest = settings.spec.partition(":")
    if not rest or kind not in PATH_SOURCES | NAME_SOURCES:
        raise BadInput(f"'{settings.spec}' names no data; there are: {', '.join(known_specs())}")
    if kind in NAME_SOURCES:
        return NAME_SOURCES[kind](rest, settings, seed)
    path = Path(rest).expanduser()
    try:
        if not path.exists():
            raise BadInput(f"{settings.spec}: there is no {path}")
        return PATH_SOURCES[kind](path, settings, seed)
    except OSError as error:
        raise BadInput(f"{settings.spec}: {error.filename or path} cannot be read ({error.strerror})") from None


def known_specs() -> list[str]:
    """What a spec may look like, for messages and forms."""
    return [f"bundled:{name}" for name in BUNDLED] + [f"{kind}:PATH" for kind in PATH_SOURCES] + ["openml:NAME"]
