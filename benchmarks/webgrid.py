"""A full game of Webgrid, played in headless Chromium by a scripted mouse: its score, and the latency by stage."""

import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np

import spikeloop

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = "/usr/bin/chromium"
GAMES = (("webgrid", 30, "click"), ("webgrid", 6, "dwell"))
OPENS_WITHIN_S = 300.0
SHOWN = "[document.querySelector('#game').dataset, document.querySelector('#score').dataset].map(one => ({...one}))"


def measure(seconds: float) -> dict:
    """One game each, of the length that the page offers and is nearest."""
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as folder,
        spikeloop.web("m1-sim", name=f"bench-webgrid-{time.time_ns()}", port=0, save_to=folder) as served,
        sync_playwright() as driver,
    ):
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(served.url)
        _until(page, lambda: page.evaluate(SHOWN)[0].get("mode") == "ready")
        rows = [_row(page, *game, seconds) for game in GAMES]
        browser.close()
        latency = served.report().latency
    assert latency is not None
    stages = ", ".join(f"{stage} {of['p50_ms']:.1f} and {of['p99_ms']:.1f}" for stage, of in latency["stages"].items())
    return {
        "about": "`m1-sim`, 20-ms bins, decoder `wiener`, calibrated on 100 s of reaches that the population imagines;"
        " `spikeloop web` and headless Chromium on one machine, in which a scripted mouse points to the target and"
        " clicks when the cursor is on it. Bits a second by Nuyujukian et al. 2015.",
        "rows": rows,
        "notes": [
            f"From the mouse's event, by the spikes that it shaped, to the frame after the cursor was drawn, p50 and"
            f" p99 of {latency['samples']} movements, ms: {stages}."
        ],
        "latency": latency,
    }


def _row(page: "Page", task: str, cells: int, select: str, seconds: float) -> dict[str, Any]:
    length = min((10, 30, 60, 180), key=lambda length: abs(length - seconds))
    for choice, value in {"task": task, "cells": cells, "select": select, "length": length}.items():
        page.locator(f"#{choice}").select_option(str(value))
    page.locator("#play").click()
    _until(page, lambda: page.evaluate(SHOWN)[1].get("running") == "true")
    score = _play(page)
    right, wrong = int(score["correct"]), int(score["incorrect"])
    return {
        "game": f"{task} {cells} x {cells}, {select}, {length} s", "right": right, "wrong": wrong,
        "bits/s": float(score["bps"]),
    }  # fmt: skip


def _play(page: "Page") -> dict[str, str]:
    box = page.locator("#game").bounding_box()
    assert box is not None
    pointed, inside = "", 0
    while True:
        game, score = page.evaluate(SHOWN)
        if score["running"] != "true":
            return score
        if game["target"] and game["target"] != pointed:
            pointed = game["target"]
            place = np.array(pointed.split(","), float) / float(game["extent"]) * [1, -1] + 0.5
            page.mouse.move(*(place * [box["width"], box["height"]] + [box["x"], box["y"]]))
        near = bool(game["target"]) and _away(game) < 0.45 * float(game["width"])
        inside = inside + 1 if near else 0
        if game["clicks"] == "true" and inside == 2:  # it stays there, as far as can be seen
            page.mouse.down()
            page.mouse.up()
            inside = 0


def _away(game: dict[str, str]) -> float:
    """How far the cursor is from the target along the axis in which it is farther, cm."""
    target, cursor = (np.array(game[name].split(","), float) for name in ("target", "cursor"))
    return float(np.abs(target - cursor).max())


def _until(page: "Page", done: Any) -> None:
    deadline_s = time.monotonic() + OPENS_WITHIN_S
    while not done():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the page does not get ready")
        page.wait_for_timeout(50)
