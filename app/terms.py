"""Plain-language texts: what methods, routers and terms are called, and how numbers are written."""

from __future__ import annotations

from rtl_core.display_names import METHODS

# Fairness metrics: (what it is called, what it counts). {yes} is the positive outcome, as the reader names it.
FAIRNESS = {
    "selection_rate": ("Answered “{yes}”", "Of all, the share that is answered “{yes}” (selection rate)."),
    "accuracy": ("Decided rightly", "Of all, the share that is decided rightly (accuracy)."),
    "tpr": ("Found", "Of those who truly are “{yes}”, the share that is answered so (true positive rate)."),
    "fpr": ("Wrongly “{yes}”", "Of those who are not “{yes}”, the share answered so anyway (false positive rate)."),
    "fnr": ("Missed", "Of those who truly are “{yes}”, the share that is answered otherwise (false negative rate)."),
    "precision": ("Right when “{yes}”", "Of those answered “{yes}”, the share that truly is (precision)."),
    "balanced_accuracy": ("Balanced accuracy", "The mean of the shares decided rightly among yes and among no."),
    "roc_auc": ("Ranking", "How often a yes is scored above a no: 1 is always, 0.5 is chance (ROC AUC)."),
    "calibration_error": ("Score less truth", "The mean score less the share that truly is “{yes}”: 0 is calibrated."),
    "mean_score": ("Mean score", "The mean of the scores."),
}

GLOSSARY = {
    "ticket": "The weights of a network that are kept, for all data or for one part of them. The others count as zero.",
    "density": "The share of the weights that is kept, of all that may be taken out. The rest is the sparsity.",
    "overlap": "Weights that both keep, divided by weights that at least one keeps (intersection over union, IoU).",
    "chance": "What two choices made by lot would share, if they kept as many weights at every stage of the network.",
    "excess": "How far an overlap is above what chance gives: 0 is chance, 1 is identical, below 0 less than chance.",
    "control": "A rival that is trained beside the tickets, to see what choosing the weights with care is worth.",
    "network": "A function with many adjustable numbers that turns an input into an answer; training sets the numbers.",
    "weight": "One of the adjustable numbers of a network. Training changes it until the answers fit.",
    "mask": "A yes or no for every weight: keep it, or set it to zero.",
    "pruning": "Taking weights out of a trained network for good, usually those nearest to zero.",
    "rewind": "Setting the weights that are kept back to what they were before or early in training.",
    "initial weights": "The random numbers a network has before any training.",
    "random mask": "Weights chosen by lot, as many at every stage of the network as in the mask it is compared with.",
    "layer": "The weights that work at the same stage of a network. What one layer computes goes into the next.",
    "seed": "The number that random draws start from. Another seed repeats everything with other luck.",
    "domain": "A way in which pictures look: as they are, rotated, inverted, noisy, blurred.",
    "accuracy": "The share of answers that are right.",
    "interval": "The range in which the true figure plausibly lies; such ranges hold it about 95 times in 100. It is "
    "wide where few were counted.",
    "confidence": "How sure a network says it is: the share of 100 % that it gives to the answer it names. It may be "
    "sure and wrong.",
    "collapse": "The point at which a network that loses more and more weights falls clearly below its best, for good.",
    "attribution": "A map of what an answer is said to rest on: for every pixel or other part of the input, how much.",
    "guided backpropagation": "A map of how the answer changes with each pixel. On the way back from the answer to the "
    "pixels it passes on only what speaks for the answer.",
    "integrated gradients": "A map that adds up how the answer changes with each pixel while the picture emerges from "
    "black.",
    "rank correlation": "How similar two orders are: 1 is the same order, 0 no relation, -1 the reverse.",
    "group": "People, or pictures, that share a property: a sex, an age range, a way to look.",
    "gate": "A small network that looks at each input and chooses which ticket answers it.",
    "test data": "Examples that took no part in training or in any choice. They are kept to measure with.",
    "step": "One small change of the weights, made after a look at a few examples.",
    "norm statistics": "The usual mean and spread of the numbers at one stage of a network. It scales by them, so that "
    "the next stage gets numbers of a familiar size.",
    "multiply-add": "One multiplication and one addition: the unit in which a network's computing is counted.",
    "gap": "A group's figure less that of the group it is compared with, in percentage points: 0 is no difference.",
    "adjusted p": "How often chance alone gives so large a gap in any of all the tests that were made (by Holm's "
    "rule). Under .05 a gap is called beyond chance.",
    "reference": "The group that the others are compared with: the largest one, unless you choose.",
    "router": "What chooses the ticket that decides for a person.",
    "budget": "What an input may cost on average, counted in multiplications with weights that are kept. Below 100 % "
    "tickets with fewer weights take over where they lose least.",
}

STATES = {
    "starting": ("starting", "◔"),
    "running": ("training", "▶"),
    "stopping": ("stopping", "◒"),
    "stopped": ("stopped", "■"),
    "done": ("finished", "✓"),
    "failed": ("failed", "✕"),
}

PARTITIONS = {
    "class": "Class",
    "attribute": "Attribute",
    "kmeans": "Clusters (k-means)",
    "hdbscan": "Clusters (HDBSCAN)",
    "quantiles": "Quantiles of a column",
}

CHOICES = {
    **{method: title for method, (title, _) in METHODS.items()},
    **PARTITIONS,
    "multiclass": "Every ticket tells all classes",
    "one_vs_rest": "A ticket tells its subset from the rest",
    "detection": "Every ticket finds things, as boxes",
    "segmentation": "Every ticket says what each pixel shows",
    "lamp": "LAMP",
    "global_magnitude": "Global magnitude",
    "layer_magnitude": "Magnitude, layer by layer",
    "taylor": "Taylor: weight times gradient",
    "one_shot": "One cut",
    "fraction": "Rounds, by fraction",
    "count": "Rounds, by count",
}

BUNDLED = {
    "bundled:domains": ("Fashion in five domains", "the same clothes as they are, rotated, inverted, noisy, blurred"),
    "bundled:fashion": ("Fashion", "pictures of clothes in ten classes"),
    "bundled:emoji": (
        "Emoji by four houses",
        "the same things in colour, as Noto, Twemoji, Fluent and an outline font draw them",
    ),
    "bundled:digits": ("Digits", "small pictures of handwritten digits"),
    "bundled:adult": ("Adult census", "a table: who earns more than 50,000 dollars a year"),
    "bundled:cells": ("Blood cells", "microscope pictures with boxes around red cells, white cells and platelets"),
    "bundled:nuclei": ("Nuclei", "microscope pictures: which pixels are nuclei, and which a border between two"),
}


def percent(share: float | None, digits: int = 1) -> str:
    return "–" if share is None or share != share else f"{100 * share:.{digits}f} %"


def points(difference: float) -> str:
    """A difference of shares, in percentage points with its sign."""
    rounded = round(100 * difference, 1)
    return f"{rounded:+.1f} points".replace("-", "−") if rounded else "0.0 points"


def signed(value: float | None) -> str:
    """An excess over chance, as a signed share of what is possible."""
    return "–" if value is None or value != value else f"{value:+.2f}".replace("-", "−")


def interval(low_high: list[float] | None, digits: int = 1) -> str:
    if not low_high or None in low_high:
        return "no interval"
    return f"{100 * low_high[0]:.{digits}f} to {100 * low_high[1]:.{digits}f} %"


def density(value: float) -> str:
    return f"{100 * value:.3g} %"


def count(n: float) -> str:
    return f"{n:,.0f}"


def size(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "not known yet"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def listed(items: list[str]) -> str:
    """a, b and c."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def sentence(text: str) -> str:
    """With a capital letter and a full stop, as errors and notes of the core have none."""
    return f"{text[0].upper()}{text[1:]}."
