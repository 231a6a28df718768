import json
from itertools import combinations, permutations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from rtl_core.data.idx import FASHION_CLASSES
from rtl_core.errors import BadInput
from rtl_core.overlap.semantic_alignment import alignment, by_layer_and_density
from rtl_core.overlap.taxonomy import fitting, path_similarity, read_taxonomy, shipped
from rtl_core.rng import numpy_generator
from rtl_core.statistics.multiple_tests import holm

DOCS = Path(__file__).resolve().parents[2] / "docs" / "taxonomy.md"


def taxonomy(paths, **others):
    return read_taxonomy(json.dumps({"name": "toy", "paths": paths, **others}).encode())


def two_groups(k):
    """k classes, one half below `left`, the other below `right`."""
    return taxonomy({f"c{i}": [f"all > {'left' if i < k / 2 else 'right'} > c{i}"] for i in range(k)})


def density_schedule(k):
    """k classes of which no two pairs in a row are alike: each one leaves the trunk a step further down."""
    return taxonomy({f"c{i}": [" > ".join([*(f"trunk{d}" for d in range(i + 1)), f"leaf{i}"])] for i in range(k)})


def names(k):
    return [f"c{i}" for i in range(k)]


def symmetric(generator, k):
    values = generator.random((k, k))
    return values + values.T


def by_reordering(excess, called, meant):
    """rho and exact p straight from the definition: the tickets renamed in every order, without the pairs with NaN."""

    def rho(order):
        meaning = path_similarity([called[k] for k in order], meant)
        pairs = [pair for pair in combinations(range(len(called)), 2) if not np.isnan(excess[pair])]
        return spearmanr([meaning[pair] for pair in pairs], [excess[pair] for pair in pairs]).statistic

    observed = rho(range(len(called)))
    others = [rho(order) for order in permutations(range(len(called)))]
    return observed, np.mean([not other < observed - 1e-9 for other in others])


def test_the_documentations_example():
    meant = read_taxonomy(DOCS.read_text("utf-8").partition("```json")[2].partition("```")[0].encode())
    paths = 1 / path_similarity(["cat", "dog", "parrot", "lorry"], meant) - 1
    edges = [[0, 2, 4, 5], [2, 0, 2, 5], [4, 2, 0, 5], [5, 5, 5, 0]]
    assert paths == pytest.approx(np.array(edges, dtype=float))
    assert (meant.name, meant.licence, meant.source) == ("Four pictures", "CC0-1.0", "written by hand")


def test_a_class_above_another_and_two_on_one_path():
    meant = taxonomy({"fish": ["animal > fish"], "trout": ["animal>fish>trout"], "Forelle": ["animal > fish > trout"]})
    paths = path_similarity(["fish", "trout", "Forelle"], meant)
    assert paths.tolist() == [[1, 0.5, 0.5], [0.5, 1, 1], [0.5, 1, 1]]


def test_equal_words_on_different_ways_are_different_nodes():
    meant = taxonomy({"a": ["all > cat > jaguar"], "b": ["all > car > jaguar"]})
    assert path_similarity(["a", "b"], meant)[0, 1] == 1 / 5


@pytest.mark.parametrize(
    ("name", "a", "b", "edges"),
    [
        ("CIFAR-10", "dog", "cat", 4),  # NLTK's manual gives 0.2
        ("CIFAR-10", "dog", "bird", 5),  # over domestic animal and animal, not over mammal and vertebrate
        ("CIFAR-10", "automobile", "truck", 2),  # motor vehicle
        ("Fashion-MNIST", "T-shirt/top", "Shirt", 1),
        ("Fashion-MNIST", "Shirt", "Dress", 4),  # garment and woman's clothing, both below clothing
        ("Fashion-MNIST", "Sandal", "Ankle boot", 3),  # shoe and boot, both below footwear
        ("CIFAR-100", "man", "woman", 2),  # adult
        ("CIFAR-100", "man", "boy", 2),  # male
        ("CIFAR-100", "dolphin", "whale", 2),
    ],
)
def test_shipped_distances(name, a, b, edges):
    assert path_similarity([a, b], shipped()[name])[0, 1] == pytest.approx(1 / (1 + edges))


def test_what_is_shipped():
    taxonomies = shipped()
    assert {name: len(one.paths) for name, one in taxonomies.items()} == {
        "CIFAR-10": 10,
        "CIFAR-100": 100,
        "Fashion-MNIST": 10,
    }
    assert all("Princeton" in one.licence and "WordNet 3.0" in one.source for one in taxonomies.values())
    assert fitting(FASHION_CLASSES, taxonomies).keys() == {"Fashion-MNIST"}


def test_names_are_compared_by_letters_and_digits():
    taxonomies = shipped()
    assert fitting(["aquarium fish", "Pickup-Truck", "MAN"], taxonomies).keys() == {"CIFAR-100"}
    assert fitting(["cat", "dog", "tshirt top"], taxonomies) == {}
    assert taxonomies["CIFAR-10"].missing(["Cat", "lorry", "dog "]) == ["lorry"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", "not a JSON file"),
        (b"entity > cat", "not a JSON file"),
        (b"[" * 100_000, "not a JSON file"),
        (b" " * 1_000_001, "at most 1,000,000 are read"),
        (b"[]", "should be a JSON object"),
        (b'{"name": "t", "paths": {"a\\ud800": ["r > a"]}}', "not a JSON file"),
        (b'{"name": "t"}', "wrong entry 'paths': field required"),
        (b'{"name": "t", "paths": {}}', "wrong entry 'paths'"),
        (b'{"name": "", "paths": {"a": ["r > a"]}}', "wrong entry 'name'"),
        (b'{"name": "t", "paths": {"a": ["r > a"]}, "more": 1}', "wrong entry 'more'"),
        (b'{"name": "t", "paths": {"a": "r > a"}}', "wrong entry 'paths.a'"),
        (b'{"name": "t", "paths": {"a": []}}', "wrong entry 'paths.a'"),
        (b'{"name": "t", "paths": {"a": ["r > a"], "a": ["r > b"]}}', "names 'a' twice"),
        (b'{"name": "t", "paths": {"a b": ["r > a"], "A-B": ["r > b"]}}', "differ only in case"),
        (b'{"name": "t", "paths": {"--": ["r > a"]}}', "at least one letter or digit"),
        (b'{"name": "t", "paths": {"a": ["r > > a"]}}', "a node without a name"),
        (b'{"name": "t", "paths": {"a": ["r > a"], "b": ["s > b"]}}', "several roots (r, s)"),
        (json.dumps({"name": "t", "paths": {"a": [" > ".join(["n"] * 65)]}}).encode(), "has 65 nodes; at most 64"),
    ],
)
def test_refused_taxonomies(content, sentence):
    with pytest.raises(BadInput) as refusal:
        read_taxonomy(content)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_refused_tickets():
    with pytest.raises(BadInput, match="at least 4 tickets; there are 3"):
        alignment(np.eye(3), names(3), two_groups(4))
    with pytest.raises(BadInput, match="5 tickets should be 5 x 5"):
        alignment(np.eye(4), names(5), two_groups(6))
    with pytest.raises(BadInput, match="toy has no class for: other, one"):
        alignment(np.eye(4), ["c0", "c1", "other", "one"], two_groups(4))


@pytest.mark.filterwarnings("ignore:An input array is constant")  # in some orders of the last case
@pytest.mark.parametrize("left_out", [[], [(0, 1)], [(0, 1), (2, 4)], [(0, 1), (0, 3), (1, 3), (2, 4)]])
@pytest.mark.parametrize("meant", [two_groups(5), density_schedule(5)], ids=["groups", "ladder"])
def test_equals_the_definition(meant, left_out):
    excess = symmetric(numpy_generator(3, "excess"), 5)
    for i, j in left_out:
        excess[i, j] = excess[j, i] = np.nan
    aligned = alignment(excess, names(5), meant)
    rho, p = by_reordering(excess, names(5), meant)
    assert (aligned.rho, aligned.p) == pytest.approx((rho, p), abs=1e-9)
    assert (aligned.exact, aligned.permutations, aligned.k) == (True, 120, 5)
    assert (aligned.pairs, aligned.n_undefined) == (10 - len(left_out), len(left_out))


def test_known_on_paper():
    """Two groups of two: 8 of the 24 orders keep the groups, so a perfect alignment has p = 1/3."""
    excess = np.array([[1, 5, 0, 0], [5, 1, 0, 0], [0, 0, 1, 5], [0, 0, 5, 1]]) / 10
    aligned = alignment(excess, names(4), two_groups(4))
    assert (aligned.rho, aligned.p) == (pytest.approx(1), 8 / 24)
    turned = alignment(-excess, names(4), two_groups(4))
    assert (turned.rho, turned.p) == (pytest.approx(-1), 1)  # one-sided
    drawn = alignment(path_similarity(names(9), density_schedule(9)), names(9), density_schedule(9), permutations=199)
    assert (drawn.rho, drawn.p) == (pytest.approx(1), 1 / 200)  # no other order of the schedule fits
    assert aligned.frame.loc[0].to_dict() == {"a": "c0", "b": "c1", "path_similarity": 1 / 3, "excess": 0.5}
    assert aligned.frame["excess"].tolist() == [0.5, 0, 0, 0, 0, 0.5]


def test_a_planted_alignment_is_found():
    generator = numpy_generator(1, "planted")
    meant = two_groups(10)
    excess = path_similarity(names(10), meant) + 0.05 * symmetric(generator, 10)
    aligned = alignment(excess, names(10), meant)
    assert aligned.rho > 0.7
    assert aligned.p < 0.02
    assert (aligned.exact, aligned.permutations) == (False, 9_999)


def test_p_is_uniform_where_names_mean_nothing():
    meant = density_schedule(8)
    draws = [symmetric(numpy_generator(seed, "null"), 8) for seed in range(300)]
    p = np.array([alignment(excess, names(8), meant, 199, seed).p for seed, excess in enumerate(draws)])
    assert 0.02 <= (p <= 0.05).mean() <= 0.08
    assert 0.42 <= (p <= 0.5).mean() <= 0.58


def test_drawn_permutations_tell_what_all_of_them_tell():
    excess = symmetric(numpy_generator(2, "excess"), 7)
    exact = alignment(excess, names(7), density_schedule(7), factorial(7))
    drawn = alignment(excess, names(7), density_schedule(7), factorial(7) - 1)
    assert exact.exact and not drawn.exact
    assert exact.rho == drawn.rho
    assert 0.1 < exact.p < 0.9
    assert drawn.p == pytest.approx(exact.p, abs=0.03)


def test_where_nothing_is_defined():
    flat = alignment(np.full((5, 5), 0.2), names(5), two_groups(5))
    star = taxonomy({name: [f"all > {name}"] for name in names(5)})
    equal = alignment(symmetric(numpy_generator(0, "excess"), 5), names(5), star)
    gaps = np.full((4, 4), 0.2)
    gaps[0, 1] = gaps[1, 0] = np.nan
    few = alignment(gaps, names(4), two_groups(4))
    assert [result.reason for result in (flat, equal, few)] == [
        "all pairs of tickets overlap equally",
        "all pairs of names are equally similar",
        "excess is defined for 5 pairs only; at least 6 are needed",
    ]
    assert all(np.isnan([result.rho, result.p]).all() for result in (flat, equal, few))


def test_rows_by_layer_and_density():
    generator = numpy_generator(4, "rows")
    meant = density_schedule(6)
    measured = [
        ("conv1", 0.5, path_similarity(names(6), meant)),
        ("conv1", 0.1, np.zeros((6, 6))),
        ("conv2", 0.5, symmetric(generator, 6)),
    ]
    table = by_layer_and_density(measured, names(6), meant)
    single = alignment(measured[2][2], names(6), meant)
    assert table[["layer", "density"]].to_numpy().tolist() == [["conv1", 0.5], ["conv1", 0.1], ["conv2", 0.5]]
    assert table["rho"].tolist() == pytest.approx([1, np.nan, single.rho], nan_ok=True)
    assert table["p_holm"].tolist() == pytest.approx(holm(table["p"].to_numpy()).tolist(), nan_ok=True)
    assert table["p_holm"][0] == pytest.approx(2 * table["p"][0])  # two tests: the flat layer is none
    assert table["reason"].tolist() == ["", "all pairs of tickets overlap equally", ""]
    assert by_layer_and_density([], names(6), meant).empty
