import json
from itertools import combinations, product
from math import comb, sqrt

import numpy as np
import pytest

from rtl_core.errors import BadInput
from rtl_core.overlap import chance_level
from rtl_core.overlap.chance_level import chance_interval
from rtl_core.overlap.overlap import depth_groups, overlap
from rtl_core.overlap.similarity import TOTAL, as_json, layer_profile, pair, similarity
from rtl_core.rng import numpy_generator
from rtl_core.statistics.multiple_tests import holm
from rtl_core.tickets.layout import Layout
from rtl_core.tickets.ticket_set import Level, TicketSet


def tickets_keeping(masks, sizes):
    """A ticket set with one level whose masks are the given bool (K, N), over layers of the given sizes."""
    masks = np.asarray(masks, dtype=bool)
    names = tuple(f"ticket{k}" for k in range(len(masks)))
    layout = Layout(tuple(f"layer{i}" for i in range(len(sizes))), tuple((size,) for size in sizes))
    return TicketSet(names, names, layout, (~masks).astype(np.uint8), (Level(1, 0.25, "target"),))


def independent_masks(generator, k, sizes, densities):
    """bool (k, N): in every layer a fixed number of weights, drawn independently for each mask."""
    rows = []
    for _ in range(k):
        layers = [generator.permutation(n) < round(n * d) for n, d in zip(sizes, densities, strict=True)]
        rows.append(np.concatenate(layers))
    return np.stack(rows)


def measures_by_sets(a, b, sizes):
    """IoU, chance and excess straight from the definitions, with sets of indices; None where undefined."""
    kept_a, kept_b = set(np.flatnonzero(a)), set(np.flatnonzero(b))
    above = below = 0.0
    start = 0
    for n in sizes:
        layer = set(range(start, start + n))
        d_a, d_b = len(kept_a & layer) / n, len(kept_b & layer) / n
        above += n * d_a * d_b
        below += n * (d_a + d_b - d_a * d_b)
        start += n
    if not kept_a | kept_b:
        return None, None, None
    iou, chance = len(kept_a & kept_b) / len(kept_a | kept_b), above / below
    return iou, chance, None if chance == 1 else (iou - chance) / (1 - chance)


def test_equals_the_definitions_on_sets():
    sizes = (5, 17, 64, 3)
    generator = numpy_generator(0, "masks")
    masks = np.concatenate([generator.random((1, sum(sizes))) < d for d in (0.05, 0.3, 0.5, 0.5, 0.9)])
    measures = similarity(overlap(tickets_keeping(masks, sizes)))
    for i, j in product(range(5), repeat=2):
        iou, chance, excess = measures_by_sets(masks[i], masks[j], sizes)
        assert measures.iou[i, j] == pytest.approx(iou, abs=1e-12)
        assert measures.chance[i, j] == pytest.approx(chance, abs=1e-12)
        assert measures.excess[i, j] == pytest.approx(excess, abs=1e-12)
    assert measures.size.tolist() == masks.sum(axis=1).tolist()
    assert measures.n == sum(sizes)


@pytest.mark.parametrize(
    ("a", "b", "iou", "chance", "excess"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1, 1 / 3, 1),  # identical, density 1/2: chance d / (2 - d)
        ([1, 1, 0, 0], [0, 0, 1, 1], 0, 1 / 3, -1 / 2),  # complementary
        ([1, 0, 0, 0], [0, 1, 0, 0], 0, 1 / 7, -1 / 6),  # disjoint
        ([1, 0, 0, 0], [1, 1, 0, 0], 1 / 2, 1 / 5, 3 / 8),  # nested
        ([0, 0, 0, 0], [1, 1, 0, 0], 0, 0, 0),  # one is empty
        ([0, 0, 0, 0], [0, 0, 0, 0], np.nan, np.nan, np.nan),  # the union is empty
        ([1, 1, 1, 1], [1, 1, 1, 1], 1, 1, np.nan),  # chance is 1
        ([1, 1, 1, 1], [1, 1, 0, 0], 1 / 2, 1 / 2, 0),  # one is full: the overlap is forced
    ],
)
def test_answers_known_on_paper(a, b, iou, chance, excess):
    measures = similarity(overlap(tickets_keeping([a, b], [4])))
    assert measures.iou[0, 1] == pytest.approx(iou, nan_ok=True)
    assert measures.chance[0, 1] == pytest.approx(chance, nan_ok=True)
    assert measures.excess[0, 1] == pytest.approx(excess, nan_ok=True)


def test_full_and_empty_layers_together_leave_no_excess():
    measures = similarity(overlap(tickets_keeping([[1, 1, 0, 0, 0], [1, 1, 0, 0, 0]], [2, 3])))
    assert measures.iou[0, 1] == measures.chance[0, 1] == 1
    assert np.isnan(measures.excess).all()


def test_one_layer_is_looked_at_alone_and_an_unknown_one_refused():
    tickets = tickets_keeping([[1, 0, 1, 1], [0, 1, 1, 1]], [2, 2])
    assert similarity(overlap(tickets).only(["layer0"])).iou[0, 1] == 0
    assert similarity(overlap(tickets).only(["layer1"])).iou[0, 1] == 1
    assert similarity(overlap(tickets)).iou[0, 1] == 0.5
    with pytest.raises(BadInput, match=r"no layer 'layer2'.*layer0, layer1"):
        overlap(tickets).only(["layer2"])


def test_rungs_show_the_nested_masks():
    layout = Layout(("w",), ((4,),))
    levels = (Level(1, 0.75, "denser"), Level(2, 0.5, "target"), Level(3, 0.25, "lighter"))
    pruned_at = np.array([[0, 3, 2, 1], [3, 0, 1, 2]], dtype=np.uint8)
    tickets = TicketSet(("a", "b"), ("a", "b"), layout, pruned_at, levels)
    assert [similarity(overlap(tickets, level)).iou[0, 1] for level in levels] == [0.5, 1, 0]
    assert similarity(overlap(tickets)).density == 0.5
    assert similarity(overlap(tickets, levels[2])).density == 0.25


def test_independent_masks_at_unequal_layer_densities_have_no_excess():
    sizes, densities = (200, 1000, 4000), (0.9, 0.3, 0.02)
    excess = []
    for repeat in range(40):
        masks = independent_masks(numpy_generator(1, "excess", repeat), 2, sizes, densities)
        measures = similarity(overlap(tickets_keeping(masks, sizes)))
        excess.append(measures.excess[0, 1])
    standard_error = np.std(excess, ddof=1) / sqrt(len(excess))
    assert abs(np.mean(excess)) < 4 * standard_error
    whole = sum(n * d for n, d in zip(sizes, densities, strict=True)) / sum(sizes)
    assert measures.iou[0, 1] > 3 * whole / (2 - whole)  # the naive chance level would call this a large overlap


def test_layer_profile_averages_the_pairs_and_names_dead_and_full_layers():
    masks = np.array(
        [
            [0, 0, 1, 1, 1, 1, 0, 0],
            [0, 0, 1, 1, 1, 0, 1, 0],
            [0, 0, 1, 1, 0, 0, 0, 0],
        ]
    )
    profile = layer_profile(overlap(tickets_keeping(masks, [2, 2, 4]))).set_index("layer")
    assert profile.status.tolist() == ["empty layer", "full layer", "ok"]
    assert profile.empty_tickets.tolist() == [3, 0, 1]
    assert profile.density_mean.tolist() == pytest.approx([0, 1, 1 / 3])
    assert profile.loc["layer2", ["kept_min", "kept_mean", "kept_max"]].tolist() == pytest.approx([0, 4 / 3, 2])
    assert np.isnan(profile.iou_mean["layer0"]) and np.isnan(profile.chance_mean["layer0"])
    assert profile.iou_mean["layer1"] == 1 and np.isnan(profile.excess_mean["layer1"])
    pairs = [measures_by_sets(masks[i, 4:], masks[j, 4:], [4]) for i, j in combinations(range(3), 2)]
    expected = np.mean(np.array(pairs, dtype=float), axis=0)
    assert profile.loc["layer2", ["iou_mean", "chance_mean", "excess_mean"]].tolist() == pytest.approx(expected)


def test_a_single_ticket_has_no_pairs():
    profile = layer_profile(overlap(tickets_keeping([[1, 0]], [2])))
    assert profile[["iou_mean", "chance_mean", "excess_mean"]].isna().all(axis=None)


def test_pair_counts_add_up_and_its_total_is_the_similarity():
    masks = numpy_generator(2, "pair").random((3, 40)) < 0.4
    tickets = tickets_keeping(masks, [10, 30])
    table = pair(overlap(tickets), "ticket2", "ticket0").set_index("layer")
    assert list(table.index) == ["layer0", "layer1", TOTAL]
    assert (table.shared + table.only_a + table.only_b + table.neither == table.n).all()
    assert table.only_a[TOTAL] == (masks[2] & ~masks[0]).sum()
    assert table.only_b["layer1"] == (masks[0] & ~masks[2])[10:].sum()
    whole, second = similarity(overlap(tickets)), similarity(overlap(tickets).only(["layer1"]))
    for column in ("iou", "chance", "excess"):
        assert table.loc[TOTAL, column] == getattr(whole, column)[2, 0]
        assert table.loc["layer1", column] == getattr(second, column)[2, 0]


def test_pair_refuses_an_unknown_ticket():
    with pytest.raises(BadInput, match="no ticket 'x'; there are: ticket0, ticket1"):
        pair(overlap(tickets_keeping([[1], [1]], [1])), "ticket0", "x")


def test_expected_intersection_and_spread_are_hypergeometric():
    """Three of seven weights and four of seven: the distribution written out with binomial coefficients."""
    a, b = [1, 1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0, 0]
    band = chance_interval(overlap(tickets_keeping([a, b], [7])))
    weights = np.array([comb(3, x) * comb(4, 4 - x) for x in range(4)]) / comb(7, 4)
    mean = weights @ np.arange(4)
    sd = sqrt(weights @ (np.arange(4) - mean) ** 2)
    assert band.expected[0, 1] == pytest.approx(mean)
    assert band.sd[0, 1] == pytest.approx(sd)
    assert band.z[0, 1] == pytest.approx((3 - mean) / sd)
    assert band.exact and band.p[0, 1] == pytest.approx(2 * weights[3])


def test_many_pairs_are_judged_by_the_normal_approximation(monkeypatch):
    """As close to the exact tails as it is said to be: within a hundredth where a layer has a few hundred weights."""
    masks = np.random.default_rng(0).random((6, 400)) < 0.3
    counts = overlap(tickets_keeping(masks.astype(int).tolist(), [400]))
    exact = chance_interval(counts)
    monkeypatch.setattr(chance_level, "EXACT_PAIRS", 14)
    near = chance_interval(counts)
    assert exact.exact and not near.exact
    pairs = np.triu_indices(6, 1)
    assert np.abs(near.p[pairs] - exact.p[pairs]).max() < 0.02


def test_the_compact_document_has_each_pair_once():
    counts = overlap(tickets_keeping([[1, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], [4]))
    whole, compact = as_json(counts), as_json(counts, compact=True)
    for name in ("iou", "chance", "excess", "coefficient", "hamming"):
        expected = [whole[name][i][j] for i, j in ((0, 1), (0, 2), (1, 2))]
        assert compact["pairs"][name] == [None if v is None else pytest.approx(v, abs=1e-5) for v in expected]
        assert name not in compact
    assert compact["layers"] == whole["layers"]


def test_forced_overlaps_have_no_p():
    tickets = tickets_keeping([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 0, 0]], [2, 2])
    band = chance_interval(overlap(tickets))
    assert np.isnan(band.p).all() and np.isnan(band.z).all()
    assert band.low[0, 1] == band.high[0, 1] == 1
    assert np.isnan(np.diagonal(band.expected)).all()


@pytest.mark.parametrize("sizes", [(60, 400, 900), (500,)])
def test_under_independence_p_rejects_at_its_level_and_the_band_covers(sizes):
    densities = (0.8, 0.3, 0.1)[: len(sizes)] if len(sizes) > 1 else (0.3,)
    cases = rejected = covered = 0
    for repeat in range(60):
        masks = independent_masks(numpy_generator(3, "calibration", len(sizes), repeat), 10, sizes, densities)
        tickets = tickets_keeping(masks, sizes)
        band, iou = chance_interval(overlap(tickets)), similarity(overlap(tickets)).iou
        for i in range(0, 10, 2):  # disjoint pairs, so that the cases are independent
            cases += 1
            rejected += band.p[i, i + 1] < 0.05
            covered += band.low[i, i + 1] <= iou[i, i + 1] <= band.high[i, i + 1]
    spread = 3 * sqrt(cases * 0.05 * 0.95)
    assert abs(rejected - 0.05 * cases) < spread
    assert abs(covered - 0.95 * cases) < spread


def test_p_finds_a_small_real_overlap_and_a_small_real_avoidance():
    generator = numpy_generator(4, "power")
    base = independent_masks(generator, 1, (2000, 2000), (0.2, 0.2))[0]
    kept, free = np.flatnonzero(base), np.flatnonzero(~base)
    equal, apart = np.zeros_like(base), np.zeros_like(base)
    equal[np.r_[kept[:260], free[:540]]] = True  # 160 expected
    apart[np.r_[kept[::8], free[:700]]] = True  # 100 shared
    band = chance_interval(overlap(tickets_keeping([base, equal, apart], (2000, 2000))))
    assert band.z[0, 1] > 4 and band.z[0, 2] < -4
    assert max(band.p[0, 1], band.p[0, 2]) < 1e-4


def test_coefficient_and_hamming_on_paper():
    measures = similarity(overlap(tickets_keeping([[1, 0, 0, 0], [1, 1, 1, 0], [0, 0, 0, 0]], [4])))
    assert measures.coefficient[0, 1] == 1  # nested
    assert measures.hamming[0, 1] == 2 / 4 and measures.hamming[1, 2] == 3 / 4
    assert np.isnan(measures.coefficient[0, 2])


def test_depth_groups_are_the_networks_stages_or_thirds():
    stages = depth_groups(("conv1.weight", "layer1.0.conv", "layer1.1.conv", "layer2.0.conv", "fc.weight"))
    assert stages == {
        "conv1": ("conv1.weight",),
        "layer1": ("layer1.0.conv", "layer1.1.conv"),
        "layer2": ("layer2.0.conv",),
        "fc": ("fc.weight",),
    }
    thirds = depth_groups(tuple(f"conv{i}.weight" for i in range(6)))
    assert [len(layers) for layers in thirds.values()] == [2, 2, 2]
    assert depth_groups(("conv1", "conv2")) == {}


def test_holm_on_paper():
    assert holm(np.array([0.01, np.nan, 0.04, 0.03])).tolist() == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)


def test_json_has_the_contract_fields_and_null_for_undefined():
    measures = as_json(overlap(tickets_keeping([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]], [2, 2])))
    text = json.dumps(measures, allow_nan=False)
    back = json.loads(text)
    assert back["names"] == ["ticket0", "ticket1", "ticket2"] and back["density"] == 0.25
    assert back["iou"][0][1] == 1 and back["excess"][0][1] is None
    assert back["layers"][0] == {
        "name": "layer0",
        "n": 2,
        "density_mean": 0.0,
        "iou_mean": None,
        "chance_mean": None,
        "excess_mean": None,
        "status": "empty layer",
    }
