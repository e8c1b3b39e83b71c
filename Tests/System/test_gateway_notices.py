"""What a gateway of Tests/Adversary says of requests, farms, its link and other sessions: what ticks on is left alone, and
what is silent comes back, exactly."""

import os
import socket
import time

import pytest

from against_adversary import AAPL, MNQ, Run
from ibstream import BIN, FULL, wait_for
from test_gateway_habits import farm

WARNINGS = [
    (2176, "Warning: size rules of this venue"), (2150, "Invalid position trade derived value"),
    (2187, "Warning: something"), (10018, "A note"), (10019, "A note"), (9999, "Warning: nobody knows this code")]
UNKNOWN = (10999, "Something new under the sun")


def wait_for_word(run, code, count=1):
    """Until a code has come to the connector; a test that goes on earlier shows nothing."""
    wait_for(f"code {code}", lambda: run.log().count(f"code={code}") >= count)


def left_alone(run, names=None):
    """No request of these streams was made twice or cancelled, and none has a gap."""
    names = names or run.names
    contracts = [name.split(".")[0] for name in names]
    asked = [fields for *_, fields in run.gateway.requests(97) if fields[1] in contracts]
    states = run.gap_states()
    return len(asked) == len(names) and all(states[name] == [] for name in names) and run.is_subscribed()


def pauses_are_usual(run):
    """The markets stand still for a while: for the next minute no silence of less than nine seconds is a sign. Those that a busy
    host makes are none."""
    run.gateway.do("pause")
    time.sleep(6)
    run.gateway.do("go")
    run.wait_ticks(10)


def farm_is_down(run, name):
    """Says so, and waits until every stream has brought ticks that were not on their way before. The connector's figures are
    up to a second old."""
    farm(run, 2103, name)
    wait_for("the word", lambda: f"broken:{name}" in run.log())
    time.sleep(1.7)


# Requests


def test_warnings_and_unknown_codes_change_nothing_on_streams_that_tick(lab):
    """In front of definitions and of the first tick, and on live streams."""
    run = Run(lab, faults={"subscription_warning": [list(w) for w in WARNINGS], "definition_warning": list(WARNINGS[0])})
    for code, text in [*WARNINGS, UNKNOWN]:
        for name in run.names:
            assert run.gateway.do("request_error", stream=name, code=code, text=text) == 1
        run.wait_ticks(2)
    wait_for_word(run, UNKNOWN[0])
    run.wait_ticks(10)
    assert run.gateway.status()["logins"] == 1
    assert left_alone(run) and run.gateway.requests(98) == []
    assert "AAPL" in lab.ib_stream("lookup", "AAPL", "--type", "STK", "--config", run.config)
    run.check()


# Farms and the link


def test_a_flap_of_a_farm_that_no_stream_uses_leaves_no_gap(lab):
    run = Run(lab)
    pauses_are_usual(run)
    # The same word is told once a minute: names that differ are seen to arrive.
    for name in ("usbond", "usbond.nj"):
        farm_is_down(run, name)
        run.wait_ticks(3)
        farm(run, 2104, name)
        run.wait_ticks(3)
    assert left_alone(run) and run.gateway.requests(98) == []
    run.check()


@pytest.mark.parametrize("code", [1100, 2110])
def test_ticks_end_what_an_announced_loss_began(lab, code):
    """No 1101 or 1102 follows: the only working connection is kept."""
    run = Run(lab, up=True)
    run.wait_health("health", lambda s: s["health"] == "healthy")
    run.gateway.do("notice", code=code)
    wait_for_word(run, code)
    wait_for("the end of the state", lambda: "ticks come although" in run.log())
    run.wait_ticks(20)
    run.wait_health("health again", lambda s: s["health"] == "healthy" and s["session"] == "ready")
    assert run.gateway.status()["logins"] == 1 and run.is_subscribed()
    run.wait_healed(0)
    run.check()


WORDS = {
    "another name": (2104, "usfarm.nj", None),
    "no word": None,
    "inactive": (2108, "", "Market data farm connection is inactive but should be available upon demand.usfarm"),
    "connecting": (2119, "usfarm", None),
}


@pytest.mark.parametrize("word", list(WORDS)[:4 if FULL else 1])
def test_subscriptions_forgotten_while_a_farm_was_down_are_made_anew_and_the_others_are_left_alone(lab, word):
    run = Run(lab, speed=2)
    mine, others = ([n for n in run.names if n.startswith(f"{con_id}.")] for con_id in (AAPL, MNQ))
    pauses_are_usual(run)
    run.gateway.do("forget", streams=mine)
    farm_is_down(run, "usfarm")
    # What goes on beside them is not that farm's.
    run.wait_ticks(5, others)
    if WORDS[word]:
        code, name, text = WORDS[word]
        farm(run, code, name, text=text)
    run.wait_ticks(5)
    run.wait_healed(1, mine)
    assert left_alone(run, others)
    run.check()


def test_a_competing_session_is_named_until_ticks_come(lab):
    run = Run(lab, up=True)
    run.gateway.faults["subscription_error"] = {
        name: [10197, "No market data during competing live session"] for name in run.names}
    run.gateway.do("competing")
    status = run.wait_health("competing sessions", lambda s: s["health"] != "healthy" and all(
        stream["state"] == "competing_session" for stream in s["streams"].values()))
    assert any("10197" in reason and "another session" in reason for reason in status["reasons"]), status["reasons"]
    run.gateway.faults.clear("subscription_error")
    run.wait_ticks(seconds=90)
    run.wait_health("live streams", lambda s: all(stream["state"] == "live" for stream in s["streams"].values()))
    run.wait_healed(1)
    run.check()


# History


@pytest.mark.skipif(not FULL, reason="takes a minute of waiting: with IB_STREAM_FULL=1; the unit tests have its decisions")
def test_a_broken_history_farm_that_serves_nothing_of_ours_stops_no_healing(lab):
    run = Run(lab, faults={"greeting_notices": [[2105, "HMDS data farm connection is broken:fundfarm"]]})
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1, seconds=150)
    run.check()


# Connecting


@pytest.mark.skipif(
    not FULL, reason="takes half a minute of waiting: with IB_STREAM_FULL=1; the unit tests have its decisions")
def test_a_login_that_takes_18_seconds_is_waited_for(lab):
    run = Run(lab, faults={"ready_delay": 18}, ready=False)
    run.wait_ticks(5, seconds=90)
    run.check()


def test_sockets_closed_behind_the_greeting_say_what_to_do(lab):
    run = Run(lab, faults={"login": "close_after_greeting"}, up=True, ready=False)
    run.wait_health("the cause", lambda s: s["health"] == "down" and any(
        "behind its greeting" in reason and "trusted IPs" in reason for reason in s["reasons"]))
    run.gateway.faults.clear("login")
    run.wait_ticks()
    run.check()


@pytest.mark.parametrize("manner", ["silent", "closes", "drops"])
def test_a_name_with_several_addresses_is_tried_to_the_end(lab, manner):
    """The first address accepts connections and says nothing, or ends them at once, or answers nobody; the second is the gateway."""
    (lab.folder / "hosts").write_text("127.0.0.1 many.test localhost\n127.0.0.9 many.test\n")
    run = Run(lab, hosts=["127.0.0.9"], start=False)
    run.config.write_text(run.config.read_text().replace("tws:\n", "tws:\n  host: many.test\n"))
    script = f"mount --bind {lab.folder}/hosts /etc/hosts && exec {BIN}/ib-connector --config {run.config}"
    with socket.create_server(("127.0.0.1", run.gateway.port), backlog=0 if manner == "drops" else None) as bad:
        bad.settimeout(0.05)
        accepted = []
        # A full queue drops whoever knocks.
        if manner == "drops":
            accepted.append(socket.create_connection(("127.0.0.1", run.gateway.port)))
        run.recorder = lab.recorder(run.config)
        run.connector = lab.start("/usr/bin/unshare", *([] if os.geteuid() == 0 else ["-Ur"]), "-m", "sh", "-c", script)

        def is_recorded():
            if manner == "drops":
                return run.gateway.status()["delivered"]
            try:
                connection, _ = bad.accept()
            except TimeoutError:
                return run.gateway.status()["delivered"]
            accepted.append(connection)
            if manner == "closes":
                connection.close()
            return False

        try:
            wait_for("a session at the second address", is_recorded)
            assert accepted, "the first address was never tried"
            run.wait_ticks()
            run.check()
        finally:
            for connection in accepted:
                connection.close()
