"""IB's limits: few tick-by-tick lines, spaced requests, so many messages a second. The gateway here insists on them."""

import json

from ibstream import wait_for
from test_pipeline import ticks_numbered

MNQ = {711280073: ("MNQ", ["bid_ask", "last"])}
FOUR = {711280073: ("MNQ", ["bid_ask", "last"]), 265598: ("AAPL", ["bid_ask", "last"])}


def states(lab):
    return {name: facts["state"] for name, facts in lab.control("connector", "streams")["streams"].items()}


def rewrite(config, old, new):
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))


def test_the_default_spacing_keeps_an_insisting_gateway_content(lab):
    """The second kind of a contract is asked for 15 s after the first; earlier it would be refused."""
    sim = lab.simulator("--enforce", "--rate", "200")
    config = lab.configure(sim.port, MNQ)
    rewrite(config, "tick_by_tick_spacing: 0s", "tick_by_tick_spacing: 15s")
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("quotes", lambda: ticks_numbered(lab) > 10)
    assert states(lab) == {"711280073.bid_ask": "subscribed", "711280073.last": "pending"}
    wait_for("trades", lambda: lab.numbering()[1]["711280073.last"] > 3)
    assert "code=10190" not in connector.stderr() and "code=100 " not in connector.stderr()
    lab.settle()


def test_streams_beyond_the_lines_are_no_line_and_loudly_so(lab):
    sim = lab.simulator("--rate", "400")
    config = lab.configure(sim.port, FOUR)
    rewrite(config, "tick_by_tick_lines: 4", "tick_by_tick_lines: 3")
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: ticks_numbered(lab) > 100)
    assert states(lab)["265598.last"] == "no_line"
    assert [s for s in states(lab).values()].count("subscribed") == 3
    assert "no tick-by-tick line is left for a stream: it is not recorded" in connector.stderr()
    epoch, seqs = lab.settle()
    assert seqs["265598.last"] == 0
    # A line that comes free goes to the stream that waits.
    lab.control("connector", "unsubscribe", stream="711280073.last")
    wait_for("the freed line", lambda: lab.numbering()[1]["265598.last"] > 5)


def test_streams_beyond_the_lines_can_be_recorded_as_level_1(lab):
    sim = lab.simulator("--rate", "400")
    config = lab.configure(sim.port, FOUR, tws=["on_excess: level1"])
    rewrite(config, "tick_by_tick_lines: 4", "tick_by_tick_lines: 2")
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("level 1 ticks", lambda: lab.numbering()[1].get("265598.level1", 0) > 20)
    lab.settle()
    lines = [json.loads(line) for line in
             lab.ib_stream("cat", "265598.level1", "--root", lab.root, "--format", "json").splitlines()]
    prices = [line for line in lines if line.get("kind") == "level1"]
    # Field ids of TWS: 1 bid, 2 ask, 4 last, 0/3/5 their sizes.
    assert {1, 2} <= {int(line["field"]) for line in prices}
    lab.ib_stream("verify", "--root", lab.root)


def test_more_streams_than_lines_can_be_refused(lab):
    config = lab.configure(1, FOUR, tws=["on_excess: refuse"])
    rewrite(config, "tick_by_tick_lines: 4", "tick_by_tick_lines: 2")
    connector = lab.connector(config)
    assert connector.wait() == 78, connector.stderr()
    assert "tick_by_tick_lines" in connector.stderr().splitlines()[-1]
