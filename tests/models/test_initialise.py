"""No tensor of a network holds memory that nobody wrote, and every layer draws from its own generator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from rtl_core.config import ModelSettings
from rtl_core.errors import BadInput
from rtl_core.models import catalogue
from rtl_core.rng import seed_for

LAYERS = {
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(3, 4, 3),
    "GroupNorm": lambda: nn.GroupNorm(2, 4),
    "LayerNorm": lambda: nn.LayerNorm(6),
    "Embedding": lambda: nn.Embedding(7, 3, padding_idx=0),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
    "PReLU": lambda: nn.PReLU(3),
    "GRU": lambda: nn.GRU(3, 4, bidirectional=True),
    "MultiheadAttention": lambda: nn.MultiheadAttention(8, 2, add_bias_kv=True),
}


class Newcomer(nn.Module):
    """A layer between a body and a head, as somebody would add a network to the catalogue."""

    prunable = ("body.weight",)

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.body = nn.Linear(2, 2)
        self.layer = layer
        self.head = nn.Linear(2, 2)


@pytest.fixture
def build(monkeypatch):
    """(makes a layer, seed) -> that layer as a network of the catalogue has it."""

    def built(make, seed=0):
        monkeypatch.setitem(catalogue.CATALOGUE, "mlp", lambda description: Newcomer(make()))
        return catalogue.build(ModelSettings(name="mlp"), (2,), 2, seed).module.layer

    return built


@pytest.mark.parametrize("name", LAYERS)
def test_layers_start_as_pytorch_starts_them(build, name):
    """The layer by itself, reset after the global generator was given the seed of ours, has the very same values."""
    ours = build(LAYERS[name], seed=3).state_dict()
    layer = LAYERS[name]()
    reset = getattr(layer, "reset_parameters", None) or layer._reset_parameters
    with torch.random.fork_rng():
        torch.manual_seed(seed_for(3, "model", "layer"))
        reset()
    theirs = layer.state_dict()
    assert ours.keys() == theirs.keys()
    inner = {key for key in ours if key == "out_proj.weight"}  # of a layer within, which has a generator of its own
    assert all(torch.equal(ours[key], theirs[key]) for key in ours.keys() - inner)


@pytest.mark.parametrize("name", LAYERS)
def test_values_are_a_function_of_the_seed_and_the_global_generator_stays(build, name):
    before = torch.get_rng_state()
    first, again, other = (build(LAYERS[name], seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    drawn = [key for key, value in first.items() if value.numel() > 1 and value.float().std() > 0]
    assert all(not torch.equal(first[key], other[key]) for key in drawn)
    assert bool(drawn) == (name in ("ConvTranspose2d", "Embedding", "GRU", "MultiheadAttention"))


def test_threads_do_not_draw_from_each_other(build):
    alone = build(LAYERS["GRU"], 1).state_dict()
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(build, LAYERS["GRU"], 1) for _ in range(8)]
        jobs += [pool.submit(torch.randn, 1000) for _ in range(8)]
    for job in jobs[:8]:
        assert all(torch.equal(tensor, alone[key]) for key, tensor in job.result().state_dict().items())


class Free(nn.Module):
    """Parameters and buffers that are set, if at all, where the module is made: lost, for it is made without memory."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.position = nn.Parameter(torch.randn(2, 3))
        self.register_buffer("grid", torch.linspace(0, 1, 5))
        self.register_buffer("order", torch.arange(4))
        self.register_buffer("causal", torch.ones(2, 2).tril().bool())
        self.register_buffer("bytes", torch.zeros(2, dtype=torch.uint8), persistent=False)


class Mended(Free):
    def reset_parameters(self) -> None:
        nn.init.ones_(self.scale)
        nn.init.normal_(self.position, std=0.02)
        self.grid.copy_(torch.linspace(0, 1, 5))
        self.order.copy_(torch.arange(4))
        self.causal.copy_(torch.ones(2, 2).tril())
        self.bytes.zero_()


def test_a_tensor_that_nobody_initialises_is_named(build):
    with pytest.raises(BadInput) as refused:
        build(Free)
    for name in ("scale", "position", "grid", "order", "causal", "bytes"):
        assert f"layer.{name}" in str(refused.value)
    assert "head" not in str(refused.value)
    assert "give the module that holds it a method reset_parameters()" in str(refused.value)


def test_a_method_that_sets_them_is_enough(build):
    layer = build(Mended)
    assert layer.scale.tolist() == [1, 1, 1] and layer.order.tolist() == [0, 1, 2, 3]
    assert layer.causal.tolist() == [[True, False], [True, True]] and layer.bytes.tolist() == [0, 0]
    assert 0 < layer.position.abs().max() < 0.2


def test_one_element_left_out_is_noticed(build):
    class Nearly(Mended):
        def reset_parameters(self) -> None:
            super().reset_parameters()
            self.grid = torch.full((5,), float("nan"))
            self.grid[:4] = 0

    with pytest.raises(BadInput, match=r"nothing initialises layer\.grid of Newcomer"):
        build(Nearly)


def test_an_outer_module_has_the_last_word(build):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(4)

        def reset_parameters(self) -> None:
            nn.init.zeros_(self.norm.weight)  # a residual block that starts as the identity

    assert build(Block).norm.weight.tolist() == [0, 0, 0, 0]


def _randint(n):
    return torch.randint(2, 1000, (n,))


def _randn_like(n):
    return torch.randn_like(torch.empty(n))


@pytest.mark.parametrize("draw", [torch.randn, torch.rand, torch.randperm, _randint, _randn_like])
def test_draws_that_are_not_in_place_are_seeded_too(build, draw):
    class Drawing(nn.Module):
        def __init__(self):
            super().__init__()
            self.free = nn.Parameter(torch.empty(50))

        def reset_parameters(self) -> None:
            self.free.copy_(draw(50))

    before = torch.get_rng_state()
    first, again, other = (build(Drawing, seed).free for seed in (3, 3, 4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_draw_that_takes_no_generator_is_refused(build):
    class Drawing(nn.Module):
        def __init__(self):
            super().__init__()
            self.free = nn.Parameter(torch.empty(50))

        def reset_parameters(self) -> None:
            self.free.copy_(torch.native_dropout(torch.ones(50), 0.5, True)[0])

    with pytest.raises(BadInput, match="reset_parameters of Drawing draws with native_dropout"):
        build(Drawing)
