"""A subscriber that comes late: all since a moment ago, then what is live, each tick once and in its order."""

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import zmq

from ibstream import BIN, FULL, LOST, PATIENCE, REPOSITORY, TICK, body_u64, keys, wait_for
from test_pipeline import EIGHT, start, ticks_numbered

RATE = 20_000
BACK = 600 if FULL else 15
STREAMS = [f"{con_id}.{kind}" for con_id, (_, kinds) in EIGHT.items() for kind in kinds]
MNQ = "711280073.bid_ask"
KIND = {"last": 1, "bid_ask": 3, "mid_point": 4}


def of_stream(records, stream):
    """Its records, markers and `more` with them: those name the stream's kind in their body."""
    con_id, kind = stream.split(".")
    own = np.where(records["kind"] < 128, records["kind"], body_u64(records, 0) & 0xFF)
    return records[(records["con_id"] == int(con_id)) & (own == KIND[kind])]


def came(tail):
    """What a tail has printed so far, whole records."""
    data = tail.out_path.read_bytes()
    return np.frombuffer(data[: len(data) // TICK.itemsize * TICK.itemsize], TICK)


def tail(lab, *arguments):
    return lab.start("ib-stream", "tail", *arguments, "--root", lab.root, "--format", "raw")


def reaches(records, epoch, seqs):
    """Every stream's newest key is this one or a later one."""
    for stream, seq in seqs.items():
        own = of_stream(records, stream)
        if not len(own) or int(keys(own[-1:])[0]) < (epoch << 32 | seq):
            return False
    return True


def assert_as_recorded(lab, got, streams, since_nanos):
    """Stream by stream the same bytes as recorded, from the first record since then to the last that came."""
    for stream in streams:
        own = of_stream(got, stream)
        recorded = lab.records(stream)
        recorded = recorded[np.argmax(recorded["ts_recv"] >= since_nanos):]
        assert len(own) and int(keys(own[:1])[0]) == int(keys(recorded[:1])[0]), f"{stream} begins elsewhere"
        assert (np.diff(keys(own).astype("i8")) > 0).all(), f"{stream}: a key came twice or out of order"
        assert own.tobytes() == recorded[: len(own)].tobytes(), f"{stream} differs from its files"
    markers = got[got["kind"] == 255]
    assert not ((body_u64(markers, 0) >> 8 & 0xFF) == LOST).any()


def record(lab, seconds):
    sim, recorder, connector, config = start(lab, "--rate", str(RATE), "--seed", "21")
    wait_for(f"{seconds * RATE:,} ticks", lambda: ticks_numbered(lab) > seconds * RATE, seconds * 3 + PATIENCE, 0.5)
    return sim, recorder, connector, config


def documented(lab, since_nanos):
    """The program of docs/feed-protocol.md, with its records written out as they are."""
    programs = re.findall(r"^```python\n(.*?)^```", (REPOSITORY / "docs/feed-protocol.md").read_text(), re.M | re.S)
    definitions = programs[0][: programs[0].index("socket = ")] + programs[-1][: programs[-1].index("\nfor records")]
    since = f"{np.datetime64(since_nanos, 'ns')}Z"
    program = lab.folder / "join.py"
    program.write_text(f"""{definitions}
for records in join({str(lab.run)!r}, "711280073.bid_ask", {since!r}):
    sys.stdout.buffer.write(records.tobytes())
    sys.stdout.buffer.flush()
""")
    return lab.start(sys.executable, program)


def test_each_tick_comes_once_also_across_a_connector_that_dies(lab):
    """Three at the same time: a tail, a tail that is stopped for a while, the documents' Python program."""
    _, _, connector, config = record(lab, BACK + 3)
    since = time.time_ns() - BACK * 10**9
    late, stopped = tail(lab, "--since", f"{BACK}s"), tail(lab, "--since", f"{BACK}s")
    python = documented(lab, since)
    # History begins to come; then the connector dies in the middle of it.
    for one in (late, stopped, python):
        wait_for("history", lambda: len(came(one)) > RATE / 10)
    stopped.send(signal.SIGSTOP)
    epoch, _ = lab.numbering()
    connector.send(signal.SIGKILL)
    connector.wait()
    lab.connector(config)
    wait_for("the new epoch", lambda: lab.numbering()[0] > epoch and ticks_numbered(lab) > 3 * RATE)
    stopped.send(signal.SIGCONT)
    epoch, seqs = lab.settle()
    for one in (late, stopped):
        wait_for("all that is recorded", lambda: reaches(came(one), epoch, seqs))
    wait_for("the same in Python", lambda: reaches(came(python), epoch, {MNQ: seqs[MNQ]}))
    for one in (late, stopped, python):
        assert one.running(), one.stderr()
        one.send(signal.SIGINT)
        one.wait()
    lab.settle()
    for one, streams in ((late, STREAMS), (stopped, STREAMS), (python, [MNQ])):
        got = came(one)
        # A tail counts from its own start, a moment later than `since`.
        first = int(got["ts_recv"].min())
        assert since <= first < since + 10 * 10**9
        assert_as_recorded(lab, got, streams, first)
        assert one.out_path.stat().st_size % TICK.itemsize == 0, "whole records"
    assert late.stderr() == "" and stopped.stderr() == ""
    assert "gone" not in python.stderr()


@pytest.fixture
def small(lab):
    sim, recorder, connector, config = start(lab, "--rate", "2000", "--seed", "22")
    wait_for("2,000 ticks", lambda: ticks_numbered(lab) > 2_000)
    lab.settle()
    lab.parts = {"recorder": recorder, "connector": connector, "config": config}
    return lab


def test_it_joins_whatever_runs(small):
    lab = small
    epoch, seqs = lab.numbering()
    assert lab.parts["recorder"].stop() == 0
    alone = tail(lab, "--since", "1h")
    wait_for("what the journal has", lambda: reaches(came(alone), epoch, seqs))
    assert "the recorder is not running" in alone.stderr()
    lab.recorder(lab.parts["config"])
    epoch, seqs = lab.settle()
    assert lab.parts["connector"].stop() == 0
    history = tail(lab, "--since", "1h")
    wait_for("what is recorded", lambda: reaches(came(history), epoch, seqs))
    assert "the connector is not running" in history.stderr()
    lab.connector(lab.parts["config"])
    wait_for("the new epoch", lambda: lab.numbering()[0] > epoch and ticks_numbered(lab) > 1_000)
    epoch, seqs = lab.settle()
    for one in (alone, history):
        wait_for("the new epoch's ticks", lambda: reaches(came(one), epoch, seqs))
        one.send(signal.SIGINT)
        one.wait()
    lab.settle()
    for one in (alone, history):
        assert_as_recorded(lab, came(one), STREAMS, 0)


def test_where_nothing_was_received_since_a_time_the_page_is_empty_and_tail_goes_live(small):
    lab = small
    tomorrow = f"{np.datetime64('now') + np.timedelta64(1, 'D')}Z"
    for server in ("history", "replay"):
        dealer = lab.zmq.socket(zmq.DEALER)
        dealer.connect(f"ipc://{lab.run}/{server}.sock")
        dealer.send_multipart([b"request", b"1", json.dumps(
            {"id": 1, "stream": MNQ, "from_time": tomorrow, "limit": 10}).encode()])
        assert dealer.poll(PATIENCE * 1000)
        kind, _, body = dealer.recv_multipart()
        assert (kind, json.loads(body)) == (b"end", {"next": 0})
        dealer.close()
    late = tail(lab, "--since", tomorrow)
    wait_for("live ticks", lambda: len(came(late)) > 100)
    late.send(signal.SIGINT)
    late.wait()
    assert late.stderr() == ""


def test_sealing_while_it_pages_leaves_no_hole_and_no_repeat(small):
    lab = small
    paging = [tail(lab, "--since", "1h")]
    for _ in range(2):
        numbered = ticks_numbered(lab)
        wait_for("more ticks", lambda: ticks_numbered(lab) > numbered + 1_000)
        lab.ib_stream("seal", "--now", "--root", lab.root)
        # Right behind it: what history read a moment ago from the log is in segments now.
        paging.append(tail(lab, "--since", "1h"))
    assert list((lab.state / "ticks").rglob("*.ticks"))
    epoch, seqs = lab.settle()
    for one in paging:
        wait_for("all that is recorded", lambda: reaches(came(one), epoch, seqs))
        one.send(signal.SIGINT)
        one.wait()
    lab.settle()
    for one in paging:
        assert_as_recorded(lab, came(one), STREAMS, 0)
        assert one.stderr() == ""


def test_its_formats_end_with_their_reader_or_their_count(small):
    lab = small
    lines = lab.ib_stream("tail", "--root", lab.root, "--since", "1h", "--format", "csv", "--count", "500").splitlines()
    assert len(lines) == 501 and lines[0].startswith("stream,epoch,seq,")
    objects = lab.ib_stream("tail", MNQ, "--root", lab.root, "--since", "1h", "--format", "json", "--count", "300")
    assert {json.loads(line)["stream"] for line in objects.splitlines()} == {MNQ}
    with subprocess.Popen([BIN / "ib-stream", "tail", "--root", lab.root, "--since", "1h"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as piped:
        assert piped.stdout.readline()
        piped.stdout.close()
        assert piped.wait(PATIENCE) == 0
        assert piped.stderr.read() == b""
    assert "not a time" in lab.failure("tail", "--root", lab.root, "--since", "yesterday", check=64)
    for name in ("connector", "recorder"):
        assert lab.parts[name].stop() == 0
    assert "not running" in lab.failure("tail", "--root", lab.root, "--since", "1h", check=69)
