"""Every interval without data is in the ledger, with its cause: files, history.sock and the command say the same."""

import json
import os
import signal
import time

import zmq

from ibstream import PATIENCE, check_numbering, wait_for
from test_kills import pid_of, system
from test_pipeline import ticks_numbered

STREAM = "711280073.bid_ask"
EXTRA = "711280073.level1"


def gaps(lab, config, *arguments):
    """What `ib-stream gaps --all --json` tells, by stream."""
    found = {}
    text = lab.ib_stream("gaps", "--all", "--json", *arguments, "--config", config, check=None)
    for gap in json.loads(text)["gaps"]:
        found.setdefault(gap["stream"], []).append(gap)
    return found


def asked(lab, stream):
    """The same from history.sock."""
    dealer = lab.zmq.socket(zmq.DEALER)
    dealer.set(zmq.LINGER, 0)
    dealer.connect(f"ipc://{lab.run}/history.sock")
    try:
        dealer.send_multipart([b"request", b"7", json.dumps({"id": 7, "stream": stream, "gaps": True}).encode()])
        assert dealer.poll(PATIENCE * 1000), "history does not answer"
        kind, number, body = dealer.recv_multipart()
        assert (kind, number) == (b"gaps", b"7"), body
        return json.loads(body)
    finally:
        dealer.close()


def closed(lab, config, cause, stream=STREAM):
    """The newest gap with this cause, once a tick has closed it."""
    def look():
        found = [gap for gap in gaps(lab, config, stream).get(stream, []) if cause in gap["cause"].split(", ")]
        return found[-1] if found and found[-1]["state"] != "open" else None
    return wait_for(f"a closed gap: {cause}", look, every=0.2)


def flows(lab, count=500):
    before = ticks_numbered(lab)
    wait_for("ticks again", lambda: ticks_numbered(lab) not in range(before, before + count))


def test_what_interrupts_a_stream_is_in_the_ledger(lab):
    sim, up, config = system(lab)
    # A stream that only a command wants.
    lab.control("connector", "subscribe", con_id=711280073, ticks=["level1"])
    wait_for("ticks of the added stream", lambda: lab.control("connector", "streams")["streams"].get(EXTRA, {"ticks": 0})["ticks"] > 5)
    lab.settle()

    assert lab.simulator_says("drop").startswith("ok")
    drop = closed(lab, config, "disconnect")
    assert drop["before"]["key"] < drop["key"] < drop["after"]["key"] and drop["lost"] is None

    assert lab.simulator_says("error 1100").startswith("ok")
    assert lab.simulator_says("error 1102").startswith("ok")
    assert closed(lab, config, "tws 1100")["code"] == 1100
    closed(lab, config, "tws 1100", EXTRA)

    # A tick that was on its way closed the outage's gap at once; what is missing came after it: 1102 opens another.
    assert lab.simulator_says("mute all").startswith("ok")
    silent_from = time.time_ns()
    time.sleep(1)  # the outage: nothing to wait for
    silent_to = time.time_ns()
    assert lab.simulator_says("error 1102").startswith("ok")
    assert lab.simulator_says("unmute all").startswith("ok")
    back = closed(lab, config, "tws 1102")
    assert back["before"]["ts_recv"] < silent_from + 500_000_000 and back["after"]["ts_recv"] >= silent_to
    assert back["code"] == 1102
    closed(lab, config, "tws 1102", EXTRA)

    os.kill(pid_of(lab, "connector"), signal.SIGKILL)
    restart = closed(lab, config, "restart")
    assert restart["after"]["key"] >> 32 > restart["before"]["key"] >> 32
    flows(lab)
    # The command's stream went with the connector: its gap ends where nobody wanted it any more.
    [*_, vanished] = wait_for(
        "the vanished stream's end", lambda: [g for g in gaps(lab, config, EXTRA)[EXTRA] if g["ended"]], every=0.2)
    assert vanished["after"] is None and vanished["before"]["key"] >> 32 < vanished["key"] >> 32
    lab.settle()

    # History answers the same; the live system may heal meanwhile.
    answer = asked(lab, STREAM)
    mine = {gap["key"]: gap for gap in gaps(lab, config, STREAM)[STREAM]}
    theirs = {gap["key"]: gap for gap in answer["gaps"]}
    assert answer["omitted"] == 0 and mine.keys() == theirs.keys() and answer["last"] >= restart["after"]["key"]
    for key, gap in theirs.items():
        for name in ("cause", "before", "after", "from", "to", "opened"):
            assert mine[key][name] == gap[name], name
    assert asked(lab, "1.last") == {"last": 0, "omitted": 0, "gaps": []}

    # What people see.
    assert "gaps: 0 open" in lab.ib_stream("status", "--config", config, check=None)
    status = json.loads(lab.ib_stream("status", "--json", "--config", config, check=None))
    assert status["gaps"]["open"] == []
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(back["from"] // 10**9))
    text = lab.ib_stream("explain", STREAM, moment, "--around", "1m", "--config", config)
    for word in ("tws 1100, code 1100", "tws 1102, code 1102", "gap_closed", "silence", "epoch", "open log"):
        assert word in text, text
    explained = json.loads(lab.ib_stream("explain", STREAM, moment, "--json", "--config", config))
    assert explained["before"]["ticks"] > 0 and explained["after"]["ticks"] > 0

    # A clean stop opens a gap for what ran, and for nothing else.
    assert up.stop() == 0, up.stderr()
    found = gaps(lab, config)
    assert found[STREAM][-1]["state"] == "open" and found[STREAM][-1]["cause"] == "stopped"
    assert all(gap["state"] != "open" for gap in found[EXTRA])
    began = time.monotonic()
    assert "nothing runs" in lab.failure("gaps", "--wait", "60s", "--config", config, check=1)
    assert time.monotonic() - began < 20, "nothing runs, so nothing is waited for"
    check_numbering(lab.records(STREAM))
    lab.ib_stream("verify", "--root", lab.root)


def test_gaps_can_be_waited_for_from_their_first_moment(lab):
    sim, up, config = system(lab)
    flows(lab)

    def counts():
        return json.loads(lab.ib_stream("gaps", "--json", "--config", config, check=None))["counts"]

    assert lab.simulator_says("drop").startswith("ok")
    wait_for("open gaps", lambda: counts()["open"] > 0, every=0.01)
    text = lab.ib_stream("gaps", "--wait", "60s", "--json", "--config", config, timeout=PATIENCE + 30)
    told = json.loads(text)
    assert told["counts"]["open"] == told["counts"]["pending"] == 0 and told["counts"]["healed"] > 0
    assert told["gaps"] == []
    # As long as the gateway is away, as long as was asked for and no longer.
    assert lab.simulator_says("refuse").startswith("ok")
    assert lab.simulator_says("drop").startswith("ok")
    wait_for("open gaps", lambda: counts()["open"] > 0, every=0.01)
    began = time.monotonic()
    lab.failure("gaps", "--wait", "3s", "--config", config, check=1)
    assert 3 <= time.monotonic() - began < 15 and counts()["open"] > 0
    # A gap in the past is not this one: nothing to wait for.
    began = time.monotonic()
    text = lab.ib_stream("gaps", "--wait", "30s", "--to", "1h", "--config", config, check=1)
    assert "open" not in text and "not_recorded" in text, "nothing was recorded an hour ago, and that is said"
    assert time.monotonic() - began < 20
    assert up.stop() == 0, up.stderr()
    assert "no progress" not in up.stderr()
