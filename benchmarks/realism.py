"""Likeness of the `fast` Spike-GAN to the repeats of the retina that were held out from its training."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[1] / "runs" / "held"
STREAM = "from spikeloop.streamer.commands.main import main; main()"


def measure(minutes: float) -> dict:
    """Train (or go on training, or only judge, where runs/held has come that far) and judge."""
    command = [sys.executable, "-c", STREAM, "train", "--data", "retina", "--out", RUN, "--device", "cpu"]
    outcome = subprocess.run(
        [*map(str, command), "--minutes", str(minutes), "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    report = json.loads(outcome.stdout)
    return {
        "about": f"Retina, every 5th of 238 repeats held out, {report['trained_s'] / 60:.0f} minutes of training"
        f" ({report['steps']} steps) on one core, equal sample sizes. E: model to held-out data; F: training data to"
        " held-out data (the floor); I: independent units at the same rates to held-out data (the ceiling).",
        "rows": [
            {
                "statistic": row["statistic"],
                "E": row["error"],
                "F (floor)": row["floor"],
                "I (independent)": row["ceiling"],
                "E/F": round(row["ratio"], 2),
                "(E-F)/(I-F)": "-" if row["excess"] is None else round(row["excess"], 3),
            }
            for row in report["realism"]
        ],
    }
