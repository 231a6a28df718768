"""Maps against Captum called by hand, against nets whose maps are known on paper, and the module left as it was."""

from __future__ import annotations

import copy

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import nn

from rtl_core.audit.attribution.explain import TOLERANCE, Question, explain, outputs_of, private_copy
from rtl_core.audit.attribution.methods import METHODS, check_fit, method_named, settings_of
from rtl_core.audit.attribution.regions import columns, grid
from rtl_core.config import ModelSettings
from rtl_core.errors import BadInput
from rtl_core.models.catalogue import build

PICTURE, ROW = (1, 12, 12), (6,)
PER_COLUMN = columns(tuple("abcdef"))


def network(name: str, outputs: int = 3) -> nn.Module:
    """Norm statistics and scales are not those of a fresh net, so that eval mode matters."""
    shape = ROW if name == "mlp" else PICTURE
    module = build(ModelSettings(name=name, width=0.25), shape, outputs, 0).module
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.running_mean.normal_(0, 0.1, generator=generator)
            layer.running_var.uniform_(0.5, 1.5, generator=generator)
    return module


def inputs(shape: tuple[int, ...], n: int = 4) -> torch.Tensor:
    return torch.rand((n, *shape), generator=torch.Generator().manual_seed(0))


def maps_of(name: str, module: nn.Module, x: torch.Tensor, seed: int = 0, target=None, **parameters):
    method = METHODS[name]
    groups = PER_COLUMN if x.ndim == 2 else grid(tuple(x.shape[1:]), 3)
    baseline = torch.zeros_like(x[:1])
    return explain(module, x, Question(method, settings_of(method, parameters), baseline, groups, seed), target)


def linear() -> nn.Module:
    module = nn.Linear(6, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, -2, 3, 0, 0.5, -1], [0.0, 1, 0, 1, 0, 1]]))
    return module


@pytest.mark.parametrize(
    "name", ["input_x_gradient", "integrated_gradients", "deeplift", "kernel_shap", "feature_ablation"]
)
def test_a_linear_net_gives_weight_times_input(name):
    module, x = linear(), inputs(ROW)
    maps = maps_of(name, module, x, target=0)
    np.testing.assert_allclose(maps.attributions, module.weight[0].detach() * x, atol=1e-3)
    np.testing.assert_allclose(maps.delta, 0, atol=1e-3)


def test_gradient_shap_of_a_linear_net_is_right_but_for_the_noise():
    module, x = linear(), inputs(ROW)
    maps = maps_of("gradient_shap", module, x, target=0, noise=0.0, samples=3)
    np.testing.assert_allclose(maps.attributions, module.weight[0].detach() * x, atol=1e-6)


def test_saliency_of_a_linear_net_is_its_weights():
    module, x = linear(), inputs(ROW)
    signed = maps_of("saliency", module, x, target=0, absolute=False)
    assert np.array_equal(signed.attributions, np.tile(module.weight[0].detach(), (4, 1)))
    assert np.array_equal(maps_of("saliency", module, x, target=0).attributions, np.abs(signed.attributions))


def by_hand(name: str, module: nn.Module, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    baseline = torch.zeros_like(x)
    cam = [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)][-1:]
    if name == "saliency":
        return captum.Saliency(module).attribute(x, target)
    if name == "input_x_gradient":
        return captum.InputXGradient(module).attribute(x, target)
    if name == "integrated_gradients":
        method = captum.IntegratedGradients(module)
        return method.attribute(x, baseline, target, n_steps=16, internal_batch_size=128)
    if name == "deeplift":
        return captum.DeepLift(module).attribute(x, baseline, target)
    if name == "guided_backprop":
        return captum.GuidedBackprop(module).attribute(x, target)
    if name == "guided_grad_cam":
        return captum.GuidedGradCam(module, *cam).attribute(x, target, interpolate_mode="bilinear")
    if name == "grad_cam":
        small = captum.LayerGradCam(module, *cam).attribute(x, target, relu_attributions=True)
        return captum.LayerAttribution.interpolate(small, x.shape[2:], "bilinear")
    return captum.Occlusion(module).attribute(
        x.detach(), (1, 4, 4), (1, 2, 2), baseline, target, perturbations_per_eval=32
    )


@pytest.mark.parametrize(
    "name",
    [
        "saliency",
        "input_x_gradient",
        "integrated_gradients",
        "deeplift",
        "guided_backprop",
        "grad_cam",
        "guided_grad_cam",
        "occlusion",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_maps_are_captums_bit_for_bit(name):
    module, x = network("convnet").eval(), inputs(PICTURE)
    parameters = {"steps": 16, "max_steps": 16} if name == "integrated_gradients" else {}
    maps = maps_of(name, module, x, **parameters)
    hand = copy.deepcopy(module)
    expected = by_hand(name, hand, x.clone().requires_grad_(), torch.from_numpy(maps.target))
    assert np.array_equal(maps.attributions, expected.detach().numpy())
    assert np.ptp(maps.attributions) > 0


@pytest.mark.parametrize("of_columns", ["aaaaaa", "a"])
def test_kernel_shap_of_one_column_is_the_whole_difference(of_columns):
    module, x = nn.Linear(len(of_columns), 3), inputs((len(of_columns),), 3)
    method, groups = METHODS["kernel_shap"], columns(tuple(of_columns))
    maps = explain(module, x, Question(method, settings_of(method, {}), torch.zeros_like(x[:1]), groups), 1)
    with torch.no_grad():
        difference = (module(x) - module(torch.zeros_like(x)))[:, 1]
    np.testing.assert_allclose(groups.sums(maps.attributions)[:, 0], difference, atol=1e-5)
    np.testing.assert_allclose(maps.delta, 0, atol=1e-5)


def test_kernel_shap_is_captums_where_all_coalitions_are_drawn():
    """With three groups there are six coalitions: a few hundred draws see them all, and the values are exact."""
    module, x = network("mlp").eval(), inputs(ROW, 2)
    method = METHODS["kernel_shap"]
    groups = columns(tuple("aabbbc"))
    settings = settings_of(method, {"samples": 2000})
    maps = explain(module, x, Question(method, settings, torch.zeros_like(x[:1]), groups), 0)
    mask = torch.from_numpy(groups.of)[None]
    exact = captum.ShapleyValues(module).attribute(x, torch.zeros_like(x), 0, feature_mask=mask)
    np.testing.assert_allclose(groups.sums(maps.attributions), exact[:, [0, 2, 5]], atol=0.02)
    np.testing.assert_allclose(maps.delta, 0, atol=1e-3)


@pytest.mark.parametrize("name", ["convnet", "resnet18", "mlp"])
def test_deeplift_sums_to_the_difference_on_the_catalogues_networks(name):
    x = inputs(ROW if name == "mlp" else PICTURE)
    maps = maps_of("deeplift", network(name), x)
    assert (maps.relative_delta < 1e-3).all()


def test_deeplift_refuses_gates():
    with pytest.raises(BadInput, match="no rule for Hardsigmoid"):
        maps_of("deeplift", network("ghostnet"), inputs(PICTURE))


class Squares(nn.Module):
    """A steep curve along the way from the baseline: few steps do not give its area."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(40.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.scale * (x - 0.9)).sum(1, keepdim=True)


def test_steps_are_doubled_only_for_inputs_whose_sum_does_not_fit():
    x = torch.cat([torch.full((1, 6), 1.0), torch.full((2, 6), 0.2)])  # the second lies where the curve is flat
    once = maps_of("integrated_gradients", Squares(), x, steps=8, max_steps=8)
    maps = maps_of("integrated_gradients", Squares(), x, steps=8)
    assert once.relative_delta[0] > TOLERANCE and (once.steps == 8).all()
    assert maps.relative_delta[0] <= TOLERANCE and maps.steps[0] > 8
    assert list(maps.steps[1:]) == [8, 8]


@pytest.mark.parametrize("name", [name for name in METHODS if name != "kernel_shap"])
def test_the_module_stays_as_it_was(name):
    module = network("convnet").train()
    before = copy.deepcopy(module.state_dict())
    maps_of(name, module, inputs(PICTURE))
    after = module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert module.training and all(p.requires_grad and p.grad is None for p in module.parameters())
    assert not any(
        layer._forward_hooks or layer._backward_hooks or layer._forward_pre_hooks for layer in module.modules()
    )


@pytest.mark.parametrize("name", ["gradient_shap", "kernel_shap"])
def test_draws_come_from_the_seed_alone(name):
    module, x = network("mlp"), inputs(ROW)
    torch.manual_seed(0)
    maps = maps_of(name, module, x, seed=3)
    torch.manual_seed(1)
    again = maps_of(name, module, x, seed=3)
    assert np.array_equal(maps.attributions, again.attributions)
    np.testing.assert_allclose(maps_of(name, module, x[2:], seed=3).attributions, maps.attributions[2:], atol=1e-5)
    assert not np.array_equal(maps.attributions, maps_of(name, module, x, seed=4).attributions)


def test_the_target_is_the_largest_output_unless_chosen():
    module, x = network("convnet").eval(), inputs(PICTURE)
    maps = maps_of("saliency", module, x)
    outputs = outputs_of(private_copy(module), x)
    assert np.array_equal(maps.target, outputs.argmax(1)) and np.array_equal(maps.output, outputs.max(1))
    assert np.array_equal(maps_of("saliency", module, x, target=2).output, outputs[:, 2])


def test_more_inputs_than_are_explained_together():
    module, x = network("convnet"), inputs(PICTURE, 40)
    maps = maps_of("input_x_gradient", module, x, target=1)
    np.testing.assert_allclose(
        maps.attributions[35:], maps_of("input_x_gradient", module, x[35:], target=1).attributions, atol=1e-6
    )


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        (lambda m, x: method_named("lime"), "no attribution method 'lime'; there are: saliency"),
        (lambda m, x: settings_of(METHODS["occlusion"], {"window": 0}), "occlusion, setting 'window'"),
        (lambda m, x: settings_of(METHODS["deeplift"], {"steps": 9}), "its settings: none"),
        (lambda m, x: maps_of("saliency", m, x, target=3), "a target is a number from 0 to 2"),
        (lambda m, x: maps_of("saliency", m, x[:0]), "no input is given"),
        (lambda m, x: maps_of("kernel_shap", m, x), "too many numbers"),
        (lambda m, x: maps_of("grad_cam", m, x, layer="head"), "no convolution 'head'; it has block1.conv"),
        (lambda m, x: maps_of("occlusion", network("mlp"), inputs(ROW)), "no pictures"),
        (lambda m, x: maps_of("grad_cam", network("mlp"), inputs(ROW)), "the network has none"),
        (lambda m, x: check_fit(METHODS["guided_backprop"], nn.ReLU(inplace=True), ROW), "works in place"),
        (lambda m, x: check_fit(METHODS["deeplift"], nn.ReLU(inplace=True), ROW), "works in place"),
        (lambda m, x: check_fit(METHODS["guided_backprop"], nn.Linear(6, 2), ROW), "no ReLU|has none"),
    ],
)
def test_what_does_not_fit_is_said(wrong, match):
    with pytest.raises(BadInput, match=match):
        wrong(network("convnet"), inputs(PICTURE))
