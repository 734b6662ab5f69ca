import dataclasses
import io

import pytest
from rich.console import Console

from spikeloop.streamer.monitor.outputs.terminal import line, render
from spikeloop.streamer.monitor.outputs.wording import describe_duration
from spikeloop.streamer.monitor.report import MonitorReport
from tests.support.monitored import BIN_SIZE_S, START_S, MakeReport

HARMFUL = "[red]\x1b[31m\n[/nothing]"
WIDTH, HEIGHT = 80, 24


def shown(report: MonitorReport, now_s: float | None = None, width: int = WIDTH) -> list[str]:
    """What a terminal shows of it, line by line."""
    console = Console(file=io.StringIO(), record=True, width=width)
    console.print(render(report, width, now_s))
    return console.export_text().splitlines()


@pytest.fixture(scope="module")
def harmed(make_report: MakeReport) -> MonitorReport:
    """Unit 4 fell silent."""
    return make_report(lost=4, notices=("first notice", "second " * 30, "third"))


def test_the_view_tells_what_the_report_does(harmed: MonitorReport):
    alarm = harmed.state.alarms[-1]
    text = shown(harmed, now_s=alarm.at_s + 12.34)
    assert "retina (retina)  live  2 min 0 s  6 units  delay 21.4 ms" in text[0]
    assert "34 lost, 5 invalid, 2 gaps" in text[1]
    rates = next(each.split() for each in text if each.startswith("rates"))
    means_hz = [
        values["rates"].mean() / BIN_SIZE_S
        for values in (harmed.state.recent, harmed.state.total, harmed.reference_statistics)
    ]
    ratios = [
        next(each.ratio for each in some if each.statistic == "rates")
        for some in (harmed.state.recent_deviations, harmed.state.total_deviations)
    ]
    assert [float(value) for value in rates[2:7]] == pytest.approx([*means_hz, *ratios], rel=0.01)
    assert rates[7:] == ["far", "off"]
    assert any(f"ALARM {alarm}, 12.3 s ago" in each for each in text)
    assert any(each.startswith("importance: 3 maps") for each in text)
    assert "first notice" in text


def test_it_fits_a_terminal(harmed: MonitorReport):
    for report in (harmed, dataclasses.replace(harmed, stream=dataclasses.replace(harmed.stream, name="n" * 200))):
        text = shown(report)
        assert len(text) <= HEIGHT
        assert max(map(len, text)) <= WIDTH
        assert any(each.endswith("…") for each in text)  # the long notice
        assert not any("…" in each for each in text[2:14])  # no figure is cut
        assert max(map(len, shown(report, width=40))) <= 40


def test_importance_names_the_units_with_the_most(harmed: MonitorReport):
    assert harmed.importance is not None
    first = harmed.importance.by_unit.argmax()
    text = shown(harmed)
    heading = next(place for place, each in enumerate(text) if each.startswith("importance"))
    lengths = [each.count("━") for each in text[heading + 1 : heading + 4]]
    assert text[heading + 1].startswith(f"unit {first} ")
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] == WIDTH // 2


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({}, "no alarm, nearest 0."),
        ({"refer": False}, "no alarm is set: there is nothing to compare with yet"),
        ({"bins": 10, "importance": False}, "no whole window of 32 bins yet"),
        ({"units": 1}, "1 unit "),
    ],
    ids=["no alarm", "no reference", "no window", "one unit"],
)
def test_whatever_is_missing_it_says_so(make_report: MakeReport, what, said):
    assert any(said in each for each in shown(make_report(**what)))


def test_names_neither_colour_nor_move_anything(make_report: MakeReport):
    names = tuple(f"{i}{HARMFUL}" for i in range(6))
    report = make_report(names=names, name=HARMFUL, lost=4, notices=(HARMFUL,))
    report = dataclasses.replace(report, reference=HARMFUL)
    text = shown(report)
    assert text[0].startswith("[red]?[31m?[/nothing]")
    assert any("unit lost: 4[red]?[31m?[/nothing]" in each for each in text)
    assert "\x1b" not in "".join(text) + line(report)
    assert len(text) <= HEIGHT


def test_an_ascii_terminal_shows_bars(harmed: MonitorReport):
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=file, width=200).print(render(dataclasses.replace(harmed, notices=()), 200))
    file.flush()
    assert b"----" in file.buffer.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize("what", [{}, {"lost": 4}, {"bins": 10, "refer": False}, {"name": HARMFUL + "n" * 200}])
def test_one_line_is_one_line(make_report: MakeReport, what):
    report = make_report(**what)
    text = line(report, START_S + 10000)
    assert len(text) < 120
    assert text.isprintable()
    assert "live" in text
    assert ("unit lost: unit 4" in text and "2.8 h ago" in text) == ("lost" in what)


def test_a_true_rate_that_is_not_the_declared_one_is_shown_and_used(make_report: MakeReport):
    report = make_report(lost=4)
    reception = dataclasses.replace(
        report.reception, true_rate_hz=52.0, true_rate_interval_hz=(51.97, 52.03), clock_resets=2
    )
    other = dataclasses.replace(report, reception=reception)
    assert "true rate 52.000 +- 0.030 Hz, declared 50 Hz" in shown(other)
    assert not any("true rate" in text for text in shown(report))  # whose interval holds the declared one
    assert len(shown(other)) <= HEIGHT
    assert "2 gaps, 2 clock resets, 0 restarts" in shown(other)[1]
    assert "2 clock resets" in line(other)
    assert other.mean_rate_hz == pytest.approx(report.mean_rate_hz * 52 / 50)
    assert other.bin_size_s == 1 / 52


def test_the_line_tells_what_is_invalid_and_what_it_waits_for(make_report: MakeReport):
    text = line(make_report(bins=10, refer=False))
    assert "waits for 32 bins in a row  lost 34  invalid 5" in text
    assert "waits" not in line(make_report())


def test_the_view_says_why_no_alarm_is_set(make_report: MakeReport):
    report = dataclasses.replace(make_report(refer=False), not_compared="its beginning is collected: 9 s to go")
    assert any("no alarm is set: its beginning is collected: 9 s to go" in text for text in shown(report))
    assert "E/F - (its beginning is collected: 9 s to go)" in line(report)
    long = dataclasses.replace(report, not_compared=f"no reference: {HARMFUL}" + "n" * 200)
    assert len(line(long)) < 120
    assert "lost 34  invalid 5" in line(long)
    assert "not_compared" not in line(make_report())


def test_without_the_time_alarms_tell_lsls(harmed: MonitorReport):
    assert f"at {harmed.state.alarms[-1].at_s:.1f} s on LSL's clock" in line(harmed)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(12.34, "12.3 s"), (59.96, "1 min 0 s"), (125, "2 min 5 s"), (3599, "60 min"), (9000, "2.5 h"), (2e5, "2.3 days")],
)
def test_durations_in_words(seconds, said):
    assert describe_duration(seconds) == said
