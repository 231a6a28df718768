"""Forms, findings, colours and bitmaps: the parts of pages that can be checked without a page."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from app import colours, forms, headlines
from rtl_core.config import Config, parse
from rtl_core.display_names import METHODS
from rtl_core.runs.record import read_record


def every_setting() -> set[str]:
    return {path for paths in forms.remaining(set()).values() for path in paths}


def draw_every_setting():
    import streamlit as st

    from app import forms
    from rtl_core.config import Config

    draft = Config().model_dump(mode="json")
    for paths in forms.remaining(set()).values():
        for path in paths:
            forms.draw(path, draft, 0)
    st.session_state["drawn"] = draft


def test_forms_draw_every_setting_and_change_none():
    app = AppTest.from_function(draw_every_setting).run()
    assert not app.exception
    assert parse(app.session_state["drawn"]) == Config()


def test_forms_take_titles_and_bounds_from_the_settings():
    app = AppTest.from_function(draw_every_setting).run()
    density = app.number_input(key="set-0-density")
    field = Config.model_fields["density"]
    assert (density.label, density.help, density.min, density.max) == (field.title, field.description, 0.0, 1.0)
    assert "set-0-extract.steps" in {box.key for box in app.number_input}


def test_remaining_leaves_out_what_is_shown():
    shown = {"density", "extract.steps"}
    rest = {path for paths in forms.remaining(shown).values() for path in paths}
    assert rest == every_setting() - shown


def methods(**values: tuple[float, float, float]) -> pd.DataFrame:
    entries = [{"method": m, "accuracy": v, "ci": {"accuracy": [lo, hi]}} for m, (v, lo, hi) in values.items()]
    return headlines.methods_frame(read_record({"evaluation": {"methods": entries}}).evaluation, "accuracy")


def test_level_means_overlapping_intervals():
    against = headlines.against_rtl(
        methods(rtl=(0.8, 0.79, 0.81), random=(0.7, 0.69, 0.71), dense=(0.82, 0.805, 0.83), permuted=(0.9, 0.89, 0.91)),
        "accuracy",
    )
    assert vars(against) == {
        "above": [METHODS["random"][0]],
        "level": [METHODS["dense"][0]],
        "below": [METHODS["permuted"][0]],
    }


def test_a_lead_is_not_claimed_where_there_is_none():
    title = headlines.methods_title(methods(rtl=(0.7, 0.69, 0.71), random=(0.72, 0.71, 0.73)), "accuracy")
    assert title == "RTL against random masks: −2.0 points at equal joint steps"
    headline = headlines.overview(methods(rtl=(0.7, 0.69, 0.71), random=(0.75, 0.74, 0.76)), "accuracy", 5, 0.1)
    assert headline.endswith("below 1 of 1 controls")


def test_ticket_colours_are_distinct_and_do_not_depend_on_how_many_there_are():
    hundred = colours.of_tickets(100)
    assert len(set(hundred)) == 100
    assert colours.of_tickets(7) == hundred[:7]


def contrast(a: str, b: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("tone", [colours.LIGHT, colours.DARK], ids=["light", "dark"])
def test_text_is_readable_on_its_surface_and_on_every_cell(tone):
    assert contrast(tone.text, tone.surface) >= 7
    assert contrast(tone.muted, tone.surface) >= 4.5
    for scale in (tone.diverging, tone.sequential):
        for position in np.linspace(0, 1, 41):
            fill = colours.on_scale(scale, position)
            assert contrast(colours.readable_on(fill), fill) >= 4.5
