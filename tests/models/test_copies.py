"""Copies of a module: norms folded by hand, and one structure a thread over the same tensors."""

import copy
from threading import Thread

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks.crowd import often_interrupted
from rtl_core.config import ModelSettings
from rtl_core.models.catalogue import CATALOGUE, build
from rtl_core.models.copies import folded, quick, structure
from tests.models.outputs import outputs_of

NETWORKS = [(name, stem) for name in CATALOGUE for stem in ("cifar", "imagenet") if "resnet" in name or stem == "cifar"]


def norms(module: nn.Module) -> int:
    return sum(isinstance(inner, _BatchNorm) for inner in module.modules())


def overwriting(module: nn.Module) -> set[bool]:
    return {inner.inplace for inner in module.modules() if isinstance(inner, nn.ReLU)}


def some_network(name: str, stem: str = "cifar") -> nn.Module:
    """Of the catalogue, in eval mode, with statistics as a trained network has them."""
    outputs = outputs_of(name, (3, 32, 32), 7)
    module = build(ModelSettings(name=name, stem=stem, width=0.25), (3, 32, 32), outputs, seed=0).module.eval()
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for inner in module.modules():
            if isinstance(inner, _BatchNorm):
                for tensor in (inner.running_mean, inner.running_var, inner.weight, inner.bias):
                    tensor.copy_(0.5 + torch.rand(tensor.shape, generator=draw))
    return module


@pytest.mark.parametrize(("name", "stem"), NETWORKS)
def test_all_norms_of_the_catalogue_are_folded_and_outputs_stay(name, stem):
    module = some_network(name, stem)
    before = copy.deepcopy(module.state_dict())
    x = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = module(x)
        assert norms(module) > 0 and expected.std() > 1e-2 * expected.abs().max()
        for less in (folded(module), quick(module)):
            assert norms(less) == 0 and not any(tensor.requires_grad for tensor in less.parameters())
            assert (less(x) - expected).abs().max() <= 1e-5 * max(1, float(expected.abs().max()))
    assert [overwriting(made) for made in (module, folded(module), quick(module))] == [{False}, {False}, {True}]
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())


class Own(nn.Module):
    """A network of somebody's: the norm's inputs are used a second time where `again`."""

    def __init__(self, again: bool) -> None:
        super().__init__()
        self.fc, self.norm, self.again = nn.Linear(3, 4), nn.BatchNorm1d(4), again

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.fc(x)
        return self.norm(y) + y if self.again else self.norm(y)


class Stated(Own):
    norm_after = {"fc": "norm"}  # noqa: RUF012


def test_own_modules_keep_their_norms_unless_they_say_which_follows_what():
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    for module, left in ((Own(again=True), 1), (Own(again=False), 1), (nn.Sequential(Stated(again=False)), 0)):
        less = folded(module)
        assert norms(less) == left and not less.training and module.training
        torch.testing.assert_close(less(x), module.eval()(x))


@pytest.mark.parametrize(
    ("layer", "norm"),
    [
        (nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False)),
        (nn.Linear(3, 4), nn.BatchNorm1d(4, track_running_stats=False)),
        (nn.Bilinear(3, 3, 4), nn.BatchNorm1d(4)),
    ],
)
def test_a_pair_that_cannot_be_folded_stays(layer, norm):
    module = Stated(again=False)
    module.fc, module.norm = layer, norm
    assert norms(folded(module)) == 1


def test_threads_that_fold_at_once_leave_the_module_class_alone():
    module, x = some_network("convnet"), torch.randn(2, 3, 32, 32)
    call, rows = nn.Module.__call__, []

    def fold() -> None:
        for _ in range(10):
            try:
                with torch.no_grad():
                    rows.append(folded(module)(x))
            except Exception as error:
                rows.append(error)

    try:
        with often_interrupted():
            threads = [Thread(target=fold) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert nn.Module.__call__ is call
    finally:
        nn.Module.__call__ = call
    assert len(rows) == 40
    assert all(torch.is_tensor(outputs) and torch.allclose(outputs, rows[0], atol=1e-5) for outputs in rows)


def test_a_structure_shares_tensors_and_nothing_else():
    module = Own(again=False)
    own = structure(module).eval()
    assert all(one is other for one, other in zip(own.parameters(), module.parameters(), strict=True))
    assert all(one is other for one, other in zip(own.buffers(), module.buffers(), strict=True))
    own.norm.momentum, own.fc.weight = None, nn.Parameter(torch.zeros(4, 3))
    assert module.training and module.norm.momentum == 0.1 and module.fc.weight.abs().sum() > 0


def test_functional_calls_on_structures_do_not_meet():
    """Each thread's tensors give its own outputs; over the module itself they would come into one another's calls."""
    module, x, wrong = Own(again=False).eval(), torch.ones(2, 3), []

    def call(k: int) -> None:
        own = structure(module)
        tensors = {name: torch.full_like(tensor, k) for name, tensor in module.state_dict().items()}
        with torch.no_grad():
            expected = functional_call(structure(module), tensors, (x,))
            wrong.extend(k for _ in range(50) if not torch.equal(functional_call(own, tensors, (x,)), expected))

    with often_interrupted():
        threads = [Thread(target=call, args=(k,)) for k in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
