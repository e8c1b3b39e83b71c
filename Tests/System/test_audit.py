"""What is recorded is audited beside the running system and after it; streams that never got a tick are answered for."""

import json
import signal
import socket
import subprocess

from ibstream import BIN, PATIENCE, wait_for
from test_kills import system
from test_lines import FOUR, rewrite
from test_pipeline import EIGHT, ticks_numbered

UNKNOWN = 999


def reasons(text):
    return [line[2:] for line in text.splitlines() if line.startswith("- ")]


def test_a_recording_is_audited_while_it_grows_and_when_it_has_ended(lab):
    _, up, config = system(lab)

    def sound(*more):
        """What a live audit prints with 0: on a busy machine a stream may lag for a moment."""
        result = subprocess.run([BIN / "ib-stream", "audit", *more, "--config", config], capture_output=True, text=True,
                                timeout=PATIENCE)
        return result.stdout if result.returncode == 0 else None

    text = wait_for("every stream judged live", sound)
    assert not reasons(text)
    assert "ALL THERE AND SOUND: 8 streams" in text and "records numbered and not durable yet" in text, text
    # Of tomorrow nothing is known.
    for command in ("audit", "gaps"):
        assert "lies ahead" in lab.failure(command, "--from", "2099-01-01", "--config", config, check=66)
    lab.ib_stream("seal", "--now", "--config", config)
    sealed = json.loads(wait_for("a sound recording", lambda: sound("--json")))
    assert sealed["sound"] and sealed["verify"]["files"] >= 9
    assert up.stop() == 0, up.stderr()

    text = lab.ib_stream("audit", "--config", config)
    assert "ALL THERE AND SOUND: 8 streams" in text and "stopped at " in text and not reasons(text), text
    # Until now it is not all there.
    assert any("still open: stopped" in why for why in reasons(lab.ib_stream(
        "audit", "--to", "0s", "--config", config, check=1)))
    audited = json.loads(lab.ib_stream("audit", "--json", "--config", config))
    raw = {name: lab.ib_stream("cat", name, "--config", config, "--no-markers", "--format", "csv").count("\n") - 1
           for name in audited["streams"]}
    assert {name: stream["ticks"] for name, stream in audited["streams"].items()} == raw
    assert {name: sum(hour["live"] + hour["healed"] for hour in stream["hours"])
            for name, stream in audited["streams"].items()} == raw

    [segment] = (lab.state / "ticks").glob("265598-*/last/*/*/*/*.ticks")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1:])
    text = lab.ib_stream("audit", "--config", config, check=1)
    assert any(why.startswith(f"damaged: {segment}") for why in reasons(text)), text
    # The sealed file is gone, and with it the stream's first keys: the list of sealed files knows of them.
    segment.unlink()
    for command in ("audit", "gaps", "verify"):
        text = lab.ib_stream(command, "--config", config, check=1)
        assert "neither recorded nor marked as lost" in text and "265598.last" in text, command


def test_streams_that_never_got_a_tick_are_answered_for(lab):
    sim = lab.simulator("--rate", "400")
    config = lab.configure(sim.port, {UNKNOWN: ("GONE", ["bid_ask"]), **FOUR})
    rewrite(config, "tick_by_tick_lines: 5", "tick_by_tick_lines: 4")
    recorder, connector = lab.recorder(config), lab.connector(config)

    def states():
        streams = lab.control("connector", "streams")["streams"]
        return {name: facts["state"] for name, facts in streams.items()}

    wait_for("ticks", lambda: ticks_numbered(lab) > 100)
    wait_for("the gateway's answer", lambda: states()[f"{UNKNOWN}.bid_ask"] not in ("pending", "subscribed"))
    lab.settle()
    never = {name for name, facts in lab.control("connector", "streams")["streams"].items() if facts["ticks"] == 0}
    assert f"{UNKNOWN}.bid_ask" in never

    def told(check):
        text = lab.ib_stream("gaps", "--json", "--config", config, check=check)
        return {row["stream"]: row for row in json.loads(text)["absent"] if row["state"] == "never_recorded"}

    rows = told(1)
    assert rows.keys() == never
    assert rows[f"{UNKNOWN}.bid_ask"]["cause"].startswith(states()[f"{UNKNOWN}.bid_ask"]), rows
    listed = json.loads(lab.ib_stream("ls", "--json", "--config", config))["streams"]
    assert {name for name, stream in listed.items() if stream["ticks"] == 0} == never
    text = lab.ib_stream("audit", "--config", config, check=1)
    assert {why.split()[0] for why in reasons(text) if " has no tick: " in why} == never, text
    # The running system is asked also where no file names the streams.
    assert "never_recorded" in lab.ib_stream("gaps", "--root", lab.root, check=1)
    assert connector.stop() == 0 and recorder.stop() == 0
    assert told(1).keys() == never
    assert reasons(lab.ib_stream("audit", "--config", config, check=1))


def test_a_recorder_that_stands_still_or_does_not_run_is_seen_beside_a_connector(lab):
    sim = lab.simulator("--rate", "400")
    config = lab.configure(sim.port, EIGHT)
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: ticks_numbered(lab) > 100)
    lab.settle()
    wait_for("no gap", lambda: lab.ib_stream("gaps", "--config", config, check=None) == "no gaps\n")

    def told(check=1):
        rows = json.loads(lab.ib_stream("gaps", "--json", "--config", config, check=check))["absent"]
        return {row["stream"]: row["cause"] for row in rows if row["state"] == "not_durable"}

    assert told(check=0) == {}
    assert any("ib-watchdog does not run" in why for why in reasons(lab.ib_stream("audit", "--config", config, check=1)))
    recorder.send(signal.SIGSTOP)
    before = ticks_numbered(lab)
    wait_for("ticks that nobody records", lambda: ticks_numbered(lab) > before + 100)
    rows = told()
    assert "does not answer" in rows[None] and "711280073.bid_ask" in rows, rows
    assert any("does not answer" in why for why in reasons(lab.ib_stream("audit", "--config", config, check=1)))
    recorder.send(signal.SIGCONT)
    lab.settle()
    assert recorder.stop() == 0
    before = ticks_numbered(lab)
    wait_for("ticks that nobody records", lambda: ticks_numbered(lab) > before + 100)
    rows = told()
    assert "ib-recorder does not run" in rows[None] and "only the journal" in rows["711280073.bid_ask"], rows
    assert connector.stop() == 0
    rows = told()
    assert None not in rows and "only the journal" in rows["711280073.bid_ask"], rows
    # A recorder takes it from there, at its stop also without a connector.
    recorder = lab.recorder(config)
    wait_for("the log is recovered", lambda: "new part" in recorder.stderr())
    assert recorder.stop() == 0
    assert told() == {}


def test_without_a_session_nothing_is_green(lab):
    # Bound and not listening: nobody else gets the port meanwhile.
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    config = lab.configure(closed.getsockname()[1], EIGHT)
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("the recorder's log", lambda: any((lab.state / "log").glob("*.log")))
    wait_for("the connector", lambda: (lab.run / "connector.sock").exists())
    rows = json.loads(lab.ib_stream("gaps", "--json", "--config", config, check=1))["absent"]
    assert [row["state"] for row in rows] == ["never_recorded"] * 8 and all(row["cause"] for row in rows)
    assert reasons(lab.ib_stream("audit", "--config", config, check=1))
    assert "0" in lab.ib_stream("ls", "--config", config, check=66)
    lab.failure("verify", lab.root, check=66)
    lab.failure("explain", "265598.last", "1s", "--config", config, check=66)
    assert connector.stop() == 0 and recorder.stop() == 0
    closed.close()
    lab.ib_stream("gaps", "--config", config, check=1)
    lab.ib_stream("audit", "--config", config, check=1)
