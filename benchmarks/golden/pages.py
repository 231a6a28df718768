"""What a page shows in every state that its address can choose: each element's texts, figures and tables."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.golden.items import LESSONS, MEASUREMENTS, Item
from benchmarks.golden.outputs import ROOT, TIMES, run_folder

DROPPED = {"id", "form_id", "page_script_hash", "deferred_file_id", "arrow_data", "stack_trace"}
MOST = 9  # options of a segmented control that are chosen, so that of many pictures some are
LABELLED = ("expander", "tab", "popover")  # blocks that say something; the others only arrange


def of_page(item: Item, work: Path, out: Path) -> dict[str, Any]:
    """State -> elements. The item's arguments: page, run, a pattern of ticket files, how many choices are combined."""
    page, run, tickets, deeper = item.arguments
    os.environ["RTL_RUNS"] = str(out)
    if run.startswith("@"):
        made = run_folder(work, run[1:])
        run = shutil.copytree(made, out / made.name).name
    uploads = [work / "predictions.csv", work / "picture.png", *sorted(work.glob(tickets))]
    if page != "learn":
        return dict(_states(page, {"run": run}, "", set(), int(deeper), uploads))
    states = {"": elements(opened(page, {}))}
    for slug, end in LESSONS.items():
        states[f"{slug} begins"] = elements(opened(page, {"lesson": slug}))
        states |= dict(_states(page, {"lesson": slug, **end}, slug, set(), int(deeper), uploads))
    return states


def _states(
    page: str, query: dict[str, Any], state: str, known: set[str], deeper: int, uploads: list[Path]
) -> Iterator[tuple[str, Any]]:
    """The page at an address, then whatever has newly appeared on it: filled, pressed, and chosen otherwise."""
    app = opened(page, query)
    yield state, elements(app)
    new = [node for node in app.main if getattr(node, "key", None) and node.key not in known]
    for key, kind, types in [(node.key, node.type, getattr(node, "allowed_type", ())) for node in new]:
        file = next((file for file in uploads if file.suffix in types), None)
        if kind == "file_uploader" and file is not None:
            app = opened(page, query)
            app.file_uploader(key=key).set_value((file.name, file.read_bytes(), "application/octet-stream")).run()
            yield f"{state} upload {key}".strip(), elements(settled(app))
        elif kind == "button" and key in MEASUREMENTS:
            app = opened(page, query)
            app.button(key=key).click().run()
            yield f"{state} press {key}".strip(), elements(settled(app))
    known = known | {node.key for node in new}
    for key, others in (choice for node in new for choice in choices(node)) if deeper else ():
        for place, value in others.items():
            yield from _states(
                page, {**query, key: value}, f"{state} {key}={place}".strip(), known, deeper - 1, uploads
            )


def opened(page: str, query: dict[str, Any]) -> Any:
    """A fresh visitor's page at an address."""
    from streamlit.testing.v1 import AppTest

    app = AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=3600)
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    return settled(app if page == "overview" else app.switch_page(f"pages/{page}.py").run())


def settled(app: Any) -> Any:
    """Checks of maps are made at once only where a measured time is short: here always. They are then drawn anew."""
    if any(button.key == "check-maps" for button in app.button):
        app.button(key="check-maps").click().run()
    return app.run() if any(getattr(node, "key", None) == "attribution-controls" for node in app.main) else app


def choices(node: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(key in the address, place -> value): the other options of a segmented control, one other of another widget."""
    widget, kind = node.proto, node.type
    key = getattr(widget, "query_param_key", "")
    if not key:
        return
    if kind == "button_group":
        free = {str(i): option.content for i, option in enumerate(widget.options[:MOST]) if i not in widget.default}
        yield key, free if widget.required else dict(list(free.items())[1:2])
    elif kind == "multiselect":
        free = [i for i in range(len(widget.options)) if i not in widget.default][:1]
        yield key, {"more": [widget.options[i] for i in (*widget.default, *free)]} if free else {}
    elif kind in ("selectbox", "select_slider"):
        now = int(widget.default if kind == "selectbox" else widget.default[0])
        other = (now + 1) % len(widget.options)
        yield key, {str(other): widget.options[other]} if other != now else {}
    elif kind in ("checkbox", "toggle"):
        yield key, {"other": str(not widget.default).lower()}
    elif kind == "number_input":
        yield key, {"more": f"{widget.default + widget.step:g}"}
    elif kind == "slider":
        yield key, {"middle": f"{widget.min + (widget.max - widget.min) / 2 // widget.step * widget.step:g}"}


def elements(app: Any) -> list[dict[str, Any]]:
    """Every element of the page, in order, as it is sent to the browser."""
    from google.protobuf.json_format import MessageToDict

    shown = []
    for node in app.main:
        sent = MessageToDict(node.proto, preserving_proto_field_name=True) if node.proto is not None else {}
        if node.type in LABELLED:
            shown.append({"element": node.type, "label": sent.get(node.type, sent).get("label")})
        elif node.type == "warning" and TIMES.search(node.value):
            continue  # of a training that a measured time says is too long
        elif not hasattr(node, "children"):
            kept = {name: value for name, value in sent.items() if name not in DROPPED}
            kept |= {name: json.loads(kept[name]) for name in ("spec", "columns", "config") if kept.get(name)}
            if node.type in ("dataframe", "table"):
                frame = node.value
                kept["frame"] = {
                    "columns": list(frame.columns),
                    "index": list(frame.index),
                    "rows": frame.values.tolist(),
                }
            shown.append({"element": node.type, **kept})
    return shown
