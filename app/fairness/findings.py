"""What an audit says, in sentences: the page's headline and the titles of its tables and charts."""

from __future__ import annotations

import pandas as pd

from app import tasks, terms
from app.fairness.view import Audit
from rtl_core.audit.fairness.credit import figure_of, in_points

LEVEL = 0.05  # of the adjusted p under which a gap is called beyond chance


def headline(audit: Audit) -> str:
    """The largest gap beyond chance, or the smallest one that these data could have shown."""
    tested = audit.gaps
    if len(tested):
        tested = _of_all(_read_at_once(audit, tested[tested.p_holm.notna()]))
    if tested.empty:
        return _untested(audit)
    beyond = tested[tested.p_holm < LEVEL]
    if beyond.empty:
        seen = tested.min_detectable.min()
        if seen != seen:
            return "No gap is beyond chance"
        return f"No gap is beyond chance; the smallest these data could have shown is {terms.points(seen).lstrip('+')}"
    return gap(audit, beyond.loc[beyond.gap.abs().idxmax()])


def _read_at_once(audit: Audit, gaps: pd.DataFrame) -> pd.DataFrame:
    """Over all classes only the share decided rightly: means of rates over classes are no figures for a headline."""
    over_all = not audit.predictions.binary and audit.of_class is None
    return gaps[gaps.metric == "accuracy"] if over_all else gaps


def _of_all(gaps: pd.DataFrame) -> pd.DataFrame:
    """Those of all tickets together, if there are any; else those of every ticket."""
    whole = gaps[gaps.ticket.isna()]
    return gaps if whole.empty else whole


def _untested(audit: Audit) -> str:
    """Large groups may have no test, where pictures or people have several rows: the largest gap all the same."""
    if audit.gaps.empty:
        return "There is one group only, and nobody to compare it with"
    shares = _read_at_once(audit, audit.gaps[audit.gaps.metric.map(in_points) & (audit.gaps.status == "ok")])
    if shares.empty:
        return _too_small(audit)
    largest = _of_all(shares)
    return f"{gap(audit, largest.loc[largest.gap.abs().idxmax()])}, which cannot be tested"


def _too_small(audit: Audit) -> str:
    """Why no two groups are compared: few rows, or few that are independent."""
    largest = audit.cells.loc[audit.cells.denominator.idxmax()]
    if audit.predictions.decides or largest.denominator >= largest.n:
        return "No group is large enough to be compared with another"
    return f"Too few independent rows to compare groups: the most are {largest.denominator:,}, in {largest.group}"


def gap(audit: Audit, row: pd.Series) -> str:
    """A gap in a share, in short: who, what, how much, and the interval of its size."""
    name = lower(audit.term(row.metric)[0])
    alone = len(audit.predictions.tickets) == 1 or pd.isna(row.ticket)
    by = "" if alone else f" by “{row.ticket}”"
    is_mean = row.metric == "balanced_accuracy" or not audit.predictions.decides
    more, less = ("higher", "lower") if is_mean else ("more often", "less often")
    # Both ends are counted in the direction of the gap, as the words are.
    low, high = (row.low, row.high) if row.gap > 0 else (-row.high, -row.low)
    scale, digits = scale_of(row.metric), 1 if in_points(row.metric) else 3
    ends = f"{scale * low:.{digits}f} to {scale * high:.{digits}f}".replace("-", "−")
    size, way = difference(row.metric, abs(row.gap)).lstrip("+"), more if row.gap > 0 else less
    return f"{row.group}: {name}{by} {size} {way} than {row.reference} (95 % interval {ends})"


def lower(name: str) -> str:
    return name[0].lower() + name[1:]


def difference(metric: str, value: float) -> str:
    """Of two figures of a metric, signed and in its unit."""
    credited = figure_of(metric)
    return terms.points(value) if credited is None else tasks.difference(credited, value)


def unit_of_difference(metric: str) -> str:
    credited = figure_of(metric)
    if in_points(metric):
        return "percentage points"
    return "difference" if credited is None else tasks.unit(credited) or "difference"


def value(metric: str, number: float) -> str:
    """A figure of a metric in its unit."""
    credited = figure_of(metric)
    return terms.percent(number) if credited is None else tasks.value(credited, number)


def sizes_title(sizes: pd.DataFrame, excluded: int, counted: str) -> str:
    """sizes: one row per group with a column `all`; excluded: groups in a ticket that have too few rows; counted: what
    a group has some of."""
    smallest, largest = sizes.loc[sizes["all"].idxmin()], sizes.loc[sizes["all"].idxmax()]
    if smallest["all"] == largest["all"]:
        title = f"{terms.count(largest['all'])} {counted} in every group"
    else:
        title = (
            f"From {terms.count(smallest['all'])} ({smallest.group}) to {terms.count(largest['all'])} "
            f"({largest.group}) {counted} a group"
        )
    if excluded:
        places = "place has" if excluded == 1 else "places have"
        return f"{title}; {terms.count(excluded)} {places} too few for any figure"
    return title


def table_title(cells: pd.DataFrame, counted: str) -> str:
    """cells: the figures that are shown; counted: what they rest on."""
    small, refused = ((cells.status == status).sum() for status in ("small", "refused"))
    if small == refused == 0:
        return f"All {terms.count(len(cells))} figures rest on 30 {counted} or more"
    pieces = [
        f"{terms.count(n)} {what}" for n, what in ((small, "too small to rank"), (refused, "without a value")) if n
    ]
    return f"{terms.count(len(cells))} figures, {terms.listed(pieces)}"


def gaps_title(gaps: pd.DataFrame, name: str) -> str:
    """gaps: those in the chart, of the metric that is called `name`."""
    tested = gaps[gaps.p_holm.notna()]
    if tested.empty:
        return f"{name}: no gap here can be tested"
    beyond = int((tested.p_holm < LEVEL).sum())
    if len(gaps) == 1:
        return f"{name}: the gap is {'' if beyond else 'not '}beyond chance"
    few = len(gaps) - len(tested)
    untested = f"; {few} not tested" if few else ""
    return f"{name}: {beyond or 'none'} of {len(tested)} gaps {'is' if beyond < 2 else 'are'} beyond chance{untested}"


def with_interval(metric: str, value: float, low: float | None, high: float | None) -> str:
    """A difference of a metric in its unit, with its interval."""
    scale, digits = scale_of(metric), 1 if in_points(metric) else 3
    ends = "no interval" if pd.isna(low) else f"{scale * low:+.{digits}f} to {scale * high:+.{digits}f}"
    return f"{difference(metric, value)} ({ends})".replace("-", "−")


def routing_title(records: pd.DataFrame, metric: str) -> str:
    """records: lead over the best other ticket, with `ci`."""
    ranked = records[records.status == "ok"]
    if ranked.empty:
        return "No group is large enough to say whether another ticket would serve it better"
    worse = [row for row in ranked.itertuples() if beyond_zero(row.ci["lead_over_best"]) < 0]
    if not worse:
        return f"None of {len(ranked)} groups is seen to get a ticket that serves it worse than another would"
    most = min(worse, key=lambda row: row.lead_over_best)
    by = "" if pd.isna(most.ticket) else f" by “{most.ticket}”"
    return (
        f"{len(worse)} of {len(ranked)} groups would be served better by another ticket, most of all {most.group}{by}: "
        f"{difference(metric, most.lead_over_best)}"
    )


def decomposition_title(records: pd.DataFrame, name: str) -> str:
    """records: gap, within, between of every group in one metric."""
    ranked = records[records.status == "ok"] if (records.status == "ok").any() else records
    most = ranked.loc[ranked.gap.abs().idxmax()]
    return (
        f"{most.group}, {lower(name)}: of {difference(most.metric, most.gap)}, {difference(most.metric, most.within)} "
        f"arise inside tickets and {difference(most.metric, most['between'])} from who is sent where"
    )


def beyond_zero(ends: list[float | None]) -> int:
    """1 where an interval lies above 0, -1 where below, 0 where it holds 0 or there is none."""
    low, high = ends
    if pd.isna(low):
        return 0
    return int(low > 0) - int(high < 0)


def where_title(records: pd.DataFrame, group: str, name: str, kinds: dict[str, str]) -> str:
    """records: of one group, per kind of weights; `gap_excess` is the gap's change less that under random weights."""
    field = "gap_excess" if "gap_excess" in records and records.gap_excess.notna().any() else "excess"
    carries = [row for row in records.itertuples() if field in row.ci and beyond_zero(row.ci[field])]
    what = f"the gap of {group}" if field == "gap_excess" else group
    if not carries:
        return f"No kind of weights moves {what} more than random weights do ({lower(name)})"
    most = max(carries, key=lambda row: abs(getattr(row, field)))
    # The column is called `class`, which a named tuple cannot call so.
    kind = kinds[records.loc[most.Index, "class"]]
    moved = difference(most.metric, getattr(most, field))
    return f"Without the weights {kind}, {what} moves {moved} beyond what random weights do ({lower(name)})"


def density_title(records: pd.DataFrame, group: str, name: str) -> str:
    """records: of one group, from the tickets' own density to the lightest."""
    first, last = records.iloc[0], records.iloc[-1]
    between = f"from {terms.density(first.density)} to {terms.density(last.density)} density"
    if "gap_after" not in records or pd.isna(last.gap_after):
        reached = f"{value(first.metric, first.after)} to {value(first.metric, last.after)}"
        return f"{group}, {lower(name)}: {reached} {between}"
    ends = last.ci.get("gap_change") or [None, None]
    gaps = f"{difference(first.metric, first.gap_after)} to {difference(first.metric, last.gap_after)}"
    moved = f"the gap of {group} goes from {gaps} {between}"
    if beyond_zero(ends) == 0:
        return f"{name}: {moved}, which chance alone could do"
    return f"{name}: {moved}"


def methods_title(rows: pd.DataFrame, group: str, name: str, scale: int) -> str:
    """rows: one gap by method."""
    beyond = int((rows.p_holm < LEVEL).sum())
    least, most = rows.loc[rows.gap.abs().idxmin()], rows.loc[rows.gap.abs().idxmax()]
    digits, unit = (1, " points") if scale == 100 else (3, "")
    sizes = [f"{scale * abs(row.gap):.{digits}f}{unit} ({row.label})" for row in (least, most)]
    return f"{group}, {lower(name)}: from {sizes[0]} to {sizes[1]}, beyond chance in {beyond} of {len(rows)} methods"


def scale_of(metric: str) -> int:
    return 100 if in_points(metric) else 1


def thresholds_title(shown: pd.DataFrame, accuracy: pd.DataFrame, name: str) -> str:
    """shown: gaps of one metric before and after; accuracy: every group's share decided rightly before and after."""
    ranked = shown[shown.gap_status == "ok"] if (shown.gap_status == "ok").any() else shown
    before, after = ranked.gap_before.abs().max(), ranked.gap_after.abs().max()
    rows = accuracy.n.sum()
    cost = (accuracy.n * (accuracy.after - accuracy.before)).sum() / rows
    return (
        f"{name}: the largest gap would go from {100 * before:.1f} to {100 * after:.1f} points, the share "
        f"decided rightly by {terms.points(cost)}"
    )


def tradeoff_title(curve: pd.DataFrame) -> str:
    """curve: size, accuracy by tolerance."""
    least, most = curve.loc[curve["size"].idxmin()], curve.loc[curve.accuracy.idxmax()]
    return (
        f"A gap of {100 * least['size']:.1f} points leaves {terms.percent(least.accuracy)} right, one of "
        f"{100 * most['size']:.1f} points {terms.percent(most.accuracy)}"
    )
