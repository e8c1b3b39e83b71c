"""What a gateway's history can and can't give, and who may still ask for it: all that it has is there once, and a second that it
does not have whole is named."""

import collections
import shutil
import time

import pytest

from against_adversary import AAPL, MNQ, Run, compare
from ibstream import wait_for


# Long seconds


@pytest.mark.parametrize("faults", [{}, {"history_end_counts": True}], ids=["end excluded", "end counted in"])
def test_pages_cut_in_the_middle_of_a_second_are_joined_or_the_second_is_named(lab, faults):
    """More than 1,000 ticks in a second, in answers of 1,000: up to 2,000 of them are had from both ends."""
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"])}, speed=30,
              faults={"history_page_strict": True, "past_ticks_missing": True, **faults})
    stream = run.names[0]
    run.away(3.5)
    wait_for("an end of healing", lambda: set(run.gap_states()[stream]) <= {"healed", "partly"}, 120, 0.5)
    named = {second for gap in run.gaps()["gaps"] for first, end in gap["unfilled"] for second in range(first, end)}
    assert bool(named) == ("partly" in run.gap_states()[stream])
    run.stop()
    [report] = run.reports()
    assert (report.repeated, report.altered, report.invented, report.misplaced) == (0, 0, 0, 0), str(report)
    have = collections.Counter(key[0] for key in compare.exported(lab.folder / "export" / f"{stream}.csv"))
    want = collections.Counter(e.key[0] for e in compare.expectations(run.truth)[stream] if e.is_needed)
    short = {second for second in want if have[second] < want[second]}
    assert short <= named, f"{report}: {named}"
    # Where equal ticks leave a join in doubt, less than 2,000 of them are certain.
    assert all(want[second] > 1_950 and have[second] >= 900 for second in named), f"{report}: {[(want[s], have[s]) for s in named]}"
    assert any(1_000 < count < 1_950 for count in want.values()), "none of a length that can be joined"


# Trading days


@pytest.mark.parametrize("faults", [
    {}, {"history_day_empty": True, "history_end_counts": True},
    {"history_day_empty": True, "history_day_behind": True}], ids=["last tick again", "nothing", "from behind too"])
def test_history_that_ends_with_the_trading_day_is_had_of_the_next_days_too(lab, faults):
    """Two days end in one gap."""
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask", "last"])}, faults={"past_ticks_missing": True, **faults})
    now = int(time.time())
    run.gateway.faults["history_day_end"] = [now + 3, now + 5]
    run.away(7)
    run.wait_healed(1, seconds=90)
    run.check()


def test_a_history_that_is_late_by_a_part_of_a_second_loses_nothing(lab):
    """While it is looked for where history goes on, the second that it ended with becomes whole: what had been told of it was a part."""
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"])},
              faults={"past_ticks_missing": True, "history_lag": 11.6, "history_delay": 0.9})
    run.away(5)
    run.wait_healed(1, seconds=120)
    run.check()


def test_a_tick_of_a_wrong_time_behind_a_gap_costs_itself(lab):
    """The first tick behind a gap says that it is hours later: what is missing is asked for all the same, and nothing twice."""
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"])}, faults={"past_ticks_missing": True})
    stream = run.names[0]
    for hours in (3, -3):
        run.gateway.do("refuse")
        run.gateway.do("drop")
        time.sleep(1.5)
        run.gateway.faults["poison_tick"] = {stream: {"time": str(int(time.time()) + hours * 3_600)}}
        run.gateway.do("accept")
        run.wait_ticks()
    run.away(1.5)
    run.wait_healed(3)
    run.stop()
    [report] = run.reports()
    # History has the two ticks at their right times.
    assert report.invented == 2, str(report)
    report.invented, report.misplaced = 0, 0
    assert report.is_exact, str(report)


# Streams that left


def configure(run, streams):
    """The same configuration with other streams."""
    text = run.config.read_text()
    head, _, rest = text.partition("contracts:\n")
    more = rest[rest.index("heal:"):]
    entries = [f"  - con_id: {con_id}\n    symbol: {symbol}\n    ticks: [{', '.join(kinds)}]\n"
               for con_id, (symbol, kinds) in streams.items()]
    run.config.write_text(head + "contracts:\n" + "".join(entries) + more)


@pytest.mark.parametrize("journal", ["kept", "lost"])
def test_gaps_of_streams_that_left_the_configuration_are_healed(lab, journal):
    """A contract and a kind of tick leave while their gaps wait, which nobody is asked to fill for two starts."""
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask", "last"]), AAPL: ("AAPL", ["mid_point", "last"])},
              faults={"history_silent": True, "past_ticks_missing": True})
    run.gateway.do("drop")
    run.wait_ticks()
    wait_for("definitions", lambda: (lab.state / "definitions" / f"{MNQ}.json").exists())
    lab.settle()
    assert run.connector.stop() == 0
    configure(run, {MNQ: ("MNQ", ["bid_ask"])})
    run.start("connector")
    run.wait_ticks(5, [f"{MNQ}.bid_ask"])
    lab.settle()
    assert run.connector.stop() == 0
    if journal == "lost":
        assert run.recorder.stop() == 0
        shutil.rmtree(lab.run / "journal")
        run.start("recorder")
    run.gateway.faults.clear("history_silent")
    run.start("connector")
    run.wait_ticks(5, [f"{MNQ}.bid_ask"])
    run.wait_healed(2)
    assert run.is_subscribed() is False and run.gateway.status()["subscriptions"] == [f"{MNQ}.bid_ask"]
    lab.ib_stream("gaps", "--config", run.config)
    run.check(live=[f"{MNQ}.bid_ask"])
