"""docs/realism.md from the figures of `benchmarks.realism`, and the picture of training over time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spikeloop.exporters.pages.drawing import FAINT, SERIES, look, new_figure, picture_file
from spikeloop.exporters.pages.plots import log_axis
from spikeloop.models.measures.table import DYNAMIC_STATISTICS, SPIKE_STATISTICS, title_of

__all__ = ["LONG_RETINA", "draw_curves", "head_of", "page_of"]

LONG_RETINA = "retina, long windows"


@look()
def draw_curves(path: Path, curves: Mapping[str, list[dict[str, float]]]) -> None:
    """Mean E/F over minutes of training, one line a model."""
    figure = new_figure(9, 4)
    axis = figure.subplots()
    for (title, curve), colour in zip(curves.items(), SERIES.values(), strict=False):
        minutes, ratios = ([point[key] for point in curve] for key in ("minutes", "mean_ratio"))
        axis.plot(minutes, ratios, color=colour, label=title.replace("`", ""))
    axis.axhline(1, color=FAINT, linewidth=1)
    log_axis(axis.yaxis, *axis.get_ylim())
    axis.set(xlabel="minutes of training on one core", ylabel="mean E/F on held-out repeats")
    axis.grid(visible=True)
    axis.legend()
    path.write_bytes(picture_file(figure, ".png"))


def head_of(result: Mapping[str, Any]) -> str:
    """What the page describes, of which version and when, and how it is written anew."""
    return (
        f"Measured on {result['date']} with spikeloop {result['version']}, by `{result['command']}` on"
        f" {result['cores']} cores (each model trained on one core, two at a time). It describes the models that this"
        " command trains, not the bundles that ship, whose figures are in"
        " [Evaluate](evaluation.md#the-bundles-that-ship). `make realism` writes this page anew from the data, in some"
        " hours; never edit it by hand."
    )


def page_of(result: dict[str, Any], model: str) -> str:
    """docs/realism.md; `model` is the one that others are compared with."""
    tables = result["tables"]
    retina = tables["retina"]
    parts = [
        "# Realism",
        head_of(result),
        "Every 5th repeat of a recording is held out; models are trained (and baselines fitted) on the others, except"
        " the published samples, which were fitted to all. E is the distance of a statistic between model and held-out"
        " data, F, the floor, between training and held-out data, at equal sample sizes, windows drawn at random"
        " places, at most about 1500 at a time. E/F = 1 is as good as more recording would be; in brackets the 95 %"
        " bootstrap interval over repeats."
        " AUC is that of a classifier (gradient boosting on features of a window) between model and held-out"
        f" windows, 0.5 is perfect; real against real has {next(iter(retina.values()))['real_two_sample']:.2f}."
        " The mean E/F is that of the classic statistics; the dynamic ones have their own. Bits per spike score the"
        " forecast of each held-out bin from those before it; 0 is a Poisson process at constant rates."
        " Memorisation is above 0.5 where a model's windows lie nearer to training than to held-out windows; where"
        " independent units have the same value, the recording's two parts differ, and nothing was learned by heart.",
        "## Retina",
        "50 ganglion cells, 20 ms bins, windows of 32 bins.",
        _summary(retina),
        _ratios(retina),
        _who_is_ahead(retina, model),
        _ours_and_published(retina),
        "The causal families learn by likelihood first and, but for the VAE, by a critic second; each ends where the"
        " part of the recording that is kept for this says so. Those that are told the phase know the place in the"
        " movie, as our dichotomized Gaussian does; the line below it is the same model without. No statistic but the"
        " rates is given to a GAN; the critic of the causal ones looks at the spike counts and lagged products of a"
        " window beside the window itself.",
        "![Mean E/F over training time](time_to_quality.png)",
        "The paper's own errors, not normalised (sums over units, pairs, lags or bins):",
        _published(retina),
        "### Windows of 128 bins",
        "The same models, in windows of 2.6 s; those that make windows of 32 bins have none.",
        _summary(tables[LONG_RETINA]),
        _ratios(tables[LONG_RETINA]),
        "## Simulated populations (Molano-Mazon et al. 2018)",
        "Of these, and of the rat's motor cortex, the causal Spike-GAN's first stage alone is trained here.",
        "### 2 units x 12 bins",
        f"Patterns against {result['true_patterns']:,} true ones. Impossible: never among these; novel: not among the"
        " training windows. The true columns are of as many fresh true windows.",
        _pattern_table(result["patterns"]),
        _summary(tables["patterns"]),
        "### 16 units x 128 ms",
        _summary(tables["groups"]),
        "### Packets (32 units x 32 ms, one mode)",
        _summary(tables["packets"]),
        "## Rat motor cortex at 1 ms",
        "30 units, windows of 64 ms. Share of interspike intervals below 3 ms: "
        + "; ".join(f"{title} {share:.2%}" for title, share in result["intervals"].items())
        + ".",
        _summary(tables["rat_m1_ms"]),
        "## What it costs",
        "| | |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in result["speed"].items()),
    ]
    return "\n\n".join(parts) + "\n"


def _summary(rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        "| model | trained | mean E/F | worst E/F | mean E/F, dynamic | bits per spike | two-sample AUC |"
        " memorisation AUC |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for title, row in rows.items():
        trained = f"{row['minutes']:.0f} min, {row['steps']} steps" if "minutes" in row else ""
        worst = f"{row['worst'][0]:.2f} ({title_of(row['worst'][1])})"
        aucs = f"{row['two_sample']:.3f} | {row['memorisation']:.3f}"
        bits = f"{row['bits_per_spike']:.3f}" if "bits_per_spike" in row else ""
        lines.append(
            f"| {title} | {trained} | {row['mean']:.2f} | {worst} | {row['dynamic_mean']:.2f} | {bits} | {aucs} |"
        )
    return "\n".join(lines)


def _ratios(rows: dict[str, dict[str, Any]]) -> str:
    lines = [f"| E/F | {' | '.join(rows)} |", "|---" * (len(rows) + 1) + "|"]
    for statistic in (*SPIKE_STATISTICS, *DYNAMIC_STATISTICS):
        cells = (row["statistics"][statistic] for row in rows.values())
        shown = (f"{cell['ratio']:.2f} ({cell['low']:.2f}-{cell['high']:.2f})" for cell in cells)
        lines.append(f"| {title_of(statistic)} | {' | '.join(shown)} |")
    return "\n".join(lines)


def _who_is_ahead(rows: dict[str, dict[str, Any]], model: str) -> str:
    """Where the causal Spike-GAN is not ahead of a baseline that is off the floor itself."""
    best = rows[model]["statistics"]
    behind = [
        f"{title_of(statistic)} ({best[statistic]['ratio']:.2f} against"
        f" {row['statistics'][statistic]['ratio']:.2f}, {title})"
        for title, row in rows.items()
        if "Gaussian" in title or "k-pairwise" in title or "blind" in title
        for statistic in SPIKE_STATISTICS
        if row["statistics"][statistic]["verdict"] != "at the floor"
        and row["statistics"][statistic]["ratio"] < best[statistic]["ratio"]
    ]
    ahead = f"Wherever a baseline is not within sampling error, the {model} is ahead of it"
    return f"{ahead}, except in {'; '.join(behind)}." if behind else f"{ahead}."


def _ours_and_published(rows: dict[str, dict[str, Any]]) -> str:
    """Where our baselines are off the floor and further off than the published samples, by chance or not."""
    behind = [
        f"{title}: {title_of(statistic)} ({ours['ratio']:.2f} against {theirs['ratio']:.2f})"
        for title, published in (
            ("dichotomized Gaussian", "dichotomized Gaussian, as published"),
            ("k-pairwise", "k-pairwise, as published"),
        )
        if published in rows
        for statistic, theirs in rows[published]["statistics"].items()
        for ours in (rows[f"{title}, ours"]["statistics"][statistic],)
        if ours["ratio"] > theirs["ratio"] and ours["verdict"] != "at the floor"
    ]
    if not behind:
        return "On every statistic our baselines are within sampling error or as good as the published samples."
    return f"Our baselines are within sampling error or as good as the published samples, except {'; '.join(behind)}."


def _published(rows: dict[str, dict[str, Any]]) -> str:
    keys = list(next(iter(rows.values()))["published"])
    lines = [f"| model | {' | '.join(key.replace('_', ' ') for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    for title, row in rows.items():
        lines.append(f"| {title} | {' | '.join(format(row['published'][key], '.3g') for key in keys)} |")
    return "\n".join(lines)


def _pattern_table(rows: dict[str, dict[str, float]]) -> str:
    lines = [
        "| model | entropy (bits) | true | impossible | true | novel | true |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, row in rows.items():
        entropies = f"{row['entropy']:.2f} | {row['true_entropy']:.2f}"
        shares = " | ".join(f"{row[key]:.2%}" for key in ("impossible", "true_impossible", "novel", "true_novel"))
        lines.append(f"| {title} | {entropies} | {shares} |")
    return "\n".join(lines)
