"""Attribution of a run: maps of its tickets with their checks, audits over many inputs, and what is kept of both.

An audit is kept as `audits/NAME.json` of the run, with its arrays in `NAME.npz` beside it. Samples and runs that stand
elsewhere are not written into: their audits are kept in `audits/RUN/` of the user's folder of runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError

from rtl_core.audit.attribution import aggregate
from rtl_core.audit.attribution.attribute import attribute
from rtl_core.audit.attribution.explain import Maps, Question, outputs_of
from rtl_core.audit.attribution.map_request import MapRequest
from rtl_core.audit.attribution.sanity import Sanity, sanity
from rtl_core.audit.attribution.ticket_modules import Subject
from rtl_core.audit.attribution.verdict import verdicts
from rtl_core.data.npz import read_arrays
from rtl_core.data.partition import Partition
from rtl_core.documents import plain
from rtl_core.errors import BadInput
from rtl_core.events import Report, silent
from rtl_core.files import replacing
from rtl_core.read_only import refused_in_public
from rtl_core.runs.atomic import read_json, write_json
from rtl_core.runs.checkpoint import Run
from rtl_core.runs.dataset_audit import AgreementIntervals, AuditedTicket, DatasetAudit, Faithfulness, TicketIntervals
from rtl_core.runs.open_run import OpenRun, open_run
from rtl_core.runs.store import MAX_AUDIT_BYTES, audits_folder, slug

_PROBED = 16  # test rows that are asked whether a ticket says the same to everything
_VERSIONS = ("torch", "captum", "numpy")


@dataclass(frozen=True)
class Explained:
    """A run with its data and weights at hand."""

    run: Run
    subject: Subject
    partition: Partition

    @classmethod
    def of(cls, run: Run) -> Explained:
        """BadInput for runs that have masks only, and where the data are gone or others by now."""
        if run.masks_only:
            raise BadInput(f"run '{run.name}' has masks only; explaining a ticket needs its weights")
        return cls.over(open_run(run))

    @classmethod
    def over(cls, opened: OpenRun) -> Explained:
        subject = Subject.of(opened.task, opened.dataset, opened.network, opened.run.tickets, opened.learned)
        return cls(opened.run, subject, opened.partition)

    def rows(self, subset: str | None = None, class_: str | None = None) -> np.ndarray:
        """Indices of the test rows: all, those of a subset, those of a class, or those of both."""
        dataset = self.subject.dataset
        wanted = dataset.split == "test"
        if subset is not None:
            wanted &= self.partition.assignment == self.subject.index(subset)
        if class_ is not None:
            wanted &= dataset.labels == dataset.classes.index(class_)
        return np.flatnonzero(wanted)


@dataclass(frozen=True)
class Checked:
    """The checks of one map; `scores` are of one."""

    scores: Sanity
    verdict: str
    reason: str


def check(subject: Subject, ticket: str, x: torch.Tensor, maps: Maps, question: Question) -> Checked:
    """The checks of the ticket's map of one input x (1, *shape), which need not be a row of the data."""
    scores = sanity(subject, ticket, x, maps, question)
    if constant_output(subject, ticket):
        return Checked(scores, "do not trust", "the ticket is dead: its output is the same for every input")
    ((verdict, reason),) = verdicts(scores)
    return Checked(scores, verdict, reason)


def constant_output(subject: Subject, ticket: str) -> bool:
    """Whether a ticket says the same to every one of some test rows."""
    test = subject.dataset.rows("test")
    rows = test[np.linspace(0, len(test) - 1, min(_PROBED, len(test))).astype(int)]
    outputs = outputs_of(subject.module(ticket), subject.dataset.inputs(rows))
    return len(rows) > 1 and bool((np.ptp(outputs, axis=0) == 0).all())


def explain_samples(
    explained: Explained, ticket: str, samples: Sequence[int], request: MapRequest, report: Report = silent
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(the JSON document of `attribute` with the run it belongs to, its maps as `attributions`)."""
    document, maps = attribute(explained.subject, ticket, samples, request, report)
    return {"kind": "samples", **_origin(explained.run), **document}, {"attributions": maps}


_AUDIT = TypeAdapter(DatasetAudit)


def audit_many(
    explained: Explained,
    tickets: Sequence[str],
    rows: np.ndarray,
    request: MapRequest,
    about: Mapping[str, Any],
    report: Report = silent,
) -> tuple[DatasetAudit, np.ndarray]:
    """(`aggregate.audit` of some rows with what it is about, the tickets' mean maps (K, *shape)).

    about   says which inputs these are: `DatasetAudit.of`
    report  may raise `Stopped`
    """
    audited = aggregate.audit(explained.subject, tickets, rows, request, report=report)
    audit = DatasetAudit(
        kind="many",
        **_origin(explained.run),
        method=audited.method,
        parameters=request.settings.model_dump(),
        baseline=audited.baseline,
        target=request.target or "predicted",
        seed=request.seed,
        of=dict(about),
        n=audited.n,
        regions=list(audited.regions),
        tickets=[_ticket(name, one) for name, one in zip(audited.names, audited.tickets, strict=True)],
        agreement=plain(audited.agreement.value),
        ci=AgreementIntervals(_ends(audited.agreement)),
        seconds=audited.seconds,
        followed="probability" if explained.subject.sure else "output",
    )
    return audit, np.stack([one.evidence for one in audited.tickets])


def _ticket(name: str, audit: aggregate.TicketAudit) -> AuditedTicket:
    values, shares = plain(audit.faithfulness.value), plain(audit.regions.value)
    intervals = TicketIntervals(*_ends(audit.faithfulness), regions=_ends(audit.regions))
    return AuditedTicket(name, Faithfulness(*values), shares, intervals)


def _ends(figures: aggregate.Figures) -> Any:
    """Intervals, nested as the figures are; None where undefined."""
    return plain(np.stack([figures.low, figures.high], axis=-1))


def _origin(run: Run) -> dict[str, Any]:
    """Which run, weights, data and programs a document is about."""
    return {
        "run": run.name,
        "hashes": hashes(run),
        "versions": {name: version(name) for name in _VERSIONS},
        "threads": torch.get_num_threads(),
    }


def hashes(run: Run) -> dict[str, str]:
    """Of the weights' files and of the data: an audit belongs to these and to no other."""
    files = {name: seal["sha256"] for name, seal in run.manifest["files"].items()}
    return {**files, "data": run.info["data"]["fingerprint"]}


def audit_name(document: Mapping[str, Any]) -> str:
    """The same for the same question about the same weights, whatever it took to answer it."""
    keys = {"kind", "hashes", "ticket", "method", "parameters", "baseline", "target", "seed", "of"}
    question = {key: value for key, value in document.items() if key in keys}
    question["inputs"] = [sample["index"] for sample in document.get("samples", ())] or document.get("n")
    short = hashlib.sha256(json.dumps(plain(question), sort_keys=True).encode()).hexdigest()[:8]
    return f"{slug(document.get('ticket') or 'tickets') or 'ticket'}-{slug(document['method'])}-{short}"


@refused_in_public("keeping an audit")
def save_audit(folder: Path, audit: DatasetAudit | Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Path:
    """Writes an audit and its arrays; BadInput where the folder cannot be written to."""
    document = plain(audit)
    target = folder / f"{audit_name(document)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(target.with_suffix(".npz")) as draft, open(draft, "wb") as file:
            np.savez_compressed(file, **arrays)
        write_json(target, document)
    except OSError as error:
        raise BadInput(f"the audit cannot be saved in {folder}: {error.strerror}") from None
    return target


def saved_audits(run: Run, root: Path) -> list[tuple[Path, DatasetAudit]]:
    """The audits that were made of these very weights and data, newest first; files that are none are passed over."""
    audits = []
    for file in (audits_folder(run.folder, root)).glob("*.json"):
        with suppress(BadInput):
            audit = read_audit(file)
            if audit.hashes == hashes(run):
                audits.append((file.stat().st_mtime, file, audit))
    return [(file, audit) for _, file, audit in sorted(audits, key=lambda item: -item[0])]


def read_audit(file: Path) -> DatasetAudit:
    """An audit that was kept; BadInput where the file is none."""
    try:
        return _AUDIT.validate_python(read_json(file, MAX_AUDIT_BYTES))
    except ValidationError as error:
        first = error.errors()[0]
        raise BadInput(f"{file.name}, '{'.'.join(map(str, first['loc']))}': {first['msg']}") from None


def load_arrays(file: Path) -> dict[str, np.ndarray]:
    """The arrays beside an audit's document; BadInput where they are missing or damaged."""
    path = file.with_suffix(".npz")
    try:
        return read_arrays(path)
    except BadInput:
        raise BadInput(f"{path.name} is missing or damaged, or too large; make the audit again") from None
