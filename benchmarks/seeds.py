"""RTL against its controls over seeds, on the test split: `python -m benchmarks.seeds NAME`.

The seeds below were named before they were first run and no setting was chosen with them (settings were
chosen on seeds 0 to 4 and the validation split). Every seed's figures are kept in docs/results/NAME.json,
so the command goes on where it was interrupted; the table is written to docs/results/NAME.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

from rtl_core.audit.intervals import paired_t
from rtl_core.config import CONTROLS, Config, parse, preset
from rtl_core.events import MemoryJournal, silent
from rtl_core.runs.pipeline import prepare, train

SEEDS = (11, 12, 13, 14, 15)
RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
WITHOUT = ("imp_multi", "imp_multi_full_budget")  # K networks each: left out of the table to keep it short to make
IN_README = "domains_seeds"
MARKS = ("<!-- results -->", "<!-- /results -->")
STUDIES = {
    "domains_seeds": ("domains", "accuracy", "Five domains, ten classes each"),
    "classes_seeds": ("classes", "balanced_accuracy", "Ten one-vs-rest tickets"),
}


def config_of(preset_name: str, seed: int) -> Config:
    config = parse({**preset(preset_name), "seed": seed})
    controls = tuple(c for c in config.controls if c not in WITHOUT)
    return config.model_copy(update={"controls": controls})


def run(name: str) -> dict[str, dict]:
    """Seed -> method -> figures; seeds already in the file with the same settings are not run again."""
    preset_name, _, _ = STUDIES[name]
    path = RESULTS / f"{name}.json"
    kept = json.loads(path.read_text()) if path.exists() else {}
    for seed in SEEDS:
        config = config_of(preset_name, seed)
        digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]
        if kept.get(str(seed), {}).get("config") == digest:
            continue
        began = time.monotonic()
        outcome = train(prepare(config, silent, MemoryJournal()), silent, MemoryJournal())
        methods = {m["method"]: m for m in outcome.info["evaluation"]["methods"] if m["applies"]}
        kept[str(seed)] = {"config": digest, "seconds": time.monotonic() - began, "methods": methods}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1, sort_keys=True))
        print(f"seed {seed}: {kept[str(seed)]['seconds']:.0f} s", flush=True)
    return kept


def table(name: str, results: dict[str, dict]) -> str:
    preset_name, metric, title = STUDIES[name]
    seeds = sorted(results, key=int)
    rtl = [results[s]["methods"]["rtl"][metric] for s in seeds]
    lines = [
        f"# {title}: RTL and its controls over {len(seeds)} seeds",
        "",
        f"`python -m benchmarks.seeds {name}`: preset `{preset_name}`, test split, seeds {', '.join(seeds)} (named",
        "before they were run; no setting was chosen with them). Difference = RTL minus control, paired by seed, with",
        "the 95 % interval of a paired t. Steps are gradient steps per subset; all methods start from the same",
        "warm start.",
        "",
        f"| method | {metric.replace('_', ' ')}, mean | every seed | RTL - method [95 % interval] | ROC AUC "
        "| steps extract + joint | stored weights |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in (m for m in ("rtl", *CONTROLS) if m in results[seeds[0]]["methods"]):
        rows = [results[s]["methods"][method] for s in seeds]
        values = [row[metric] for row in rows]
        difference = "-"
        if method != "rtl":
            mean, low, high, *_ = paired_t([a - b for a, b in zip(rtl, values, strict=True)])
            difference = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
        auc = sum(row["roc_auc"] for row in rows) / len(rows)
        stored = sum(row["params_total"] for row in rows) / len(rows)
        lines.append(
            f"| `{method}` | {sum(values) / len(values):.3f} | {' '.join(f'{v:.3f}' for v in values)} | {difference} "
            f"| {auc:.3f} | {rows[0]['steps_extract']} + {rows[0]['steps_joint']} | {stored:,.0f} |"
        )
    return "\n".join(lines) + "\n"


def into_readme(readme: Path, text: str) -> None:
    """Puts a study's table between the README's two marks, so that no figure there is typed by hand."""
    before, _, rest = readme.read_text("utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    readme.write_text(f"{before}{MARKS[0]}\n{rows}\n{MARKS[1]}{after}", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(STUDIES))
    name = parser.parse_args().name
    text = table(name, run(name))
    (RESULTS / f"{name}.md").write_text(text)
    if name == IN_README:
        into_readme(RESULTS.parents[1] / "README.md", text)
    print(text)


if __name__ == "__main__":
    main()
