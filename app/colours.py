"""Colour: one hue per ticket everywhere, and scales that are neutral where the value is."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import streamlit as st

TICKETS = ("#3B6FB6", "#D9822B", "#2A9D8F", "#B5477D", "#7A6FCF", "#8A9A2B", "#C44E52", "#4FA3C7", "#9C755F", "#6B7280")
LABELS = ("#4A5560", "#F0C24B", "#35C4CF", "#D65DB1", "#9BCB3C", "#B9772C", "#9381FF", "#1F9E6E", "#D8C7A5", "#7DB7F0")
_GOLDEN = 0.61803398875  # turns of the hue circle that never come close to each other


@dataclass(frozen=True)
class Tone:
    """What charts need of a theme. `diverging` runs from below chance over neutral to above chance."""

    text: str
    muted: str
    surface: str
    diverging: tuple[str, ...]
    sequential: tuple[str, ...]


LIGHT = Tone(
    text="#1D2733",
    muted="#5B6673",
    surface="#FBFBF9",
    diverging=("#6F3B82", "#BFA0CB", "#EEEFEA", "#8FBFCD", "#17586F"),
    sequential=("#F2F6F9", "#C0D8E4", "#72ABC4", "#2F7496", "#15425B"),
)
DARK = Tone(
    text="#E4E8EC",
    muted="#A3AEBA",
    surface="#12171D",
    diverging=("#CE9ADF", "#74507F", "#252E38", "#3C7F95", "#8CD5EC"),
    sequential=("#1C2530", "#1F4A60", "#2F7496", "#62A9C6", "#B5DCEC"),
)


def tone() -> Tone:
    """The tone of the theme that the browser shows."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def of_tickets(k: int) -> list[str]:
    """k colours; ticket i has the same one however many there are."""
    return [TICKETS[i] if i < len(TICKETS) else _further(i) for i in range(k)]


def of_labels(n: int) -> list[str]:
    """n colours of pixel classes: none is a ticket's, and the first, mostly a background, stands back."""
    return [LABELS[i] if i < len(LABELS) else _further(i) for i in range(n)]


def _further(i: int) -> str:
    lightness = (0.42, 0.58, 0.5)[i % 3]
    red, green, blue = colorsys.hls_to_rgb((i * _GOLDEN) % 1, lightness, 0.55)
    return f"#{round(red * 255):02X}{round(green * 255):02X}{round(blue * 255):02X}"


def rgb(colour: str) -> tuple[int, int, int]:
    """Red, green and blue, 0 to 255, of "#RRGGBB"."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def readable_on(fill: str) -> str:
    """Black or white text, whichever has the larger contrast on a fill (WCAG relative luminance)."""
    channels = [channel / 255 for channel in rgb(fill)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "#000000" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "#FFFFFF"


def on_scale(scale: tuple[str, ...], position: float) -> str:
    """The colour at `position` in [0, 1] of an evenly spaced scale, as the charts interpolate it."""
    place = min(max(position, 0.0), 1.0) * (len(scale) - 1)
    low = min(int(place), len(scale) - 2)
    mixed = [round(a + (b - a) * (place - low)) for a, b in zip(rgb(scale[low]), rgb(scale[low + 1]), strict=True)]
    return "#{:02X}{:02X}{:02X}".format(*mixed)
