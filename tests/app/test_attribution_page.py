"""The Attribution page over the samples, and its parts that need no page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from app import colours, kinds
from app.attribution import dataset_audit_charts, findings, heatmaps
from rtl_core.audit.attribution.compare_tickets import SideBySide
from rtl_core.audit.attribution.explain import Maps
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.sanity import Sanity
from rtl_core.data import picture_files
from rtl_core.errors import BadInput
from rtl_core.runs import attribution
from rtl_core.runs.attribution import Explained, explain_samples
from rtl_core.runs.checkpoint import Outcome, load_run, save_checkpoint
from rtl_core.runs.dataset_audit import AuditedTicket, Faithfulness, TicketIntervals
from rtl_core.runs.store import samples
from rtl_core.tasks.classification import MULTICLASS, ONE_VS_REST

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


def open_page(**query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=60)
    for name, value in query.items():
        app.query_params[name] = value
    return app.run().switch_page("pages/attribution.py").run()


@pytest.fixture
def unchecked(monkeypatch):
    """Checks that take no time, for tests that are not about them; they look at inputs that no other test does."""
    nothing = np.zeros(1)
    scores = Sanity(*[nothing] * 3, np.zeros((1, 4)), *[nothing] * 3, nothing > 0)
    monkeypatch.setattr(attribution, "check", lambda *eval_set: attribution.Checked(scores, "ok", ""))


def tiles(app: AppTest) -> list[str]:
    """The tiles as they are drawn last, one text each, without their pictures."""
    grid = next(element.proto.body for element in app.get("html") if 'class="lab-maps"' in element.proto.body)
    result = re.split(r'<div class="lab-map" ', grid)[1:]
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", tile.partition(">")[2])) for tile in result]


def picture(shape: tuple[int, ...], kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def side_by_side(correlation: np.ndarray, targets: list[int], confidence: list[float]) -> SideBySide:
    m = len(targets)
    maps = Maps(np.zeros((m, 2)), np.array(targets), np.zeros(m), np.zeros(m), np.zeros(m, int))
    names = (*"abcdef"[: m - 1], "random mask")
    return SideBySide(names, maps, np.array(confidence), correlation, correlation)


def test_every_ticket_has_a_tile_with_the_verdict_of_the_command_line(runs_folder):
    app = open_page(run="fashion10", sample="8", map="Input x gradient")
    assert not app.exception
    shown = tiles(app)
    assert len(shown) == 13 and "the input" in shown[0] and "truly Bag" in shown[0]
    explained = Explained.of(load_run(samples()["fashion10"]))
    for tile, ticket in list(zip(shown[1:11], explained.run.tickets.names, strict=True))[::4]:
        document, _ = explain_samples(explained, ticket, [8], MapRequest("input_x_gradient"))
        (sample,) = document["samples"]
        words = {"ok": "✓ trust within limits", "doubtful": "? doubtful", "do not trust": "✕ do not trust"}
        assert words[sample["verdict"]] in tile and f"output {sample['output']:+.2f}" in tile
        assert "against zeros" in tile
    assert "dense control" in shown[11] and "random mask" in shown[12] and "beside Bag" in shown[12]


def test_the_view_is_restored_from_the_address_and_a_thumbnail_is_taken(runs_folder, unchecked):
    app = open_page(run="fashion10", ticket="Dress", sample="5", map="Saliency", baseline="mean", sign="by size")
    assert app.number_input(key="sample").value == 5
    assert (app.selectbox(key="map").value, app.selectbox(key="baseline").value) == ("saliency", "mean")
    shown = tiles(app)
    assert "no baseline" in shown[1] and "beside Dress" in shown[12]
    place = [button for button in app.button if button.label.isdigit()][1]
    place.click().run()
    assert app.number_input(key="sample").value == int(place.label)
    assert f"test picture {place.label}" in tiles(app)[0] and "truly Dress" in tiles(app)[0]


def test_an_uploaded_picture_is_explained(runs_folder, unchecked):
    app = open_page(run="fashion10", input="Your own", map="Saliency")
    assert "Choose a picture" in app.info[0].value
    app.file_uploader[0].set_value([("mine.png", picture((90, 60, 3)), "image/png")]).run()
    assert not app.exception and "mine.png" in tiles(app)[0] and "not known" in tiles(app)[0]
    assert any("nothing · much" in element.proto.body for element in app.get("html"))  # sizes have no sign
    app.file_uploader[0].set_value([("broken.png", b"nothing", "image/png")]).run()
    assert "cannot be read as a JPEG, PNG, WebP, TIFF, GIF or BMP picture" in app.error[0].value


@pytest.mark.parametrize(("shape", "channels"), [((90, 60, 3), 1), ((40, 40), 3), ((30, 64, 4), 3), ((8, 8), 1)])
def test_uploads_of_any_size_and_colour_become_inputs(shape, channels):
    x = kinds.read_upload(picture(shape), (channels, 28, 28))
    assert x.shape == (1, channels, 28, 28) and x.dtype == np.uint8


def test_an_upload_is_cut_and_made_grey_as_on_paper():
    half = np.zeros((10, 30, 3), np.uint8)
    half[:, 10:20] = (255, 0, 0)  # the middle square; its luminance is 0.299 x 255
    file = io.BytesIO()
    Image.fromarray(half).save(file, "PNG")
    assert np.unique(kinds.read_upload(file.getvalue(), (1, 10, 10))).tolist() == [76]


def test_sixteen_bits_a_pixel_are_scaled_and_not_clipped():
    deep, file = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8), io.BytesIO()
    Image.fromarray(deep).save(file, "PNG")
    shown = kinds.read_upload(file.getvalue(), (1, 8, 8))[0, 0]
    assert np.abs(shown - deep / 256).max() < 1


def test_too_large_uploads_are_refused(monkeypatch):
    monkeypatch.setattr(picture_files, "MAX_PIXELS_WHOLE", 100)
    with pytest.raises(BadInput, match="the picture has more than 100 pixels"):
        kinds.read_upload(picture((11, 10)), (1, 8, 8))
    monkeypatch.setattr(kinds, "MAX_BYTES", 10)
    with pytest.raises(BadInput, match="larger than"):
        kinds.read_upload(picture((5, 5)), (1, 8, 8))


def test_the_audit_is_made_once_and_opens_again(runs_folder):
    ask = {"run": "fashion10", "sample": "8", "map": "Input x gradient", "detail": "Over many inputs", "many": "32"}
    app = open_page(**ask, **{"many-class": "Bag"})
    assert app.button(key="audit-many").label.startswith("Audit 10 tickets over 32 inputs: about")
    app.button(key="audit-many").click().run()
    assert not app.exception and any("random orders" in title.value for title in app.subheader)
    (kept,) = (runs_folder / "audits" / "fashion10").glob("*.json")
    assert json.loads(kept.read_text())["of"]["class"] == "Bag"
    again = open_page(**ask, **{"many-class": "Bag"})
    assert [element.value for element in again.subheader] == [element.value for element in app.subheader]
    other = open_page(**ask, **{"many-class": "Coat"})
    assert other.button(key="audit-many") and len(other.dataframe) == 1  # what is kept is listed


def test_maps_are_kept_for_the_report(runs_folder):
    app = open_page(run="fashion10", sample="8", map="Input x gradient")
    app.button(key="keep-maps").click().run()
    assert "one file a ticket" in app.success[0].value
    assert len(list((runs_folder / "audits" / "fashion10").glob("*.json"))) == 10


def test_a_table_row_is_explained_column_by_column(runs_folder):
    app = open_page(run="adult", detail="One ticket, column by column", ticket="35-44")
    assert not app.exception
    chart = json.loads(app.get("plotly_chart")[1].proto.spec)["data"][0]
    assert chart["type"] == "waterfall" and chart["measure"][0] == "absolute" and chart["measure"][-1] == "total"
    steps = chart["x"]
    assert sum(steps[:-1]) == pytest.approx(steps[-1], abs=0.01)


def test_a_changed_value_makes_another_row(runs_folder, unchecked):
    app = open_page(run="adult", map="Saliency", sample="7")
    before = tiles(app)
    sex = next(box for box in app.selectbox if box.label == "sex")
    sex.select("Female" if sex.value == "Male" else "Male").run()
    assert not app.exception and tiles(app) != before


def test_partial_dependence_and_the_methods_that_do_not_fit(runs_folder, unchecked):
    app = open_page(run="adult", map="Saliency", detail="What a column does", column="age")
    assert any("“age” moves" in title.value for title in app.subheader)
    assert any("Occlusion" in element.value for element in app.markdown)
    waterfall = open_page(run="adult", map="Saliency", detail="One ticket, column by column")
    assert "slopes" in waterfall.info[0].value


def test_a_run_with_masks_only_says_what_is_missing(runs_folder, known_tickets):
    folder = runs_folder / "masks-run"
    folder.mkdir()
    sources = [{"ticket": name, "file": name, "format": "npz", "sha256": ""} for name in known_tickets.names]
    info = {"kind": "masks", "sources": sources, "left_out": [], "warnings": []}
    save_checkpoint(folder, Outcome(known_tickets, info))
    app = open_page(run="masks-run")
    assert not app.exception and "nothing to look at inputs with" in app.title[0].value


def test_signed_maps_are_neutral_at_zero_and_end_at_the_limit():
    plane = np.array([[-2.0, 0.0, 2.0]])
    drawn = heatmaps.alone(plane, 2.0, True, colours.LIGHT)[0]
    middle = colours.LIGHT.diverging
    assert ["#{:02X}{:02X}{:02X}".format(*pixel) for pixel in drawn] == [middle[0], middle[2], middle[4]]
    black = np.zeros((1, 1, 3), np.uint8)
    over = heatmaps.over(black, plane, 2.0, True, 1.0, colours.DARK)[0]
    assert over[1].tolist() == [0, 0, 0]  # no colour where the map is zero
    assert "#{:02X}{:02X}{:02X}".format(*over[2]) == colours.DARK.diverging[-1]


def test_limits_are_shared_or_of_each_map_and_never_zero():
    maps = np.stack([np.full((2, 2), 1.0), np.full((2, 2), -3.0), np.zeros((2, 2))])
    assert heatmaps.limits(maps, True).tolist() == [3.0, 3.0, 3.0]
    assert heatmaps.limits(maps, False).tolist() == [1.0, 3.0, 1.0]


def test_headline_counts_answers_and_says_how_alike_the_maps_are():
    equal = np.full((4, 4), 0.8)
    same = findings.headline(side_by_side(equal, [1, 1, 1, 0], [0.9] * 4), ["Bag"] * 3 + ["Hat"], 3, MULTICLASS, None)
    assert same == "All 3 tickets say “Bag”; their maps are very similar (+0.80 rank correlation)"
    apart = findings.headline(
        side_by_side(0.1 * equal, [1, 1, 0, 0], [0.9] * 4), ["Bag", "Bag", "Hat", "Hat"], 3, MULTICLASS, None
    )
    assert apart.startswith("2 of 3 tickets say “Bag”; their maps, each of its own answer, are hardly similar")
    claims = side_by_side(equal, [0, 0, 0, 0], [0.2, 0.97, 0.1, 0.9])
    assert findings.headline(claims, ["Bag", "Hat", "Coat", "Hat"], 3, ONE_VS_REST, None).startswith(
        "Hat claims this input"
    )
    constant = side_by_side(np.full((4, 4), np.nan), [1, 1, 1, 1], [0.9] * 4)
    assert "tell nothing" in findings.headline(constant, ["Bag"] * 4, 3, MULTICLASS, None)


def test_titles_of_the_audit():
    audit = SimpleNamespace(
        n=40,
        tickets=[
            AuditedTicket(
                name,
                Faithfulness(*[value] * 6),
                [],
                TicketIntervals(*[[value - 0.1, value + 0.1]] * 6, regions=[]),
            )
            for name, value in (("a", -0.3), ("b", 0.05))
        ],
    )
    frame = dataset_audit_charts.faithfulness_frame(audit)
    assert findings.faithful_title(frame, 40) == "The maps find what matters to a, not to the others (n = 40)"
    assert findings.faithful_title(frame[frame.ticket == "b"], 40).startswith("Taking away what the maps mark hurts no")


def test_checks_are_counted_in_words():
    assert findings.checks_title({"a": "ok", "b": "ok"}) == "No check speaks against these maps"
    mixed = {"a": "ok", "b": "doubtful", "c": "do not trust"}
    assert findings.checks_title(mixed) == "Of 3 maps, 1 is not to be trusted and 1 is doubtful"
