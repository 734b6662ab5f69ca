"""Likeness of the `fast` Spike-GAN to the repeats of the retina that were held out from its training."""

from pathlib import Path

from benchmarks.processes import SPIKELOOP, python, report, running

RUN = Path(__file__).parents[1] / "runs" / "held"


def measure(minutes: float) -> dict:
    """Train (or go on training, or only judge, where runs/held has come that far) and judge."""
    with running() as processes:
        options = ("--data", "retina", "--out", RUN, "--device", "cpu", "--minutes", minutes, "--json")
        processes.append(python(*SPIKELOOP, "train", *options))
        figures = report(processes[0])
    return {
        "about": f"Retina, every 5th repeat held out, {figures['trained_s'] / 60:.0f} minutes of training"
        f" ({figures['steps']} steps, {figures['device']}), equal sample sizes. E: model to held-out data; F: training"
        " data to held-out data (the floor); I: independent units at the same rates to held-out data (the ceiling).",
        "rows": [
            {
                "statistic": row["statistic"],
                "E": row["error"],
                "F (floor)": row["floor"],
                "I (independent)": row["ceiling"],
                "E/F": round(row["ratio"], 2),
                "(E-F)/(I-F)": "-" if row["excess"] is None else round(row["excess"], 3),
            }
            for row in figures["realism"]
        ],
    }
