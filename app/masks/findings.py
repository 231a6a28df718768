"""What the masks say, in sentences: the page's headline and the titles of its charts."""

from __future__ import annotations

import numpy as np
import pandas as pd

from app import tasks, terms
from app.headlines import p_value, short
from app.masks.view import Compared
from rtl_core.overlap.chance_level import PermutationTest
from rtl_core.overlap.clustering import Tree
from rtl_core.overlap.semantic_alignment import Alignment
from rtl_core.overlap.twins import Luck, finding
from rtl_core.runs.twins_file import KeptTwins

LEVEL = 0.05  # of the tests that decide whether a pair is beyond chance, after Holm's adjustment
NOTHING = 0.02  # an excess that is called none
NAMED_SET = 10  # weights from which a set of tickets is worth naming
PAPER = "the paper reports .86 in shallow and .31 in deep layers (CIFAR-10)"


def headline(profile: pd.DataFrame, k: int) -> str:
    """The answer of the Masks page: where tickets share more than chance, and where they do not."""
    if k == 1:
        return "One ticket: there is no other to share weights with"
    defined = profile.dropna(subset=["excess_mean"])
    if defined.empty:
        return "No layer leaves room for a comparison with chance at this density"
    most, least = defined.loc[defined.excess_mean.idxmax()], defined.loc[defined.excess_mean.idxmin()]
    first = f"Tickets share {excess(most.excess_mean)} in {short(most.layer)}"
    if len(defined) == 1:
        return first
    if defined.excess_mean.abs().max() < NOTHING:
        return f"Tickets share no more than chance in any of {len(defined)} layers"
    return f"{first}, {excess(least.excess_mean)} in {short(least.layer)}"


def beyond_chance(compared: Compared) -> tuple[int, int, int]:
    """Pairs whose overlap is above, and below, chance (Holm over all pairs), and pairs where that is defined."""
    pairs = np.triu_indices(compared.counts.k, 1)
    p, z = compared.p[pairs], compared.chance.z[pairs]
    significant = p < LEVEL
    return int((significant & (z > 0)).sum()), int((significant & (z < 0)).sum()), int((~np.isnan(p)).sum())


def matrix_title(compared: Compared, where: str) -> str:
    above, below, pairs = beyond_chance(compared)
    if pairs == 0:
        return f"Every mask is full or empty{where}: overlap says nothing"
    less = f", {terms.count(below)} less" if below else ""
    return f"{terms.count(above)} of {terms.count(pairs)} pairs share more than chance{where}{less}"


def dead_tickets(names: list[str], where: str) -> str:
    named = terms.listed(names[:5]) if len(names) <= 5 else f"{', '.join(names[:5])} and {len(names) - 5} more"
    return f"Dead: {named} {'keeps' if len(names) == 1 else 'keep'} nothing{where}."


def pair_title(a: str, b: str, shared: int, over_chance: float) -> str:
    return f"{a} and {b} share {terms.count(shared)} weights, {excess(over_chance)}"


def pair_sentence(test: PermutationTest, adjusted: float, pairs: int) -> str:
    """The pair against shuffled masks: the band of chance, p alone and p among all pairs."""
    if test.p != test.p:
        return "Both masks are full or empty here, so that shuffling them changes nothing: there is nothing to test."
    alone = p_value(test.p, 1 / (1 + test.permutations))
    among = f" ({p_value(adjusted)} after Holm over {terms.count(pairs)} pairs)" if pairs > 1 else ""
    return (
        f"Shuffled masks with the same counts per layer share {terms.count(test.low)} to {terms.count(test.high)} "
        f"weights (95 % of {terms.count(test.permutations)} shuffles): {alone}{among}."
    )


def layers_title(profile: pd.DataFrame) -> str:
    """The layers in which tickets differ most from one another, by excess over chance; at most three."""
    defined = profile.dropna(subset=["excess_mean"]).sort_values("excess_mean")
    if len(defined) < 2:
        return "How much of each layer the tickets keep"
    least = defined.head(min(3, len(defined) - 1))
    if least.excess_mean.abs().max() < NOTHING:
        return f"Tickets share no more than chance in {terms.listed([short(name) for name in least.layer])}"
    named = [f"{short(row.layer)} ({terms.signed(row.excess_mean)})" for row in least.itertuples()]
    return f"Tickets differ most in {terms.listed(named)}, where 0 is chance"


def shallow_and_deep(profile: pd.DataFrame) -> str:
    """The mean IoU of the first and of the last layer, beside the paper's."""
    defined = profile.dropna(subset=["iou_mean"])
    if len(defined) < 2:
        return ""
    first, last = defined.iloc[0], defined.iloc[-1]
    return (
        f"Mean IoU is {first.iou_mean:.2f} in {short(first.layer)}, the shallowest layer, and {last.iou_mean:.2f} in "
        f"{short(last.layer)}, the deepest; {PAPER}."
    )


def exchange_title(exchanged: pd.DataFrame, a: str) -> str:
    """What ticket a loses with its private weights, beside as many random ones."""
    own, removed = (exchanged[exchanged.variant == variant].iloc[0] for variant in ("own", "removed"))
    private, at_random = _change(removed.difference), _change(removed.control_mean - own.value)
    return f"Without the weights that only it keeps, {a} {private}; without as many random ones it {at_random}"


def exchange_sentence(row: pd.Series, own: float) -> str:
    """One variant against its random control: does it matter which weights these are?"""
    low, high = row.control_low - own, row.control_high - own
    measured = f"{terms.points(row.difference)} ({_span(row.diff_low, row.diff_high)})"
    decided = f"{terms.percent(row.decisions_changed, 0)} of {terms.count(row.n)} decisions change"
    random = f"as many random weights: {terms.points(row.control_mean - own)}"
    if low != low:
        return f"{measured}, {decided}; {random}."
    same = low <= row.difference <= high
    verdict = "which weights they are makes no visible difference" if same else "which weights they are matters"
    return f"{measured}, {decided}; {random} ({_span(low, high)}): {verdict}."


def ownership_title(counts: pd.DataFrame, k: int, where: str) -> str:
    total = counts.weights.sum()
    nobody = counts.loc[counts.owners == 0, "weights"].sum() / total
    everybody = counts.loc[counts.owners == k, ["weights", "expected"]].sum()
    return (
        f"{terms.percent(nobody, 0)} of the weights serve no ticket{where}; {terms.count(everybody.weights)} serve "
        f"all {k} (chance: {terms.count(everybody.expected)})"
    )


def tree_title(tree: Tree, where: str) -> str:
    """The two tickets that join first, and the one that joins last."""
    k = len(tree.names)
    a, b = (tree.names[int(ticket)] for ticket in sorted(tree.linkage[0, :2]))
    if tree.linkage[0, 2] > 1 - NOTHING:
        return f"Even {a} and {b}, the most similar{where}, are within {100 * NOTHING:.0f} % of chance"
    first = f"{a} and {b} are most similar{where}, {excess(1 - tree.linkage[0, 2])}"
    alone = [int(ticket) for ticket in tree.linkage[-1, :2] if ticket < k]
    return f"{first}; {tree.names[alone[0]]} stands apart from all others" if alone and k > 2 else first


def map_title(method: str, share: float) -> str:
    if method != "PCA":
        return "Which masks are near which, by UMAP"
    if share != share:
        return "All masks are the same"
    return f"Two axes show {terms.percent(share, 0)} of how the masks differ"


def sets_title(sets: pd.DataFrame, k: int, where: str) -> str:
    """Of the sets of some tickets, not one and not all, the one furthest above chance, by number of weights."""
    together = sets[(sets.owners > 1) & (sets.owners < k) & (sets.weights >= NAMED_SET)]
    if together.empty:
        return f"The largest sets of weights{where} belong to one ticket, or to all"
    most = together.loc[(together.weights - together.expected).idxmax()]
    if most.weights <= most.expected:
        return f"No set of tickets owns more weights than chance{where}"
    who = terms.listed(list(most.tickets)) if most.owners <= 4 else f"{most.owners} tickets"
    kept, expected = terms.count(most.weights), terms.count(most.expected)
    return f"Exactly {who} keep {kept} weights{where}, where chance gives {expected}"


def dead_title(dead: pd.DataFrame, where: str) -> str:
    """How many outputs compute nothing, over all tickets, beside what chance gives."""
    outputs, inputs = int(dead.dead_outputs.sum()), int(dead.dead_inputs.sum())
    if outputs == inputs == 0:
        return f"No dead filters{where}: every output and every input keeps a weight, in every ticket"
    return (
        f"{terms.count(outputs)} of {terms.count(dead.outputs.sum())} outputs are dead{where} (chance: "
        f"{terms.count(dead.expected_outputs.sum())}), and {terms.count(inputs)} of {terms.count(dead.inputs.sum())} "
        f"inputs (chance: {terms.count(dead.expected_inputs.sum())})"
    )


def missing_names(taxonomy: str, missing: list[str], k: int) -> str:
    named = terms.listed(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    if len(missing) == k:
        return f"None of the {k} names is in a taxonomy that is known here: {named}."
    return f"The nearest, {taxonomy}, lacks {len(missing)} of {k} names: {named}."


def meaning_title(aligned: Alignment, where: str) -> str:
    """Whether related classes share more, by Mantel's one-sided test."""
    if aligned.reason:
        return f"Whether overlap follows meaning cannot be said{where}"
    smallest = 1 / aligned.permutations if aligned.exact else 1 / (1 + aligned.permutations)
    numbers = f"ρ = {terms.signed(aligned.rho)}, {p_value(aligned.p, smallest)}, {terms.count(aligned.pairs)} pairs"
    if aligned.p < LEVEL:
        return f"Tickets of related classes share more{where} ({numbers})"
    return f"Overlap does not visibly follow meaning{where} ({numbers})"


def strip_title(table: pd.DataFrame) -> str:
    """How many of the cells are significant, and where rho is largest."""
    defined = table.dropna(subset=["rho"])
    if defined.empty:
        return "In no layer is there a correlation to compute"
    most = defined.loc[defined.rho.idxmax()]
    significant = int((defined.p_holm < LEVEL).sum())
    return (
        f"Overlap follows meaning in {significant} of {len(defined)} cells, most in {short(most.layer)} at "
        f"{terms.density(most.density)} density (ρ = {terms.signed(most.rho)})"
    )


def core_title(measured: pd.DataFrame) -> str:
    """What the common weights reach, and what the private ones are worth beside random ones; means over tickets."""
    own, core, without = _by_variant(measured)
    metric, whole = measured.metric.iloc[0], float(own.value.mean())
    reached = f"{tasks.value(metric, float(core.value.mean()))}, whole tickets {tasks.value(metric, whole)}"
    lost, at_random = (_change(float(mean) - whole) for mean in (without.value.mean(), without.control_mean.mean()))
    return (
        f"Alone the weights that all tickets keep reach {reached}; without its private weights a ticket {lost}, "
        f"without as many random ones it {at_random}"
    )


def core_sentence(measured: pd.DataFrame) -> str:
    """How many weights that is, and where the core stands against as many random weights of the tickets."""
    own, core, without = _by_variant(measured)
    private = own.kept.to_numpy() - without.kept.to_numpy()
    at_random = tasks.value(measured.metric.iloc[0], float(core.control_mean.mean()))
    return (
        f"All tickets keep {terms.count(core.kept.iloc[0])} weights, of the {terms.count(own.kept.mean())} of one; as "
        f"many random ones of a ticket reach {at_random}. Private are {terms.count(private.min())} to "
        f"{terms.count(private.max())} weights of a ticket. Means over {len(own)} tickets, n = "
        f"{terms.count(own.n.sum())} validation rows in all."
    )


def _by_variant(measured: pd.DataFrame) -> tuple[pd.DataFrame, ...]:
    """The rows of each variant, a row per ticket in each."""
    return tuple(measured[measured.variant == variant] for variant in ("own", "core", "without private"))


def twins_title(measured: Luck) -> str:
    """Do tickets of different subsets differ by more than luck?"""
    return finding(measured)


def twins_sentence(measured: Luck, kept: KeptTwins) -> str:
    """Where the tickets themselves lie, and what of halves to bear in mind."""
    rows = f"{terms.count(min(kept.rows_half))} to {terms.count(max(kept.rows_half))}"
    if min(kept.rows_half) == max(kept.rows_half):
        rows = terms.count(kept.rows_half[0])
    own = measured.tickets
    themselves = (
        ""
        if own.value != own.value
        else f" The tickets themselves, which have twice the rows, lie at {own.value:.2f}: more rows tend to make "
        "tickets more similar, which moves that figure up."
    )
    return (
        f"Every half has {rows} training rows, and no two halves that are compared share an input.{themselves}"
        f"{_not_repeated(measured)}"
    )


def _not_repeated(measured: Luck) -> str:
    """Where the run was trained elsewhere: its tickets extracted again are others."""
    again = float(np.nanmean(measured.again.iou))
    if again == 1 or again != again:
        return ""
    return (
        f" Extracted again here, the run's own tickets share {terms.percent(again, 0)} with what they were (IoU): it "
        "was trained on another machine or by another version. Twins are compared among themselves only."
    )


def twins_pair(measured: Luck, i: int, j: int) -> str:
    at = measured.position[i, j]
    if at != at:
        return "Twins of these subsets share no more than chance here: there is no scale to place the pair on."
    return (
        f"Between chance (0) and what twins share (1), halves of these two subsets lie at {at:.2f}, the tickets "
        f"themselves at {measured.position_tickets[i, j]:.2f}."
    )


def kinds_title(measured: Luck) -> str:
    """How far luck alone takes tickets apart."""
    halves, order = (float(np.nanmean(shared.excess)) for shared in (measured.halves, measured.order))
    return (
        f"Luck alone: two halves of one subset share {excess(halves)}, the same rows in another order {excess(order)}"
    )


def excess(value: float) -> str:
    """An excess over chance as a share: "41 % more than chance"."""
    if value != value:
        return "which says nothing against chance"
    if abs(value) < NOTHING:
        return "no more than chance"
    return f"{100 * abs(value):.0f} % {'more' if value > 0 else 'less'} than chance"


def _span(low: float, high: float) -> str:
    return f"{terms.points(low)} to {terms.points(high)}".replace(" points to", " to")


def _change(difference: float) -> str:
    points = f"{abs(100 * difference):.1f} points"
    return f"gains {points}" if difference > 0 else f"loses {points}"
