"""What metrics are called in the report, and the limits that every reader should know."""

from __future__ import annotations

from rtl_core.audit.fairness.credit import figure_of

METRICS = {
    "selection_rate": ("Selection rate", "share of rows for which the answer is yes"),
    "accuracy": ("Accuracy", "share of rows that are answered rightly"),
    "balanced_accuracy": ("Balanced accuracy", "mean of the shares of each class that are answered rightly"),
    "tpr": ("True positive rate", "share of true positives that are recognised"),
    "fnr": ("False negative rate", "share of true positives that are missed"),
    "fpr": ("False positive rate", "share of true negatives that are wrongly selected"),
    "precision": ("Precision", "share of selected rows that are truly positive"),
    "roc_auc": ("ROC AUC", "chance that a positive row scores above a negative one"),
    "calibration_error": ("Calibration error", "mean score less the share of positives"),
    "mean_score": ("Mean score", "mean of the scores"),
    "equalized_odds": ("Equalized odds", "the larger of the gaps in true and false positive rate"),
}
LIMITS = (
    "The recorded labels count as the truth here. If they carry a bias, a model that agrees with them carries it too, "
    "and no figure in this report shows it.",
    "A metric is a choice. Equal selection rates, equal error rates and equal precision can in general not all hold at "
    "once; which one matters is decided by people and law, not by this report.",
    "A gap says that groups differ in a figure. It does not say why, and it is no finding of discrimination or of its "
    "absence.",
    "Intervals cover the chance of which rows were tested. They do not cover wrong records, a population that differs "
    "from the tested rows, or another training of the same model.",
    "A gap that is not found is not shown to be absent: small groups hide large gaps.",
    "Groups are those that were recorded, as they were recorded.",
)
MASK_LIMITS = (
    "Overlap counts weights. That two tickets keep the same weight does not show that it does the same in both.",
    "Chance means masks that keep as many weights of each layer at random. Networks with a common beginning share more "
    "than that without having learned the same.",
)


def metric(name: str) -> tuple[str, str]:
    """(what a metric is called, what it counts)."""
    credited = figure_of(name)
    if credited is not None:
        return credited.title, "how well a row is answered, averaged over the rows"
    return METRICS.get(name, (name.replace("_", " "), ""))
