"""The parts of the Overview page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from app import headlines, nav, panels, tasks, terms
from app.markdown import plain
from rtl_core.audit.evaluation_rows import Evaluation, RouterRow, TicketRow
from rtl_core.display_names import method_words, router_words
from rtl_core.tasks.catalogue import task_named

if TYPE_CHECKING:
    from rtl_core.runs.checkpoint import Run
    from rtl_core.runs.record import DataRecord

SMALL = 30  # rows below which an estimate is marked


def tickets_frame(run: Run, metric: str) -> pd.DataFrame:
    """One row per ticket for the tiles and their download."""
    evaluated = {row.name: row for row in run.record.evaluation.tickets}
    densities = run.tickets.densities()
    layers = run.tickets.layer_densities()
    rows = []
    for k, (name, subset) in enumerate(zip(run.tickets.names, run.tickets.subsets, strict=True)):
        row = evaluated.get(name) or TicketRow(name=name)
        empty = [headlines.short(layer) for layer, d in zip(run.tickets.layout.names, layers[k], strict=True) if d == 0]
        rows.append(
            {
                "name": name,
                "subset": subset,
                "density": densities[k],
                "label": tasks.title_of(metric),
                "value": row.value(metric),
                "ci": row.interval(metric),
                "n": row.rows,
                "warnings": _warnings(row, empty),
            }
        )
    return pd.DataFrame(rows)


def of_masks(run: Run) -> None:
    """What there is to say of a run that has masks only."""
    layers = len(run.tickets.layout.names)
    st.title(
        plain(f"{run.tickets.k} imported masks over {terms.count(run.tickets.n)} weights in {layers} tensors"),
        anchor=False,
    )
    for sentence in run.record.warnings:
        st.warning(plain(sentence))
    st.write(
        "They come from networks that were trained elsewhere. Everything about masks can be looked at; what needs a "
        "network or data (accuracy, routing, attribution) is not there."
    )
    st.page_link(
        nav.MASKS, label="Masks: what they share, layer by layer, against chance", query_params={"run": run.name}
    )
    st.dataframe(
        pd.DataFrame(
            {
                "ticket": run.tickets.names,
                "keeps": [terms.density(density) for density in run.tickets.densities()],
                "from file": [source.file for source in run.record.sources],
                "format": [source.format for source in run.record.sources],
            }
        ),
        hide_index=True,
    )
    panels.how_masks_were_read(run.record)


def tiles_help(run: Run, metric: str) -> str:
    where = (
        "all test rows, its own subset against the rest"
        if task_named(run.config.task).choice_answers
        else "its subset's test rows"
    )
    return f"A tile is a ticket: {tasks.title_of(metric)} on {where}, with its 95 % interval."


def _warnings(row: TicketRow, empty: list[str]) -> list[str]:
    sentences = []
    if empty:
        sentences.append(f"dead layer: nothing kept in {terms.listed(empty)}")
    if row.constant:
        sentences.append("dead ticket: the same answer for every input")
    if row.rows is not None and row.rows < SMALL:
        sentences.append(f"only {row.rows} test rows")
    return sentences


def steps_table(methods: pd.DataFrame, metric: str) -> None:
    """What each method spent and stores, beside what it reaches."""
    table = pd.DataFrame(
        {
            "method": methods.label,
            "what it is": [method_words(name)[1] for name in methods.method],
            tasks.title_of(metric): [tasks.value(metric, v) for v in methods[metric]],
            "95 % interval": [tasks.interval(metric, ends) for ends in methods[["low", "high"]].values.tolist()],
            "steps to extract": methods.steps_extract,
            "steps joint": methods.steps_joint,
            "weights stored": methods.params_total,
        }
    )
    with st.expander("Every method with its steps per subset and the weights that it stores"):
        st.dataframe(
            table,
            hide_index=True,
            column_config={name: st.column_config.NumberColumn(format="localized") for name in table.columns[4:]},
        )


def limits(methods: pd.DataFrame, metric: str) -> None:
    """What does not hold, as plainly as what does."""
    st.subheader("What does not hold in this run", anchor=False)
    sentences = headlines.does_not_hold(methods, metric)
    if sentences:
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in sentences))
    elif len(methods) == 1:
        st.write("No control was trained, so nothing can be said about what the tickets are worth.")
    else:
        st.write("RTL's interval lies above that of every control that was trained.")
    st.caption("“Level” means that the 95 % intervals overlap. One training cannot tell more; several seeds can.")


def skipped(evaluation: Evaluation) -> None:
    """Controls that do not apply here, with the reason: an absence is never silent."""
    left_out = [row for row in evaluation.methods if not row.applies]
    st.subheader("Controls left out", anchor=False)
    if not left_out:
        st.write("None of the controls that were asked for was left out.")
    for row in left_out:
        reason = row.reason or "does not apply to this task"
        st.markdown(f"- **{plain(method_words(row.method)[0])}**: {plain(reason)}")


def routers_frame(evaluation: Evaluation, metric: str) -> pd.DataFrame:
    """One row per router: whether it is told the answer, what its choice reaches, and what it costs."""
    return pd.DataFrame([_router(row, metric) for row in evaluation.routers])


def routers_numbers(evaluation: Evaluation) -> pd.DataFrame:
    """The rows of the routers without intervals, for the download; `figures` where the task has other ones."""
    numbers = pd.DataFrame(evaluation.routers).drop(columns="ci")
    return numbers.drop(columns="figures") if numbers.figures.isna().all() else numbers


def _router(row: RouterRow, metric: str) -> dict[str, str]:
    shown = [metric] if row.figures else ["accuracy", "balanced_accuracy"]
    figures = {tasks.title_of(name): tasks.value(name, row.value(name)) for name in shown}
    first = tasks.title_of(shown[0])
    return {
        "router": router_words(row.router)[0],
        "is told the label or subset": "yes – an upper bound" if row.uses_label else "no",
        first: figures.pop(first),
        "95 % interval": tasks.interval(shown[0], row.interval(shown[0])),
        **figures,
        "agrees with the oracle": terms.percent(row.agreement_with_oracle),
        "its share of the FLOPs": terms.percent(row.flops_share),
    }


def reading_notes(run: Run) -> None:
    """What was left out of the data, or read otherwise than it stands there."""
    if run.reading_notes:
        st.subheader("How the data were read", anchor=False)
        st.markdown("\n".join(f"- {plain(terms.sentence(note))}" for note in run.reading_notes))


def made_of(run: Run) -> None:
    """Data, partition, cost and environment of the run, for the record."""
    record = run.record
    data, partition, cost, place = record.data, record.partition, record.cost, record.environment
    with st.expander("How this run was made: data, subsets, cost, environment"):
        left, right = st.columns(2, gap="large")
        with left:
            st.markdown("**Data and subsets**")
            _facts(
                {
                    "Source": run.config.data.spec,
                    "Rows (train / val / test)": _rows(data),
                    "Licence": data.licence,
                    "Fingerprint": data.fingerprint,
                    "Subsets by": partition.by,
                    "Silhouette": partition.silhouette,
                }
            )
            if partition.sizes:
                st.dataframe(pd.DataFrame(partition.sizes), hide_index=True)
        with right:
            st.markdown("**Network and cost**")
            _facts(
                {
                    "Network": record.model.name,
                    "Parameters": cost.params_total,
                    "Prunable": cost.n_prunable,
                    "FLOPs executed per input": cost.flops_executed,
                    "Multiply-adds, dense": cost.macs_dense,
                    "Seed": run.config.seed,
                    "Torch": place.torch,
                    "Python": place.python,
                    "Threads": place.threads,
                    "Processor": place.processor,
                    "Training took": terms.duration(place.seconds) if place.seconds else None,
                }
            )
            st.download_button(
                "Download settings",
                lambda: run.config.model_dump_json(indent=2),
                file_name=f"{run.name}.json",
                mime="application/json",
                on_click="ignore",
            )


def _rows(data: DataRecord) -> str | None:
    counts = [data.n_train, data.n_val, data.n_test]
    return None if None in counts else " / ".join(terms.count(n) for n in counts)


def _facts(facts: dict[str, Any]) -> None:
    """A list of what is known."""
    shown = {k: f"{v:,}" if isinstance(v, int) and k != "Seed" else v for k, v in facts.items() if v is not None}
    written = {name: f"{value:.3g}" if isinstance(value, float) else value for name, value in shown.items()}
    st.markdown("\n".join(f"- {plain(name)}: {plain(value)}" for name, value in written.items()))
