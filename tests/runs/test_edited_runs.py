"""Everything that is asked of a run, asked of runs that tickets were added to, merged in and taken from.

Such a run has other subsets than its settings would give. The first ticket is taken away, so that whoever made the
subsets anew from the settings would judge every other ticket on its neighbour's rows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import nav
from rtl_core.audit.mask_exchange import exchange
from rtl_core.config import parse
from rtl_core.documents import plain
from rtl_core.interchange.ticket_file import read_ticket
from rtl_core.runs import diagnose, exports, fairness, report, training
from rtl_core.runs.attribution import Explained
from rtl_core.runs.checkpoint import Run, load_run
from rtl_core.runs.grow import grow
from rtl_core.runs.merge import merge, remove
from rtl_core.runs.open_run import open_run, values_of
from rtl_core.runs.routing import Routing, route
from tests.toy_run import toy

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
CLASSES, TOWNS = ("ant", "bee", "cow", "dog"), ("Aix", "Bern", "Cork", "Dole")
QUICK = toy(
    lighter=[0.1],
    density=0.3,
    controls=["random"],
    workers=1,
    extract={"steps": 15, "warm_steps": 20},
    joint={"steps": 20},
    gated={"steps": 20, "batch_size": 16},
    optimiser={"batch_size": 16},
)
WAYS = ("pictures removed", "pictures merged", "pictures grown", "table removed", "table merged")


def pictures(path: Path, classes: tuple[str, ...]) -> str:
    """Noisy 8 x 8 pictures, a bright column for each class."""
    arrays = {"classes": np.array(classes)}
    for split, n in (("train", 40), ("val", 12), ("test", 30)):
        draws = [np.random.default_rng([CLASSES.index(name), n]) for name in classes]
        x = np.stack([draw.integers(0, 140, (n, 8, 8), np.uint8) for draw in draws])
        for of_class, name in zip(x, classes, strict=True):
            of_class[:, :, 2 * CLASSES.index(name)] += 100
        arrays |= {f"x_{split}": x.reshape(-1, 8, 8), f"y_{split}": np.repeat(np.arange(len(classes)), n)}
    np.savez(path, **arrays)
    return f"npz:{path}"


def table(path: Path) -> str:
    """In every town another column decides."""
    draw, n = np.random.default_rng(0), 960
    town = np.arange(n) % 4
    x = draw.normal(size=(n, 4))
    yes = np.where(x[np.arange(n), town] > 0, "yes", "no")
    frame = pd.DataFrame(x, columns=list("abcd")).assign(town=np.array(TOWNS)[town], yes=yes)
    frame.to_csv(path, index=False)
    return f"csv:{path}"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def edited(root) -> dict[str, Run]:
    by_class = {"task": "one_vs_rest", "partition": {"by": "class"}, "sharing": {"head": "ticket"}}
    shared = {**QUICK, **by_class, "model": {"name": "convnet", "width": 0.5}}
    some, every = pictures(root / "some.npz", CLASSES[:3]), pictures(root / "every.npz", CLASSES)
    partition = {"by": "attribute", "column": "town"}
    data = {"spec": table(root / "people.csv"), "target": "yes", "groups": ["town"]}
    three, four, people = (
        load_run(Path(training.train_new(parse(values), root)["folder"]))
        for values in (
            {**shared, "data": {"spec": some}},
            {**shared, "data": {"spec": every}},
            {**QUICK, "partition": partition, "data": data, "model": {"name": "mlp"}},
        )
    )
    made = (
        remove(four, "ant", root),
        merge(four, ("ant", "cow"), "union", root),
        grow(three, every, root),
        remove(people, "Aix", root),
        merge(people, ("Aix", "Cork"), "union", root),
    )
    return {way: load_run(Path(document["folder"])) for way, document in zip(WAYS, made, strict=True)}


@pytest.fixture(params=WAYS)
def run(request, edited) -> Run:
    return edited[request.param]


def headline(run: Run) -> str:
    return open_run(run).task.headline.name


def recorded(run: Run) -> list[dict]:
    return run.info["evaluation"]["tickets"]


def test_a_subset_is_what_its_values_are(run):
    opened = open_run(run)
    dataset, values = opened.dataset, values_of(run)
    known = np.array(dataset.classes)[dataset.labels] if run.config.partition.by == "class" else dataset.attributes.town
    for k, subset in enumerate(run.tickets.subsets):
        assert np.array_equal(opened.partition.assignment == k, np.isin(known, values[subset]))


def test_it_is_evaluated_as_it_was(run):
    again = training.evaluate_run(run, run.config.data.spec)
    for one, other in zip(again["tickets"], recorded(run), strict=True):
        assert one["n"] == other["n"] and one[headline(run)] == pytest.approx(other[headline(run)])
    for one, other in zip(again["routers"], run.info["evaluation"]["routers"], strict=True):
        assert one["router"] == other["router"] and one["accuracy"] == pytest.approx(other["accuracy"], abs=0.02)


def test_what_a_difference_does_starts_from_the_tickets_own_figure(run):
    trained, names = open_run(run).trained_tickets, run.tickets.names
    for k, name in enumerate(names):
        own = exchange(trained, name, names[k - 1], draws=0).iloc[0]
        assert own.value == pytest.approx(recorded(run)[k][headline(run)])


def test_a_tickets_own_file_gives_its_own_figure(run, tmp_path):
    names = run.tickets.names
    for k, name in list(enumerate(names))[len(names) - 1 if "grown" in run.info else 0 :]:  # on the data it was made on
        (path,) = exports.export(run, name, ("ticket",), tmp_path).values()
        ticket = exports.apply_ticket(run, read_ticket(Path(path)))
        assert ticket.row.value(headline(run)) == pytest.approx(recorded(run)[k][headline(run)], abs=0.03)
        assert ticket.own.name == name and ticket.own.value(headline(run)) == recorded(run)[k][headline(run)]


def test_rows_are_routed_against_their_own_tickets(run):
    routing = Routing.of(open_run(run))
    report = route(routing, routing.routers[0]).report
    assert report.row.agreement_with_oracle == 1
    counts = np.bincount(routing.eval_set.subset, minlength=run.tickets.k)
    assert np.array_equal(report.confusion, np.diag(counts))


def test_a_map_is_made_of_rows_of_the_tickets_subset(run):
    explained = Explained.of(run)
    dataset, values = explained.subject.dataset, values_of(run)
    for name, subset in zip(run.tickets.names, run.tickets.subsets, strict=True):
        rows = explained.rows(name)
        known = np.array(dataset.classes)[dataset.labels] if dataset.kind == "image" else dataset.attributes.town
        assert set(np.asarray(known)[rows]) == set(values[subset])


@pytest.mark.parametrize("run", WAYS[3:], indirect=True)
def test_a_fairness_audit_counts_every_ticket_on_its_own_rows(run):
    document = plain(fairness.audit(fairness.Audited.of(run), ["town"]))
    counted = {row["ticket"]: row["n"] for row in document["overall"] if row["metric"] == "accuracy"}
    expected = {row["name"]: row["n"] for row in recorded(run)}
    assert {name: counted[name] for name in expected} == expected


def test_it_is_diagnosed_and_reported(run, root):
    assert diagnose.diagnose(run, root).k == run.tickets.k
    assert report.run_document(run, root=root)["show"]["run"] == run.name


@pytest.mark.parametrize("page", [Path(page).stem for page in nav.PAGES if "learn" not in str(page)])
def test_every_page_opens_it(run, root, monkeypatch, page):
    monkeypatch.setenv("RTL_RUNS", str(root))
    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120)
    app.query_params["run"] = run.name
    app.run()
    if page != "overview":
        app.switch_page(f"pages/{page}.py").run()
    assert not app.exception and not app.error
