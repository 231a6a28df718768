"""The report: what the other verbs say about a run, or about a table of predictions, gathered into one HTML file."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rtl_core import __version__
from rtl_core.audit.fairness.audit_settings import USUAL, AuditSettings
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.files import replacing
from rtl_core.runs.atomic import read_json
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.store import CHECKPOINT_FILE, CONFIG_FILE, MAX_AUDIT_BYTES, audits_folder, project_runs
from rtl_core.tasks.catalogue import task_named

if TYPE_CHECKING:
    from rtl_core.data.dataset import Dataset

METRICS = ("selection_rate", "accuracy", "tpr", "fpr", "precision")  # unless named; `fnr` says what `tpr` says
CATEGORIES = range(2, 11)  # of a column that is taken as groups where none is named
COLUMNS = 2  # that are taken then
_MASKS_ONLY = "the run has masks only: nothing is known of data, weights or answers"
_NO_NETWORK = "a table of predictions was audited: there is no network to look into"
_NOT_HERE = {
    "collapse diagnosis": "this version does not look for a collapse over densities",
    "which weights carry a gap": "it takes longer than the rest; the verb fairness with --extras where looks into it",
    "other data": "the figures are of the run's own test rows; the verbs evaluate and fairness take others with --data",
}
EXTRAS = ("routing", "decomposition")  # of `fairness`


@dataclass(frozen=True)
class ReportRequest:
    """How fairness is to be audited; what is not named is chosen as `rtl_core.runs.fairness` does."""

    groups: tuple[str, ...] = ()
    method: str = "rtl"
    router: str = "context"
    settings: AuditSettings = USUAL

    @property
    def shown(self) -> AuditSettings:
        """The settings with the metrics that the report has, where none are named."""
        return replace(self.settings, metrics=self.settings.metrics or METRICS)


def run_document(run: Run, request: ReportRequest = ReportRequest(), root: Path | None = None) -> dict[str, Any]:
    """Everything the report says of a run, as JSON: the documents of the other verbs under their names.

    root  the folder of runs below which audits of samples are kept; the project's unless given
    `absent` holds for each section that is not there the reason, `skipped` all checks that were not made.
    Without named groups, the first columns of few categories are taken that the subsets were not made from.
    """
    from rtl_core.runs import training
    from rtl_core.runs.twins import similarity_document

    config = run.config.model_dump(mode="json") if run.config else {}
    document = {
        **_frame(run.name, "masks" if run.masks_only else "run"),
        "show": {**training.headline(run), "state": "done", "config": config or None},
        "evaluate": None if run.masks_only else training.evaluate_run(run),
        "similarity": similarity_document(run, root or project_runs()),
        "files": [_sealed(file) for name in _files(run) if (file := run.folder / name).is_file()],
        "settings": config,
        "environment": run.info.get("environment", {}),
    }
    absent: dict[str, str] = {}
    if run.masks_only:
        absent |= dict.fromkeys(("data", "controls", "routing", "fairness", "attribution", "by_ticket"), _MASKS_ONLY)
    else:
        document["fairness"] = _fairness(run, request, absent, document["notes"])
        document["attribution"] = _attribution(
            audits_folder(run.folder, root or project_runs()), absent, document["notes"]
        )
        _by_ticket(document["fairness"], absent)
    return {**document, "absent": absent, "skipped": _skipped(document, absent)}


def table_document(path: Path, mapping: Mapping[str, Any], request: ReportRequest) -> dict[str, Any]:
    """The same for a table of predictions of any model; see `rtl_core.runs.fairness.audit_table`."""
    from rtl_core.runs.fairness import audit_table

    fairness_document = plain(audit_table(path, mapping, request.groups, request.shown))
    document = {**_frame(path.name, "table"), "fairness": fairness_document, "files": [_sealed(path)]}
    document["settings"] = dict(mapping)
    absent = dict.fromkeys(("tickets", "controls", "overlap", "routing", "attribution"), _NO_NETWORK)
    _by_ticket(fairness_document, absent)
    return {**document, "absent": absent, "skipped": _skipped(document, absent)}


def write_report(document: Mapping[str, Any], out: Path) -> int:
    """Writes the page of a document to a file and says how many bytes it has."""
    from rtl_core.audit.report.page import page

    check_place(out)
    content = page(document).encode()
    with replacing(out) as draft:
        draft.write_bytes(content)
    return len(content)


def check_place(out: Path) -> None:
    """BadInput where no file can be written: worth asking before the audits are made."""
    if out.is_dir() or not out.parent.is_dir():
        raise BadInput(f"the report cannot be written to {out}: name a file in a folder that is there")


def _frame(title: str, kind: str) -> dict[str, Any]:
    return {
        "title": title,
        "kind": kind,
        "made": datetime.now(UTC).isoformat(timespec="minutes"),
        "versions": {"RTL Lab": __version__, "Python": platform.python_version()},
        **dict.fromkeys(("show", "evaluate", "similarity", "fairness")),
        "attribution": [],
        "files": [],
        "settings": {},
        "environment": {},
        "notes": [],
    }


def _files(run: Run) -> tuple[str, ...]:
    return (*run.manifest["files"], CHECKPOINT_FILE, CONFIG_FILE)


def _sealed(path: Path) -> dict[str, Any]:
    with open(path, "rb") as file:
        return {
            "name": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _fairness(run: Run, request: ReportRequest, absent: dict[str, str], notes: list[str]) -> dict[str, Any] | None:
    """The audit of the groups that were named, or of some that offer themselves; then a reason why not is no error."""
    from rtl_core.runs.fairness import Audited, audit

    decides = task_named(run.config.task).log_p is not None  # other answers have one metric, their mean credit
    how = (request.method, request.router, request.shown if decides else request.settings, EXTRAS)
    if request.groups:
        return plain(audit(Audited.of(run), request.groups, *how))
    try:
        audited = Audited.of(run)
        chosen = _groups_of(run, audited.opened.dataset)
        document = plain(audit(audited, chosen, *how))
    except BadInput as error:
        absent["fairness"] = str(error)
        return None
    notes.append(f"Groups were not named, so these columns were taken: {', '.join(chosen)}.")
    return document


def _groups_of(run: Run, dataset: Dataset) -> list[str]:
    few = [name for name, column in dataset.attributes.items() if column.nunique() in CATEGORIES]
    others = [name for name in few if name != run.info["partition"]["column"]]
    if not few:
        raise BadInput("the data has no column with a few categories that could be the groups")
    return (others or few)[:COLUMNS]


def _by_ticket(fairness: Mapping[str, Any] | None, absent: dict[str, str]) -> None:
    if fairness is None:
        absent["by_ticket"] = "fairness was not audited"
    elif len({row["ticket"] for row in fairness["overall"]}) == 1:
        absent["by_ticket"] = "there is one ticket only"


def _attribution(folder: Path, absent: dict[str, str], notes: list[str]) -> list[dict[str, Any]]:
    """What was saved by `attribute`: of each audit the ticket, the method and how many maps got which verdict."""
    audits = []
    for file in sorted(folder.glob("*.json")):
        try:
            audit = read_json(file, MAX_AUDIT_BYTES)
        except BadInput as error:
            notes.append(f"An audit of this run is left out: {error}.")
            continue
        if isinstance(audit.get("samples"), list) and audit["samples"]:
            audits.append(
                {key: audit.get(key) for key in ("ticket", "method", "baseline", "target")}
                | {"n": len(audit["samples"]), "verdicts": Counter(_verdict(sample) for sample in audit["samples"])}
            )
    if not audits:
        absent["attribution"] = "no attribution of this run was saved"
    return audits


def _verdict(sample: Any) -> str:
    return str(sample.get("verdict") or "not checked") if isinstance(sample, dict) else "not readable"


def _skipped(document: Mapping[str, Any], absent: Mapping[str, str]) -> list[dict[str, str]]:
    from rtl_core.audit.report.page import SECTIONS
    from rtl_core.learning.baselines import CONTROLS

    skipped = [{"check": SECTIONS[section], "reason": reason} for section, reason in absent.items()]
    if document["evaluate"] is not None:
        there = {row["method"]: row for row in document["evaluate"]["methods"]}
        for name in CONTROLS:
            if name not in there:
                skipped.append({"check": f"control {name}", "reason": "the run's settings did not ask for it"})
            elif not there[name]["applies"]:
                skipped.append({"check": f"control {name}", "reason": there[name]["reason"]})
        extras = {name: (document["fairness"] or {}).get(name) for name in EXTRAS}
        skipped += [
            {"check": f"{name} of groups", "reason": extra["reason"]}
            for name, extra in extras.items()
            if isinstance(extra, dict)
        ]
        skipped += [{"check": check, "reason": reason} for check, reason in _NOT_HERE.items()]
    return skipped
