"""The report: every number is that of the documents, nothing is loaded, no text of a user is code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rtl_core.audit.fairness.audit_settings import AuditSettings
from rtl_core.audit.report import tables
from rtl_core.audit.report.page import SECTIONS, page
from rtl_core.errors import BadInput
from rtl_core.runs import report, training
from rtl_core.runs.checkpoint import load_run
from rtl_core.runs.imports import import_masks
from rtl_core.runs.store import samples
from rtl_core.tasks.task import Figure

pytestmark = pytest.mark.long

EVIL = "<script>alert(1)</script>"
FEW = AuditSettings(permutations=200)  # enough for what is asked here


class Page(HTMLParser):
    """What a browser would make of the page.

    tags     (tag, attributes) of every element
    figures  (part, attributes of the table and row, field, values, text) of every table cell that is a field
    exact    (value, shown text) of every `<data>`
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.figures: list[SimpleNamespace] = []
        self.exact: list[tuple[float, str]] = []
        self._table, self._row, self._cell, self._data = {}, {}, None, None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag == "table":
            self._table = attrs
        elif tag == "tr":
            self._row = attrs
        elif tag == "td" and "data-field" in attrs:
            at = {**self._table, **self._row}
            self._cell = SimpleNamespace(
                section=at.get("data-part"),
                at=at,
                field=attrs["data-field"],
                values=[],
                text="",
                grey="few" in attrs["class"],
            )
            self.figures.append(self._cell)
        elif tag == "data":
            self._data = [float(attrs["value"]), ""]

    def handle_data(self, data):
        if self._data is not None:
            self._data[1] += data
        if self._cell is not None:
            self._cell.text += data

    def handle_endtag(self, tag):
        if tag == "data":
            self.exact.append(tuple(self._data))
            if self._cell is not None:
                self._cell.values.append(self._data[0])
            self._data = None
        elif tag == "td":
            self._cell = None

    def of(self, section: str) -> Iterator[SimpleNamespace]:
        result = [cell for cell in self.figures if cell.section == section]
        assert result, f"no figures of {section}"
        return iter(result)


@pytest.fixture(scope="module")
def adult():
    request = report.ReportRequest(groups=("sex", "race"), settings=FEW)
    document = report.run_document(load_run(samples()["adult"]), request)
    html = page(document)
    return SimpleNamespace(document=document, html=html, page=Page(html))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """3,000 decisions of an unknown model: two tickets, one group with an evil name and one of five rows."""
    rng = np.random.default_rng(0)
    n = 3000
    group = np.where(np.arange(n) < 5, "tiny", np.where(rng.random(n) < 0.4, EVIL, "large"))
    y = rng.random(n) < 0.4
    frame = pd.DataFrame(
        {
            "y_true": y.astype(int),
            "y_pred": (y & (group != EVIL) | (rng.random(n) < 0.2)).astype(int),
            "ticket": np.where(rng.random(n) < 0.5, "<b>bold", "plain"),
            "group": group,
            "surname": [f"surname-{i}" for i in range(n)],
        }
    )
    path = tmp_path_factory.mktemp("report") / "decisions.csv"
    frame.to_csv(path, index=False)
    document = report.table_document(path, {}, report.ReportRequest(groups=("group",), settings=FEW))
    html = page(document)
    return SimpleNamespace(document=document, html=html, page=Page(html), path=path)


def expected(row: dict, field: str) -> list[float]:
    """A figure and, where there is one, its interval."""
    if row.get(field) is None:
        return []
    low, high = (row.get("ci") or {}).get(field) or (None, None)
    return [row[field], *([] if low is None else [low, high])]


@pytest.mark.parametrize(
    ("section", "key"),
    [("tickets", "name"), ("methods", "method"), ("routers", "router")],
)
def test_the_figures_of_evaluate_are_those_of_the_verb(adult, section, key):
    by_verb = {row[key]: row for row in training.evaluate_run(load_run(samples()["adult"]))[section]}
    shown = set()
    for cell in adult.page.of(f"evaluate.{section}"):
        shown.add(cell.at["data-name"])
        assert cell.values == expected(by_verb[cell.at["data-name"]], cell.field)
    assert shown == {name for name, row in by_verb.items() if row.get("applies", True)}


def test_the_figures_of_similarity_are_those_of_the_verb(adult):
    by_verb = adult.document["similarity"]
    for cell in adult.page.of("similarity.pairs"):
        i, j = int(cell.at["data-name"]), int(cell.field)
        assert cell.values == ([] if i == j else [by_verb["iou"][i][j], by_verb["chance"][i][j]])
    layers = {layer["name"]: layer for layer in by_verb["layers"]}
    for cell in adult.page.of("similarity.layers"):
        assert cell.values == [layers[cell.at["data-name"]][cell.field]]


def test_what_twins_say_stands_in_the_report(adult):
    measured = adult.document["similarity"]
    assert measured["twins"]["finding"] in adult.html
    drawing = adult.html.partition('aria-label="Where tickets lie between chance and twins"')[2].partition("</svg>")[0]
    shown = re.findall(r">(\d\.\d\d)</text>", drawing)
    places = [measured["twins"]["position"], *(row["position"] for row in measured["layers"])]
    assert shown == [f"{place:.2f}" for place in places]


@pytest.mark.parametrize("which", ["adult", "table"])
def test_the_figures_of_fairness_are_those_of_the_document(which, request):
    made = request.getfixturevalue(which)
    fairness = made.document["fairness"]
    cells = {(c["ticket"] or "", c["group"], c["metric"]): c for c in fairness["cells"]}
    cells |= {(c["ticket"] or "", "", c["metric"]): c for c in fairness["overall"]}
    shown = set()
    for cell in made.page.of("fairness.cells"):
        ticket, group = cell.at["data-ticket"], cell.at["data-name"]
        if cell.field == "n":
            assert cell.values == [cells[ticket, group, "accuracy"]["n"]]
            continue
        by_verb = cells[ticket, group, cell.field]
        shown.add((ticket, group, cell.field))
        numbers = [by_verb[key] for key in ("value", "low", "high") if by_verb[key] is not None]
        assert cell.values == numbers + ([by_verb["denominator"]] if by_verb["status"] == "small" else [])
        assert cell.grey == (by_verb["status"] != "ok")
        if by_verb["value"] is None:
            assert "–" in cell.text and by_verb["reason"] in cell.text
    together = {key for key in cells if key[0] == ""}
    assert shown >= together


@pytest.mark.parametrize("which", ["adult", "table"])
def test_every_gap_is_that_of_the_document_with_its_sentence(which, request):
    made = request.getfixturevalue(which)
    fairness = made.document["fairness"]
    gaps = {(g["ticket"] or "", g["group"], g["metric"]): g for g in fairness["gaps"]}
    shown = set()
    for cell in made.page.of("fairness.gaps"):
        key = cell.at["data-ticket"], cell.at["data-name"], cell.at["data-metric"]
        shown.add(key)
        assert cell.values == [gaps[key][name] for name in ("gap", "low", "high") if gaps[key][name] is not None]
    assert shown >= {key for key in gaps if key[0] == ""}
    text = re.sub(r"\s+", " ", _text(made.html))
    for ticket, group, metric in shown:
        sentence = tables.gap_sentence(gaps[ticket, group, metric], fairness)
        assert re.sub(r"\s+", " ", sentence) in text


def test_the_extras_are_those_of_the_document(adult):
    fairness = adult.document["fairness"]
    routing = {row["group"]: row for row in fairness["routing"] if row["ticket"] is None}
    for cell in adult.page.of("fairness.routing"):
        assert cell.values == expected(routing[cell.at["data-name"]], cell.field)
    by_gap = {(row["group"], row["metric"]): row for row in fairness["decomposition"]}
    for cell in adult.page.of("fairness.decomposition"):
        assert cell.values == expected(by_gap[cell.at["data-name"], cell.at["data-metric"]], cell.field)


def test_what_is_shown_is_the_exact_value_rounded(adult):
    assert len(adult.page.exact) > 500
    for value, shown in adult.page.exact:
        text = shown.replace("\u2212", "-").replace(",", "").removesuffix(" %").removesuffix(" points")
        digits = len(text.partition(".")[2])
        scales = (100,) if shown.endswith((" %", " points")) else (1, 100)  # an interval's unit stands at its end
        error = min(abs(float(text) - scale * value) for scale in scales)
        assert error <= 0.5 * 10**-digits * 1.001


@pytest.mark.parametrize("which", ["adult", "table"])
def test_nothing_is_loaded_and_nothing_runs(which, request):
    made = request.getfixturevalue(which)
    assert not {tag for tag, _ in made.page.tags} & {
        "script",
        "img",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    }
    for _, attributes in made.page.tags:
        assert not any(name.startswith("on") or name in ("src", "srcset", "action") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "//" not in made.html and "url(" not in made.html and "@import" not in made.html
    assert len(made.html.encode()) < 1_000_000


def test_links_of_the_contents_lead_to_the_sections(adult):
    ids = [attributes["id"] for tag, attributes in adult.page.tags if tag == "section"]
    assert ids == list(SECTIONS)
    links = {attributes["href"][1:] for tag, attributes in adult.page.tags if tag == "a"}
    assert links >= set(SECTIONS) and links <= set(ids)


def test_names_of_a_user_are_text(table):
    assert "<b>bold" not in table.html and EVIL not in table.html
    assert f"group={EVIL}" in _text(table.html)


def test_no_row_of_the_table_is_in_the_report(table):
    assert "surname" not in table.html and str(table.path.parent) not in table.html


def test_a_table_says_what_does_not_apply(table):
    assert set(table.document["absent"]) == {"tickets", "controls", "overlap", "routing", "attribution"}
    assert table.html.count("Not applicable: a table of predictions was audited") == 5
    assert [file["name"] for file in table.document["files"]] == ["decisions.csv"]


def test_chance_gaps_are_not_coloured_as_rare(adult):
    """A dot is blue where, and only where, the adjusted p is below alpha."""
    fairness = adult.document["fairness"]
    dots = re.findall(
        r'data-name="([^"]+)"><td><strong>.*?<td class="chart"><svg.*?(?:fill="(#\w+)" stroke|</svg>)', adult.html
    )
    together = [gap for t in tables.gap_tables(fairness, None, single=False) for gap in t.gaps]
    assert len(dots) >= len(together)
    for (name, fill), gap in zip(dots, together, strict=False):
        assert name == gap["group"]
        assert (fill == "#3B6FB6") == (gap["p_holm"] is not None and gap["p_holm"] < 0.05)


def test_controls_are_ahead_level_or_behind():
    """RTL .80 to .84: a control is ahead or behind where its interval lies apart, level where they touch."""

    def row(method, value, low, high):
        return {"method": method, "applies": True, "accuracy": value, "ci": {"accuracy": [low, high]}}

    rows = [row("rtl", 0.82, 0.80, 0.84), row("random", 0.7, 0.68, 0.79), row("dense", 0.9, 0.85, 0.95)]
    rows += [row("permuted", 0.78, 0.76, 0.80), {"method": "imp_multi", "applies": False, "reason": "why"}]
    against = tables.against_rtl({"methods": rows}, Figure("accuracy", "accuracy"))
    lower, level, higher = ["Random masks"], ["Tickets swapped between subsets"], ["Dense network, no mask"]
    assert (against.above, against.level, against.below) == (lower, level, higher)
    against = tables.against_rtl({"methods": rows}, Figure("accuracy", "error", higher_is_better=False))
    assert (against.above, against.level, against.below) == (higher, level, lower)


def test_masks_only_runs_say_what_is_not_known(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.savez(tmp_path / f"{name}.npz", layer=rng.random((8, 8)) < 0.5)
    made = import_masks([tmp_path / "a.npz", tmp_path / "b.npz"], tmp_path)
    document = report.run_document(load_run(tmp_path / made.run))
    html = page(document)
    shown = {cell.section for cell in Page(html).figures}
    assert {"show.tickets", "similarity.pairs", "similarity.layers"} <= shown
    assert not {section for section in shown if section.startswith(("evaluate", "fairness"))}
    assert set(document["absent"]) == {"data", "controls", "routing", "fairness", "attribution", "by_ticket"}
    assert html.count("Not applicable: the run has masks only") == 6


def test_runs_without_group_columns_say_so():
    document = report.run_document(load_run(samples()["fashion10"]))
    assert "no column" in document["absent"]["fairness"]
    assert f"Not applicable: {document['absent']['fairness']}" in page(document)
    missing = {row["check"]: row["reason"] for row in document["skipped"]}
    assert missing["control imp_multi"] == "the run's settings did not ask for it"


def test_saved_attributions_are_counted(tmp_path):
    (tmp_path / "audits").mkdir()
    samples_ = [{"verdict": "ok"}, {"verdict": "do not trust"}, {"verdict": "ok"}]
    audit = {"ticket": "sky", "method": "saliency", "baseline": None, "target": None, "samples": samples_}
    (tmp_path / "audits" / "1.json").write_text(json.dumps(audit))
    (tmp_path / "audits" / "2.json").write_text("{")
    absent, notes = {}, []
    result = report._attribution(tmp_path / "audits", absent, notes)
    assert [(row["n"], row["verdicts"]) for row in result] == [(3, {"ok": 2, "do not trust": 1})]
    assert absent == {} and len(notes) == 1 and "2.json" in notes[0]


def test_the_file_is_written_where_a_file_can_be(table, tmp_path):
    out = tmp_path / "report.html"
    assert report.write_report(table.document, out) == out.stat().st_size
    assert out.read_text("utf-8") == table.html
    for wrong in (tmp_path, tmp_path / "nowhere" / "report.html"):
        with pytest.raises(BadInput, match="name a file in a folder that is there"):
            report.write_report(table.document, wrong)


def _text(html: str) -> str:
    """The page's text as a reader sees it."""
    pieces: list[str] = []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_data = pieces.append
    parser.feed(html)
    return "".join(pieces)
