import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from rtl_core.config import DataSettings
from rtl_core.data.bundled import ADULT_GROUPS, FILES
from rtl_core.data.domains import DOMAINS
from rtl_core.data.emoji import CATEGORIES, HOUSES, read
from rtl_core.data.sources import load


def counts(dataset):
    return {split: len(dataset.rows(split)) for split in ("train", "val", "test")}


def test_fashion_has_ten_classes_equally_often_and_no_picture_in_two_parts(fashion):
    assert counts(fashion) == {"train": 10_000, "val": 1_000, "test": 2_000}
    for split, each in (("train", 1_000), ("val", 100), ("test", 200)):
        assert (np.bincount(fashion.y[fashion.rows(split)]) == each).all()
    contents = [{picture.tobytes() for picture in fashion.x[fashion.rows(split)]} for split in ("train", "val")]
    assert not contents[0] & contents[1]


def test_fashion_labels_fit_the_pictures(fashion):
    """The nearest class mean is right for about two thirds of Fashion-MNIST, for a tenth if labels are shifted."""
    train, test = fashion.rows("train"), fashion.rows("test")
    pixels = fashion.x.reshape(len(fashion), -1).astype(np.float32)
    means = np.stack([pixels[train][fashion.y[train] == label].mean(axis=0) for label in range(10)])
    distances = ((pixels[test][:, None] - means) ** 2).sum(axis=2)
    assert (distances.argmin(axis=1) == fashion.y[test]).mean() > 0.6


def test_the_statistics_are_those_of_the_train_pictures(fashion):
    train = fashion.x[fashion.rows("train")] / 255
    assert fashion.mean == pytest.approx((train.mean(),))
    assert fashion.std == pytest.approx((train.std(),))


def test_the_bundled_files_are_small():
    assert sum(file.stat().st_size for file in FILES.iterdir()) < 17_000_000
    assert (FILES / "adult.parquet").stat().st_size < 500_000


def test_five_domains_hold_the_same_pictures(domains, fashion):
    x = dict(zip(DOMAINS, np.split(domains.x, 5), strict=True))
    assert (x["original"] == fashion.x).all()
    assert (x["rotated"][7, 0] == np.rot90(fashion.x[7, 0])).all()
    assert (x["inverted"] + fashion.x == 255).all()
    by_scipy = gaussian_filter(fashion.x[:50].astype(float), sigma=(0, 0, 3**0.5, 3**0.5), mode="nearest")
    assert np.abs(x["blurred"][:50] - by_scipy).mean() < 1.5
    # Half of a Gaussian lies within 0.674 deviations of its middle; medium greys are clipped further out only.
    grey = (fashion.x > 100) & (fashion.x < 155)
    from_middle = np.abs(x["noisy"].astype(float) - fashion.x)[grey]
    assert np.median(from_middle) == pytest.approx(0.674 * 0.35 * 255, rel=0.03)


def test_copies_of_a_picture_share_unit_split_and_label(domains):
    for values in (domains.unit, domains.split, domains.y):
        assert (values.reshape(5, -1) == values[: len(values) // 5]).all()
    assert domains.attributes["domain"].value_counts().to_dict() == dict.fromkeys(DOMAINS, 13_000)


def test_the_limit_of_domains_counts_all_copies():
    few = load(DataSettings(spec="bundled:domains", limit=500), seed=3)
    assert counts(few)["train"] == 500
    assert (few.unit.reshape(5, -1) == few.unit[: len(few) // 5]).all()


def test_digits():
    digits = load(DataSettings(spec="bundled:digits"), seed=0)
    assert digits.input_shape == (1, 8, 8) and len(digits) == 1797 and digits.x.max() == 255
    assert digits.fingerprint == load(DataSettings(spec="bundled:digits"), seed=1).fingerprint


def test_pictures_are_resized_on_request():
    assert load(DataSettings(spec="bundled:digits", image_size=16), seed=0).input_shape == (1, 16, 16)


def test_adult_has_all_rows_in_their_original_split(adult):
    raw = pd.read_parquet(FILES / "adult.parquet")
    assert len(adult) == 48_842 and len(adult.rows("test")) == 16_281
    assert adult.classes == ("<=50K", ">50K")
    assert (adult.y == (raw["income"] == ">50K")).all()
    assert tuple(adult.attributes) == ADULT_GROUPS


def test_adult_keeps_missing_as_a_category_and_leaves_the_survey_weight_out(adult):
    assert not {"fnlwgt", "age_group", "income", "split"} & set(adult.sources)
    assert adult.x[:, adult.features.index("native-country=missing")].sum() == 857
    assert (adult.attributes["native-country"] == "missing").sum() == 857
    assert len(adult.features) == len(adult.sources) == adult.x.shape[1]


def test_adult_is_standardised_with_the_train_rows(adult):
    age = adult.x[:, adult.features.index("age")]
    assert age[adult.rows("train")].mean() == pytest.approx(0, abs=1e-5)
    assert age[adult.rows("train")].std() == pytest.approx(1, abs=1e-5)
    assert np.corrcoef(age, adult.attributes["age"])[0, 1] == pytest.approx(1)


def test_age_groups_begin_at_their_edges(adult):
    by_group = adult.attributes.groupby("age_group", observed=True)["age"].agg(["min", "max"])
    assert by_group.loc["25-34"].tolist() == [25, 34]
    assert by_group.loc["under 25", "max"] == 24 and by_group.loc["65 and over", "min"] == 65


def test_a_dropped_group_is_an_attribute_but_no_feature():
    adult = load(DataSettings(spec="bundled:adult", drop=("sex",), limit=200), seed=0)
    assert "sex" in adult.attributes and "sex" not in adult.sources
    assert len(adult.rows("train")) == 200


def test_fingerprints_do_not_change_unnoticed(fashion, domains, adult):
    """Runs are named after them: a new value means new data."""
    assert fashion.fingerprint == "1779608e0a3f79301164608111b81e0a"
    assert domains.fingerprint == "7ffbf3f6e949771de125a7bdd8507e86"
    assert adult.fingerprint == "836a4459435d6b02e0b458ef852a2623"


@pytest.fixture(scope="module")
def emoji():
    return load(DataSettings(spec="bundled:emoji"), 0)


def test_every_house_draws_the_same_emoji_in_the_same_split(emoji):
    n = len(emoji) // len(HOUSES)
    assert emoji.attributes["domain"].value_counts().to_dict() == dict.fromkeys(HOUSES.values(), n)
    for values in (emoji.unit, emoji.split, emoji.y):
        assert (values.reshape(len(HOUSES), n) == values[:n]).all()
    splits = pd.Series(emoji.split).groupby(emoji.unit).nunique()
    assert (splits == 1).all()  # what looks nearly the same is never in two splits
    assert set(emoji.y[emoji.rows("test")]) == set(range(len(CATEGORIES)))


def test_emoji_are_what_their_names_say(emoji):
    drawn = read(FILES)
    noto = dict(zip(drawn.index["name"], drawn.pictures[0].astype(int), strict=True))
    middle = {name: picture[:, 8:24, 8:24].mean(axis=(1, 2)) for name, picture in noto.items()}
    red, green, blue = middle["red-heart"]
    assert red > 1.5 * max(green, blue)
    red, green, blue = middle["green-heart"]
    assert green > 1.2 * max(red, blue)
    outline = drawn.pictures[3].astype(int)
    assert (outline.max(axis=1) - outline.min(axis=1)).max() == 0  # drawn in black and white
    assert (drawn.pictures[:, :, :, 0, 0] == 255).mean() > 0.9  # corners are white


def test_sittings_hold_what_looks_nearly_the_same(emoji):
    index = read(FILES).index.set_index("name")
    assert index.loc["one-oclock", "sitting"] == index.loc["nine-thirty", "sitting"]
    assert index.loc["red-heart", "sitting"] != index.loc["pizza", "sitting"]
    assert index["sitting"].nunique() > 1_000


def test_a_limit_takes_the_same_emoji_of_every_house():
    few = load(DataSettings(spec="bundled:emoji", limit=200), 3)
    rows = few.rows("train")
    assert len(rows) == 200
    assert (few.unit[rows].reshape(len(HOUSES), 50) == few.unit[rows][:50]).all()


@pytest.fixture(scope="module")
def cells():
    return load(DataSettings(spec="bundled:cells"), seed=0)


def test_cells_have_the_boxes_and_the_split_of_bccd(cells):
    assert counts(cells) == {"train": 205, "val": 87, "test": 72} and cells.x.shape == (364, 3, 120, 160)
    of_class = np.bincount(cells.y[:, :, 0][cells.y[:, :, 0] >= 0].astype(int))
    assert dict(zip(cells.classes, of_class.tolist(), strict=True)) == {"Platelets": 361, "RBC": 4153, "WBC": 372}
    assert "boxes without area, left out: 2" in cells.notes
    there = cells.y[:, :, 0] >= 0
    corners = cells.y[there][:, 1:]
    assert (corners >= 0).all() and (corners <= [160, 120, 160, 120]).all()
    assert (corners[:, 2:] > corners[:, :2]).all() and (cells.y[~there] == [-1, 0, 0, 0, 0]).all()


def test_boxes_of_cells_lie_on_their_pictures(cells):
    """White cells are stained dark: inside their boxes less green is left than around; not so if tiles are shifted."""
    white = cells.classes.index("WBC")
    darker = []
    for picture, boxes in zip(cells.x, cells.y, strict=True):
        for _, x0, y0, x1, y1 in boxes[boxes[:, 0] == white].round().astype(int):
            darker.append(picture[1, y0:y1, x0:x1].mean() < picture[1].mean())
    assert np.mean(darker) > 0.95


def test_cells_are_few_some_or_many(cells):
    train = cells.attributes.iloc[cells.rows("train")]
    assert train["crowding"].value_counts().min() > 50
    assert train.groupby("crowding")["boxes"].max()["few"] < train.groupby("crowding")["boxes"].min()["some"]


def test_cells_of_another_size_and_fewer_of_them(cells):
    small = load(DataSettings(spec="bundled:cells", image_size=64, limit=100), seed=0)
    assert small.x.shape == (100 + 87 + 72, 3, 64, 64)
    test, whole = small.y[small.rows("test")], cells.y[cells.rows("test")]
    np.testing.assert_allclose(test[:, :, 1:], whole[:, :, 1:] * np.tile([64 / 160, 64 / 120], 2), atol=1e-4)
