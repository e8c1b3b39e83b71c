"""What a gateway's history can and can't give, and who may still ask for it: all that it has is there once, and a second that it
does not have whole is named."""

import shutil

import pytest

from against_adversary import AAPL, MNQ, Run
from ibstream import wait_for

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
    run.check()
