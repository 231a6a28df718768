import pytest
import torch
from torch import nn

from rtl_core.config import ModelSettings
from rtl_core.errors import BadInput
from rtl_core.models.catalogue import CATALOGUE, build, rebuild, wrap
from tests.models.outputs import outputs_of

PICTURES = ("convnet", "ghostnet", "resnet18", "resnet50")


def network_of(name, input_shape, outputs=10, seed=0, **settings):
    return build(ModelSettings(name=name, **settings), input_shape, outputs, seed)


def small(name, **changes):
    """A narrow network of the catalogue, quick to run."""
    shape, outputs = changes.pop("input_shape", (14,) if name == "mlp" else (3, 16, 16)), changes.pop("outputs", 10)
    wanted = outputs_of(name, shape, outputs)
    return network_of(name, shape, wanted, width=changes.pop("width", 0.25), **changes)


def n_prunable(network):
    parameters = dict(network.module.named_parameters())
    return sum(parameters[name].numel() for name in network.prunable)


@pytest.mark.parametrize(
    ("name", "settings", "input_shape", "outputs", "expected"),
    [
        ("convnet", {}, (1, 28, 28), 10, 9 * (1 * 24 + 24 * 48 + 48 * 64)),  # 38,232
        ("convnet", {}, (3, 32, 32), 10, 9 * (3 * 24 + 24 * 48 + 48 * 64)),
        ("mlp", {}, (14,), 2, 14 * 128 + 128 * 64),
        ("mlp", {}, (1, 28, 28), 10, 784 * 128 + 128 * 64),
        ("centernet", {}, (3, 120, 160), (7, 30, 40), 195_300),
        ("ghostnet", {}, (1, 28, 28), 10, 125_672),
        ("ghostnet", {}, (3, 32, 32), 2, 125_960),
        # published: 11,689,512 and 25,557,032 parameters, less the classifier and the norms
        ("resnet18", {"stem": "imagenet"}, (3, 224, 224), 1000, 11_689_512 - 513_000 - 9_600),
        ("resnet50", {"stem": "imagenet"}, (3, 224, 224), 1000, 25_557_032 - 2_049_000 - 53_120),
    ],
)
def test_prunable_counts(name, settings, input_shape, outputs, expected):
    assert n_prunable(network_of(name, input_shape, outputs, **settings)) == expected


@pytest.mark.parametrize(("name", "published"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
def test_resnets_have_the_published_number_of_parameters(name, published):
    network = network_of(name, (3, 224, 224), outputs=1000, stem="imagenet")
    assert sum(parameter.numel() for parameter in network.module.parameters()) == published


def test_ghostnet_fits_the_parameter_counts_of_the_paper():
    """Table 1 gives K separate networks as 944K, 629K and 314K for ten tickets at density .75, .5 and .25."""
    n = n_prunable(network_of("ghostnet", (3, 32, 32), outputs=1))
    assert [int(10 * density * n / 1000) for density in (0.75, 0.5, 0.25)] == [944, 629, 314]


def test_ghostnet_prunes_convolutions_but_not_squeeze_excite():
    module = network_of("ghostnet", (1, 28, 28)).module
    convolutions = {f"{name}.weight" for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d)}
    excite = {name for name in convolutions if "squeeze" in name or ".excite.excite" in name}
    assert len(excite) == 4  # two layers in each of two bottlenecks
    assert set(module.prunable) == convolutions - excite


@pytest.mark.parametrize("name", CATALOGUE)
def test_norms_head_and_prunable_are_disjoint_and_no_weight_is_forgotten(name):
    network = small(name)
    named = [*network.prunable, *network.head, *network.norm_affine]
    rest = set(dict(network.module.named_parameters())) - set(named)
    assert len(named) == len(set(named))
    assert all(".excite." in one for one in rest)


@pytest.mark.parametrize("side", [8, 28, 32, 64])
@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_all_sizes(name, side):
    network = small(name, input_shape=(1, side, side), outputs=7)
    x = torch.zeros(2, 1, side, side)
    features = network.module.features(x)
    assert features.shape == (2, network.module.head.in_features)
    assert network.module(x).shape == (2, 7)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_imagenet_stem(name):
    network = small(name, stem="imagenet", input_shape=(3, 64, 64))
    assert network.module.stem_pool(network.module.stem(torch.zeros(1, 3, 64, 64))).shape[2:] == (16, 16)
    assert network.module(torch.zeros(2, 3, 64, 64)).shape == (2, 10)


@pytest.mark.parametrize("shape", [(14,), (1, 8, 8)])
def test_mlp_takes_rows_and_pictures(shape):
    assert small("mlp", input_shape=shape).module(torch.zeros(3, *shape)).shape == (3, 10)


@pytest.mark.parametrize("name", CATALOGUE)
def test_logits_are_the_head_of_the_features(name):
    network = small(name)
    module = network.module.eval()
    x = torch.rand(4, *network.input_shape, generator=torch.Generator().manual_seed(1))
    assert torch.equal(module(x), module.head(module.features(x)))
    assert not torch.equal(module(x)[0], module(x)[1])


@pytest.mark.parametrize("name", CATALOGUE)
def test_weights_are_a_function_of_the_seed(name):
    first, again, other = small(name, seed=3), small(name, seed=3), small(name, seed=4)
    a, b, c = (dict(network.module.state_dict()) for network in (first, again, other))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not any(torch.equal(a[key], c[key]) for key in (*first.prunable, *first.head))


@pytest.mark.parametrize("name", CATALOGUE)
def test_number_of_outputs_leaves_the_prunable_weights_alone(name):
    six, ten = small(name, outputs=6), small(name, outputs=10)
    a, b = six.module.state_dict(), ten.module.state_dict()
    assert all(torch.equal(a[key], b[key]) for key in six.prunable)
    assert a["head.weight"].shape[0] == 6 and b["head.weight"].shape[0] == 10


def test_initial_weights_are_uniform_within_one_over_root_fan_in():
    weight = network_of("convnet", (1, 28, 28)).module.block3.conv.weight.detach()
    bound = (48 * 9) ** -0.5
    assert weight.abs().max() <= bound
    # 27,648 draws: their standard deviation is known to .3 % (one sigma of it)
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.015)
    assert abs(weight.mean().item()) < 4 * bound / 3**0.5 / weight.numel() ** 0.5


def test_layers_of_equal_shape_start_differently():
    state = small("ghostnet").module.state_dict()
    assert not torch.equal(state["blocks.7.expand.primary.conv.weight"], state["blocks.8.expand.primary.conv.weight"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_global_generator_is_left_alone(name):
    before = torch.get_rng_state()
    small(name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", CATALOGUE)
def test_rebuild_from_the_description(name):
    built = small(name, seed=5)
    remade = rebuild(built.description)
    shapes = {key: value.shape for key, value in built.module.state_dict().items()}
    assert {key: value.shape for key, value in remade.module.state_dict().items()} == shapes
    assert (remade.prunable, remade.head, remade.norm_affine) == (built.prunable, built.head, built.norm_affine)
    assert (remade.input_shape, remade.output_shape, remade.description) == (
        built.input_shape,
        built.output_shape,
        built.description,
    )
    remade.module.load_state_dict(built.module.state_dict(), strict=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "custom"}, "name"),
        ({"width": 50.0}, "width"),
        ({"stem": "other"}, "stem"),
        ({"outputs": 0}, "outputs"),
        ({"outputs": 10**9}, "outputs"),
        ({"input_shape": [0, 8, 8]}, "input_shape"),
        ({"input_shape": [3, 10**6, 10**6]}, "may hold 1,048,576 numbers"),
        ({"input_shape": [3, 3, 3]}, "4 x 4 pixels or more"),
        ({"input_shape": [14]}, "choose mlp"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_bad_descriptions_are_refused(change, message):
    good = small("convnet").description
    with pytest.raises(BadInput, match=message):
        rebuild({**good, **change})


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_asked_for_by_name(name):
    with pytest.raises(BadInput, match=f"{name} needs pictures"):
        network_of(name, (14,))


def test_imagenet_stem_refuses_small_pictures():
    with pytest.raises(BadInput, match="32 x 32"):
        network_of("resnet18", (3, 28, 28), stem="imagenet")


@pytest.mark.parametrize("name", CATALOGUE)
def test_activations_are_modules_used_once_and_nothing_works_in_place(name):
    """What hooks of attribution methods need: every activation a module, called once a forward, not in place."""
    network = small(name)
    module = network.module.eval()
    assert not any(getattr(layer, "inplace", False) for layer in module.modules())
    leaves = {key: layer for key, layer in module.named_modules() if not list(layer.children())}
    calls = dict.fromkeys(leaves, 0)

    def counting(key):
        def hook(*_):
            calls[key] += 1

        return hook

    for key, layer in leaves.items():
        layer.register_forward_hook(counting(key))
    x = torch.rand(2, *network.input_shape)
    kept = x.clone()
    with torch.profiler.profile() as profile:
        module(x)
    assert set(calls.values()) == {1}
    assert torch.equal(x, kept)
    executed = [event.key for event in profile.key_averages()]
    assert not [key for key in executed if key in ("aten::relu_", "aten::add_", "aten::mul_", "aten::hardsigmoid_")]
    relus = sum(isinstance(layer, nn.ReLU) for layer in leaves.values())
    assert sum(event.count for event in profile.key_averages() if event.key == "aten::relu") == relus


@pytest.mark.parametrize("name", CATALOGUE)
def test_eval_forward_leaves_buffers_alone_and_training_moves_them(name):
    network = small(name)
    x = torch.rand(4, *network.input_shape)
    before = {key: buffer.clone() for key, buffer in network.module.named_buffers()}
    network.module.eval()(x)
    assert all(torch.equal(buffer, before[key]) for key, buffer in network.module.named_buffers())
    network.module.train()(x)
    assert not any(torch.equal(buffer, before[key]) for key, buffer in network.module.named_buffers())


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv1d(2, 4, 3)
        self.norm = nn.BatchNorm1d(4)
        self.bare = nn.BatchNorm1d(4, affine=False)
        self.out = nn.Linear(4, 3)

    def forward(self, x):
        return self.out(self.bare(self.norm(self.body(x))).mean(-1))


def test_wrap_takes_any_module():
    module = Own()
    network = wrap(module, ["body.weight"], ["out.weight", "out.bias"], (2, 9), 3)
    assert network.module is module
    assert network.prunable == ("body.weight",)
    assert network.head == ("out.weight", "out.bias")
    assert network.norm_affine == ("norm.weight", "norm.bias")
    assert network.description == {"name": "custom"}


@pytest.mark.parametrize(
    ("prunable", "head", "message"),
    [
        (["body.wieght"], ["out.weight"], "no parameter body.wieght; it has body.weight"),
        (["body.weight"], ["head.weight"], "no parameter head.weight"),
        ([], ["out.weight"], "no prunable tensor"),
        (["body.weight", "body.weight"], ["out.weight"], "named twice"),
        (["out.weight"], ["out.weight"], "named twice"),
    ],
)
def test_wrap_refuses_names_that_do_not_fit(prunable, head, message):
    with pytest.raises(BadInput, match=message):
        wrap(Own(), prunable, head, (2, 9), 3)


def test_scale_and_shift_of_every_kind_of_norm_may_belong_to_a_ticket():
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.GroupNorm(2, 4),
        nn.InstanceNorm2d(4),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.LayerNorm(144, bias=False),
        nn.Linear(144, 2),
    )
    network = wrap(module, ("0.weight",), ("6.weight", "6.bias"), (1, 8, 8), 2)
    assert network.norm_affine == ("1.weight", "1.bias", "3.weight", "3.bias", "5.weight")


@pytest.mark.parametrize("size", [(8, 8), (13, 21), (96, 96), (45, 60)])
def test_unet_answers_every_pixel_of_pictures_of_any_size(size):
    network = small("unet", input_shape=(3, *size), outputs=5)
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(2))
    assert network.module.eval()(x).shape == (2, 5, *size) and network.output_shape == (5, *size)


def test_unet_pads_with_zeros_below_and_on_the_right():
    module = small("unet", input_shape=(1, 16, 16), outputs=2).module.eval()
    x = torch.rand(1, 1, 11, 14, generator=torch.Generator().manual_seed(2))
    padded = torch.zeros(1, 1, 16, 16)
    padded[..., :11, :14] = x
    assert torch.equal(module(x), module(padded)[..., :11, :14])


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_width_scales_the_prunable_weights_of_unet(width):
    n = n_prunable(network_of("unet", (3, 96, 96), (3, 96, 96), width=width))
    assert n == pytest.approx(336_816 * width**2, rel=0.01)


def test_unet_refuses_to_tell_a_whole_picture_and_others_to_label_pixels():
    with pytest.raises(BadInput, match="unet answers for every pixel"):
        network_of("unet", (3, 16, 16), 10)
    with pytest.raises(BadInput, match="choose unet"):
        network_of("convnet", (3, 16, 16), (10, 16, 16))


@pytest.mark.parametrize("size", [(16, 16), (18, 33), (120, 160)])
def test_centernet_gives_a_map_cell_for_every_four_pixels(size):
    network = small("centernet", input_shape=(3, *size), outputs=7)
    shape = (7, -(-size[0] // 4), -(-size[1] // 4))
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(2))
    assert network.module.eval()(x).shape == (2, *shape) and network.output_shape == shape


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0])
def test_width_scales_the_prunable_weights_of_centernet(width):
    n = n_prunable(network_of("centernet", (3, 32, 32), (7, 8, 8), width=width))
    assert n == pytest.approx(195_300 * width**2, rel=0.02)


def test_heat_maps_begin_at_the_prior_of_the_focal_loss_and_sizes_do_not():
    bias = network_of("centernet", (3, 32, 32), (7, 8, 8)).module.head.bias.detach()
    torch.testing.assert_close(bias[:3].sigmoid(), torch.full((3,), 0.1))
    assert (bias[3:].abs() < 32**-0.5).all() and len(bias[3:].unique()) == 4


@pytest.mark.parametrize("outputs", [10, (4, 4, 4), (7, 16, 16), (7, 4)])
def test_centernet_refuses_to_give_anything_but_its_maps(outputs):
    with pytest.raises(BadInput, match="centernet gives maps of centres and sizes"):
        network_of("centernet", (3, 16, 16), outputs)
