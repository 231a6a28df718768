"""Masks of networks pruned elsewhere, recounted from what torch and numpy wrote."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from rtl_core.errors import BadInput
from rtl_core.interchange import import_masks, import_masks_arrays
from rtl_core.interchange.import_masks import join, read_masks
from rtl_core.interchange.ticket_file import write_ticket
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet
from tests.interchange.pruned import joined, refusal, saved

A = {"conv.weight": [[1.0, 0.0], [-2.0, 3.0]], "conv.bias": [0.0, 1.0], "fc.weight": [[0.0, 0.0, 5.0]]}
B = {"conv.weight": [[0.0, 4.0], [-2.0, 3.0]], "conv.bias": [0.0, 1.0], "fc.weight": [[7.0, 0.0, 0.0]]}
KEPT = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 1, 1, 1, 1, 0, 0]], bool)
SETTINGS = {"data": {}, "model": {"name": "tiny"}, "licence": ""}


def arrays(weights: dict) -> dict[str, np.ndarray]:
    return {name: np.array(values, np.float32) for name, values in weights.items()}


def tensors(weights: dict) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(values) for name, values in weights.items()}


def small_network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(5, 6)
    )


def written(folder: Path, kind: str, name: str, weights: dict) -> Path:
    path = folder / f"{name}.{kind}"
    match kind:
        case "safetensors":
            safetensors.numpy.save_file(arrays(weights), path)
        case "npz":
            np.savez(path, **arrays(weights))
        case _:
            torch.save(tensors(weights), path)
    return path


@pytest.mark.parametrize("kind", ["safetensors", "pt", "pth", "bin", "npz"])
def test_zeros_are_the_mask_of_plain_weights(tmp_path, kind):
    tickets, left_out = joined(written(tmp_path, kind, "a", A), written(tmp_path, kind, "b", B))
    assert np.array_equal(tickets.masks(), KEPT)
    assert tickets.names == ("a", "b")
    assert tickets.layout == Layout(("conv.weight", "fc.weight"), ((2, 2), (1, 3)))
    assert tickets.levels == (Level(1, pytest.approx(8 / 14), "target"),)
    assert left_out == {"conv.bias": "it has fewer than two dimensions, as biases, norms and their statistics have"}


def test_kinds_may_be_mixed(tmp_path):
    tickets, _ = joined(written(tmp_path, "npz", "a", A), written(tmp_path, "pt", "b", B))
    assert np.array_equal(tickets.masks(), KEPT)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_state_dict_inside_a_training_checkpoint_is_found(tmp_path, key):
    path = saved(tmp_path / "a.pt", {"epoch": 3, key: tensors(A), "optimizer": {"state": {}}})
    assert np.array_equal(joined(path)[0].masks()[0], KEPT[0])


def test_torchs_older_format_is_read(tmp_path):
    torch.save(tensors(A), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    assert np.array_equal(joined(tmp_path / "a.pt")[0].masks()[0], KEPT[0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.float8_e4m3fn])
def test_zeros_are_zeros_in_every_type_and_memory_format(tmp_path, dtype):
    weights = torch.randint(0, 3, (4, 3, 2, 2)).to(dtype)
    torch.save({"w": weights.to(memory_format=torch.channels_last)}, tmp_path / "a.pt")
    safetensors.torch.save_file({"w": weights.contiguous()}, tmp_path / "b.safetensors")
    masks = joined(tmp_path / "a.pt", tmp_path / "b.safetensors")[0].masks()
    assert np.array_equal(masks, [(weights.float() != 0).flatten().numpy()] * 2)


@pytest.mark.parametrize("removed", [False, True])
def test_torchs_own_pruning_is_recounted(tmp_path, removed):
    """Global and structured pruning, with `X_orig` and `X_mask` in the state dict or made permanent."""
    files, expected = [], []
    for seed in (0, 1):
        network = small_network(seed)
        prune.global_unstructured([(network[0], "weight"), (network[5], "weight")], prune.L1Unstructured, amount=50)
        prune.ln_structured(network[3], "weight", amount=2, n=2, dim=0)
        expected.append(np.concatenate([(network[i].weight != 0).flatten().numpy() for i in (0, 3, 5)]))
        if removed:
            for i in (0, 3, 5):
                prune.remove(network[i], "weight")
        files.append(saved(tmp_path / f"seed{seed}.pt", network.state_dict()))
    tickets, left_out = joined(*files)
    assert tickets.layout.names == ("0.weight", "3.weight", "5.weight")
    assert np.array_equal(tickets.masks(), expected)
    assert (~tickets.masks()[:, tickets.layout.slices()["3.weight"]]).sum(axis=1).tolist() == [2 * 4 * 9] * 2
    assert {"1.weight", "1.running_mean", "0.bias"} <= left_out.keys()


def test_a_zero_weight_inside_an_explicit_mask_is_kept(tmp_path):
    path = saved(
        tmp_path / "a.pt", {"w_orig": torch.tensor([[0.0, 1.0, 2.0]]), "w_mask": torch.tensor([[1.0, 1.0, 0.0]])}
    )
    tickets, _ = joined(path)
    assert tickets.layout.names == ("w",)
    assert tickets.masks().tolist() == [[True, True, False]]


@pytest.mark.parametrize("dtype", [torch.int32, torch.bool, torch.float32, torch.uint8])
def test_files_of_masks_alone(tmp_path, dtype):
    """open_lth writes `mask.pth`: tensor name -> int32; others write bools, or keep torch's `_mask` names."""
    masks = {name: (values != 0).to(dtype) for name, values in tensors(A).items()}
    plain = saved(tmp_path / "mask.pth", masks)
    suffixed = saved(tmp_path / "masks.pt", {f"{name}_mask": mask for name, mask in masks.items()})
    tickets, _ = joined(plain, suffixed)
    assert tickets.layout.names == ("conv.weight", "fc.weight")
    assert np.array_equal(tickets.masks(), KEPT[[0, 0]])


def test_buffers_are_no_masks(tmp_path):
    """Such as GPT-2's causal mask, which holds zeros and ones, and Swin's table of positions."""
    buffers = {"attn.causal": torch.ones(3, 3).tril().bool(), "index": torch.arange(4).reshape(2, 2)}
    path = saved(tmp_path / "a.pt", {**buffers, **tensors(A), "ln.bias": torch.zeros(2, 2)})
    tickets, left_out = joined(path)
    assert tickets.layout.names == ("conv.weight", "fc.weight")
    assert left_out["attn.causal"] == left_out["index"]
    assert left_out["index"] == "it holds whole numbers beside floating-point weights: a buffer"
    assert left_out["ln.bias"] == "it is a bias or a running statistic by its name"


def test_what_is_not_common_or_not_pruned_is_left_out_with_its_reason(tmp_path):
    more = {"dense.weight": [[1.0, 2.0]]}
    first = written(tmp_path, "pt", "a", {**A, **more, "extra.weight": [[0.0, 1.0]]})
    second = written(tmp_path, "pt", "b", {**B, "dense.weight": [[3.0, 4.0, 5.0]]})
    tickets, left_out = joined(first, second)
    assert np.array_equal(tickets.masks(), KEPT)
    assert left_out["dense.weight"] == "no weight of it is pruned in any file"
    assert left_out["extra.weight"] == "it is missing in b.pt"


@pytest.mark.parametrize("kind", ["npz", "safetensors"])
def test_one_file_with_many_masks(tmp_path, kind):
    both = {f"{ticket}/{name}": np.array(v) for ticket, w in (("day", A), ("night", B)) for name, v in w.items()}
    tickets, _ = joined(written(tmp_path, kind, "all", both))
    assert tickets.names == ("day", "night")
    assert np.array_equal(tickets.masks(), KEPT)


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float64, ">i4"])
def test_an_npy_array_is_k_masks_or_one(tmp_path, dtype):
    np.save(tmp_path / "masks.npy", np.asfortranarray(KEPT.astype(dtype)))
    np.save(tmp_path / "one.npy", KEPT[0].astype(dtype))
    tickets, _ = joined(tmp_path / "masks.npy", tmp_path / "one.npy")
    assert tickets.names == ("masks-1", "masks-2", "one")
    assert tickets.layout == Layout(("mask",), ((7,),))
    assert np.array_equal(tickets.masks(), KEPT[[0, 1, 0]])


def test_safetensors_are_put_in_the_order_of_their_numbers(tmp_path):
    weights = {f"blocks.{i}.weight": [[0.0, 1.0]] for i in (10, 2, 1)}
    tickets, _ = joined(written(tmp_path, "safetensors", "a", weights))
    assert tickets.layout.names == ("blocks.1.weight", "blocks.2.weight", "blocks.10.weight")


def tickets_of_levels(levels: tuple[Level, ...]) -> TicketSet:
    layout = Layout(("conv.weight", "scale"), ((2, 3), (2,)))
    pruned_at = np.array([[0, 1, 2, 3, 0, 1, 2, 1], [1, 2, 3, 0, 0, 1, 2, 3]], np.uint8)
    return TicketSet(("day", "night"), ("sunny", "dark"), layout, pruned_at, levels)


def test_ticket_files_keep_their_rungs_where_these_are_equal(tmp_path):
    levels = (Level(1, 0.8, "denser"), Level(2, 0.5, "target"), Level(3, 0.2, "lighter"))
    tickets = tickets_of_levels(levels)
    theta = {"conv.weight": np.ones((2, 3), np.float32), "scale": np.ones(2, np.float32)}
    files = [tmp_path / "one.ticket.safetensors", tmp_path / "two.ticket.safetensors"]
    for k, file in enumerate(files):
        write_ticket(file, tickets, k, theta, SETTINGS)
    again, left_out = joined(*files)
    assert (again.names, again.subsets, again.layout, again.levels, left_out) == (
        ("one", "two"),
        ("sunny", "dark"),
        tickets.layout,
        levels,
        {},
    )
    assert np.array_equal(again.pruned_at, tickets.pruned_at)

    others = tickets_of_levels((Level(1, 0.9, "denser"), Level(2, 0.5, "target"), Level(3, 0.2, "lighter")))
    write_ticket(files[1], others, 1, theta, SETTINGS)
    mixed, _ = joined(*files)
    assert [level.kind for level in mixed.levels] == ["target"]
    assert np.array_equal(mixed.masks(), tickets.masks())


def test_names_are_plain_bounded_and_unique(tmp_path):
    path = written(tmp_path, "pt", "a", A)
    titles = ["C:\\runs\\net one.pt", "../../etc/net one.pt", "<b>\n&.pt", "x" * 500 + ".pt", "....pt"]
    tickets, _ = join([ticket for title in titles for ticket in read_masks(path, title)])
    assert tickets.names == ("net one", "net one-2", "b", "x" * 60, "ticket")
    assert [ticket.file for title in titles[:2] for ticket in read_masks(path, title)] == ["net one.pt"] * 2


class Trap:
    """Unpickled, it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("ending", ["pt", "pth", "bin", "npy", "npz", "safetensors"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, ending):
    mark, path = tmp_path / "ran", tmp_path / f"evil.{ending}"
    pickle.loads(pickle.dumps(Trap(mark))).close()
    assert mark.exists()
    mark.unlink()
    if ending == "npy":
        np.save(path, np.array([Trap(mark)], object), allow_pickle=True)
    elif ending == "npz":
        np.savez(path, w=np.array([Trap(mark)], object))
    else:
        torch.save({"w": torch.zeros(2, 2), "code": Trap(mark)}, path)
        legacy = tmp_path / f"pickle.{ending}"
        legacy.write_bytes(pickle.dumps({"w": Trap(mark)}, protocol=2))
        assert "pickle." in refusal(legacy)
    assert "evil" in refusal(path)
    assert not mark.exists()


@pytest.mark.parametrize("ending", ["pt", "npz", "npy", "safetensors"])
def test_another_zip_renamed_is_refused(tmp_path, ending):
    path = tmp_path / f"photos.{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cat.txt", "miaow")
    assert "photos" in refusal(path)


def test_zip_archives_that_unpack_without_end_are_refused_unread(tmp_path, monkeypatch):
    saved(tmp_path / "plain.pt", {"w": torch.zeros(100, 1000)})
    with zipfile.ZipFile(tmp_path / "plain.pt") as plain, zipfile.ZipFile(tmp_path / "bomb.pt", "w", 8) as bomb:
        for name in plain.namelist():
            bomb.writestr(name, plain.read(name))
    assert "packed zip archive" in refusal(tmp_path / "bomb.pt")
    np.savez_compressed(tmp_path / "bomb.npz", w=np.zeros((1000, 1000)))
    monkeypatch.setattr("rtl_core.data.npz.MAX_BYTES", 7_999_999)
    assert "8,000,000 bytes" in refusal(tmp_path / "bomb.npz")


def test_a_tensor_that_claims_more_values_than_the_file_holds_is_refused(tmp_path):
    path = saved(tmp_path / "a.pt", {"w": torch.zeros(1).expand(10_000_000, 100)})
    assert "claims 1,000,000,000 values" in refusal(path)


def test_tensors_of_other_kinds_are_refused(tmp_path):
    assert "'w' is sparse" in refusal(saved(tmp_path / "a.pt", {"w": torch.eye(3).to_sparse()}))
    assert "holds no tensors" in refusal(saved(tmp_path / "b.pt", [1, "two"]))
    assert "holds no tensors" in refusal(saved(tmp_path / "c.pt", {"epoch": 3}))
    assert "no pruned tensor" in refusal(saved(tmp_path / "d.pt", {"w": torch.zeros(3, 3, dtype=torch.complex64)}))


def test_shapes_that_differ_are_named_with_both_files(tmp_path):
    first = written(tmp_path, "pt", "a", {"w": [[0.0, 1.0]]})
    second = written(tmp_path, "npz", "b", {"w": [[0.0], [1.0]]})
    assert "tensor 'w' has shape (1, 2) in a.pt but (2, 1) in b.npz" in refusal(first, second)
    both = {"day/w": [[0.0, 1.0]], "night/w": [[0.0], [1.0]]}
    assert "in ticket 'day' of c.npz but (2, 1) in ticket 'night' of c.npz" in refusal(
        written(tmp_path, "npz", "c", both)
    )


def test_networks_with_nothing_pruned_in_common_are_refused(tmp_path):
    first = written(tmp_path, "pt", "a", {"v": [[0.0, 1.0]]})
    assert "'v': it is missing in b.pt" in refusal(first, written(tmp_path, "pt", "b", {"w": [[0.0, 1.0]]}))
    assert "'w': no weight of it is pruned" in refusal(written(tmp_path, "pt", "b", {"w": [[2.0, 1.0]]}))
    assert "'w': it has fewer than two dimensions" in refusal(written(tmp_path, "pt", "b", {"w": [0.0, 1.0]}))


@pytest.mark.parametrize("ending", ["pt", "npz", "safetensors"])
def test_weights_that_are_not_numbers_are_refused(tmp_path, ending):
    assert "tensor 'w' holds NaN" in refusal(written(tmp_path, ending, "a", {"w": [[float("nan"), 0.0]]}))


def test_a_ticket_that_keeps_nothing_is_refused(tmp_path):
    first, second = written(tmp_path, "pt", "a", A), written(tmp_path, "pt", "b", {**B, "conv.weight": [[0.0] * 2] * 2})
    assert joined(first, second)[0].k == 2  # one empty layer is no empty mask
    written(tmp_path, "pt", "b", {"conv.weight": [[0.0] * 2] * 2, "fc.weight": [[0.0] * 3]})
    assert "b.pt keeps nothing" in refusal(first, second)


def test_masks_hold_zeros_and_ones_only(tmp_path):
    half = saved(tmp_path / "a.pt", {"w_orig": torch.ones(1, 2), "w_mask": torch.tensor([[0.5, 1.0]])})
    assert "'w_mask' is no mask: it should hold 0 (pruned) and 1 (kept)" in refusal(half)
    other = saved(tmp_path / "b.pt", {"w_orig": torch.ones(1, 2), "w_mask": torch.ones(2, 2)})
    assert "'w_mask' has shape (2, 2), its weights have (1, 2)" in refusal(other)
    assert "'w' is no mask" in refusal(saved(tmp_path / "c.pt", {"w": torch.tensor([[0, 2]])}))
    for k, values in enumerate(([[0, 2]], [[0.0, float("nan")]], [["0", "1"]], [[0j, 1]])):
        np.save(tmp_path / f"{k}.npy", np.array(values))
        assert "'mask' is no mask" in refusal(tmp_path / f"{k}.npy")


def test_sizes_are_bounded_before_anything_is_read(tmp_path, monkeypatch):
    many = saved(tmp_path / "many.pt", {f"w{i}": torch.zeros(1, 1) for i in range(5)})
    packed_many = written(tmp_path, "npz", "many", {f"w{i}": [[0.0, 1.0]] for i in range(5)})
    with monkeypatch.context() as m:
        m.setattr(import_masks_arrays, "MAX_TENSORS", 4)
        assert "many.pt holds 5 tensors; at most 4" in refusal(many)
        assert "many.npz holds 5 tensors" in refusal(packed_many)
    with monkeypatch.context() as m:
        m.setattr(import_masks, "MAX_BYTES", 100)
        assert "files of more than 100 are not read" in refusal(many)
    with monkeypatch.context() as m:
        m.setattr(import_masks_arrays, "MAX_WEIGHTS", 9)
        assert "together have 10 weights, at most 9" in refusal(packed_many)
    np.save(tmp_path / "k.npy", np.eye(1001, 2, dtype=bool))
    assert "1,001 tickets are too many" in refusal(tmp_path / "k.npy")
    long = saved(tmp_path / "long.pt", {"w" * 301: torch.zeros(2, 2)})
    assert "no printable text of 1 to 300 characters" in refusal(long)


def test_more_than_ten_thousand_tensors_are_refused(tmp_path):
    path = tmp_path / "many.safetensors"
    safetensors.numpy.save_file({f"w{i}": np.zeros((1, 1), np.uint8) for i in range(10_001)}, path)
    assert "10,001 tensors; at most 10,000" in refusal(path)


@pytest.mark.parametrize("kind", ["safetensors", "pt", "npz"])
def test_damaged_files_are_refused_or_read_but_never_break(tmp_path, kind):
    """Every truncation is refused; a flipped byte makes other masks or a refusal."""
    path = written(tmp_path, kind, "a", A)
    content = path.read_bytes()
    for size in range(0, len(content), max(1, len(content) // 40)):
        path.write_bytes(content[:size])
        assert "a." in refusal(path)
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 80):
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << rng.integers(8))]) + content[place + 1 :])
        try:
            assert joined(path)[0].k == 1
        except BadInput as error:
            assert "\n" not in str(error)


def test_damaged_npy_arrays_are_refused(tmp_path):
    file = io.BytesIO()
    np.save(file, KEPT)
    for size in range(1, len(file.getvalue())):
        (tmp_path / "a.npy").write_bytes(file.getvalue()[:size])
        assert "a.npy is not an intact npy array" in refusal(tmp_path / "a.npy")


def test_files_of_other_kinds_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("1 0 1")
    assert "a.txt is of no kind that holds masks; wanted are .safetensors, .pt" in refusal(tmp_path / "a.txt")
    assert "there is no file b.pt" in refusal(tmp_path / "b.pt")
