"""Gateway → connector → recorder → files → export: what went in comes out, once, in order, to the last digit."""

import collections
import csv
import signal

import numpy as np
import pytest

from ibstream import DATA, FULL, SANITIZED, TICK, check_numbering, wait_for

EIGHT = {
    711280073: ("MNQ", ["bid_ask", "last"]),
    620731015: ("ES", ["bid_ask", "last"]),
    265598: ("AAPL", ["bid_ask", "last"]),
    12087792: ("EUR.USD", ["bid_ask", "mid_point"]),
}
ALL_KINDS = {
    711280073: ("MNQ", ["bid_ask", "last", "all_last", "mid_point"]),
    265598: ("AAPL", ["bid_ask", "last", "all_last", "mid_point"]),
}
# The columns that a gateway's truth and a recording have in common.
COMMON = ["stream", "kind", "ts_event", "price", "size", "exchange", "conditions", "bid_price", "ask_price", "bid_size",
          "ask_size"]


def rows(path):
    with open(path, newline="") as file:
        return [tuple(row[name] for name in COMMON) for row in csv.DictReader(file)]


def exported(lab, out="export"):
    """{stream: rows} of `ib-stream export --no-markers`."""
    lab.ib_stream("export", "--format", "csv", "--no-markers", "--root", lab.root, "--out", lab.folder / out)
    return {path.name.removesuffix(".csv"): rows(path) for path in sorted((lab.folder / out).glob("*.csv"))}


def truth(path):
    """{stream: rows} of what the simulator put on its sockets."""
    streams = collections.defaultdict(list)
    for row in rows(path):
        streams[row[0]].append(row)
    return dict(streams)


def assert_same(got, want):
    assert sorted(got) == sorted(want)
    for stream in want:
        for index, (a, b) in enumerate(zip(got[stream], want[stream])):
            assert a == b, f"{stream} row {index}"
        assert len(got[stream]) == len(want[stream]), stream


def start(lab, *simulator, streams=EIGHT):
    sim = lab.simulator("--truth", lab.folder / "truth.csv", *simulator)
    config = lab.configure(sim.port, streams)
    recorder = lab.recorder(config)
    connector = lab.connector(config)
    return sim, recorder, connector, config


def ticks_numbered(lab):
    return sum(lab.numbering()[1].values())


def stop_in_order(lab, sim, recorder, connector):
    """The gateway goes silent first, so that truth and recording end with the same tick."""
    assert sim.stop() == 0, sim.stderr()
    # The connector has read the end of the stream when it says that the gateway is gone.
    wait_for("the end of the session", lambda: "TWS disconnection detected, clearing active streams" in connector.stderr())
    lab.settle()
    assert connector.stop() == 0, connector.stderr()
    assert recorder.stop() == 0, recorder.stderr()


@pytest.mark.sanitized
def test_short_slow_pipeline_records_what_the_gateway_sent(lab):
    sim, recorder, connector, _ = start(lab, "--rate", "400", "--seed", "7", streams=ALL_KINDS)
    wait_for("1,500 ticks", lambda: ticks_numbered(lab) > 1500)
    stop_in_order(lab, sim, recorder, connector)
    if SANITIZED:
        for process in (connector, recorder):
            assert "Sanitizer" not in process.stderr(), process.stderr()
    assert_same(exported(lab), truth(lab.folder / "truth.csv"))
    lab.ib_stream("verify", "--root", lab.root)


def test_a_burst_of_seconds_at_20000_ticks_a_second_is_recorded_exactly(lab):
    seconds = 60 if FULL else 8
    sim, recorder, connector, _ = start(lab, "--rate", "20000", "--seed", "851")
    wait_for(f"{seconds * 20_000:,} ticks", lambda: ticks_numbered(lab) > seconds * 20_000, seconds * 3 + 60, 0.5)
    stop_in_order(lab, sim, recorder, connector)
    got, want = exported(lab), truth(lab.folder / "truth.csv")
    assert len(want) == 8
    assert_same(got, want)
    report = lab.ib_stream("verify", "--root", lab.root)
    assert "lost" not in report or "0 lost" in report


@pytest.mark.skipif(not (DATA / "esu4-2024-07-01.csv").exists(), reason=f"no real market data in {DATA}")
@pytest.mark.parametrize("name,con_id,symbol,kinds", [
    ("esu4-2024-07-01.csv", 620731015, "ES", ["bid_ask", "last"]),
    ("eurusd-2020-01-01.csv", 12087792, "EUR.USD", ["bid_ask"]),
])
def test_real_ticks_come_out_as_they_went_in(lab, name, con_id, symbol, kinds):
    """Row for row, prices and sizes exact."""
    source = collections.defaultdict(list)
    with open(DATA / name, newline="") as file:
        for row in csv.DictReader(file):
            second = int(row["ts_ns"]) // 10**9
            values = tuple(row[c] for c in ("price", "size", "bid_price", "ask_price", "bid_size", "ask_size"))
            source[row["kind"]].append((second, values))
    assert sorted(source) == sorted(kinds)
    sim = lab.simulator("--replay", DATA / name, "--con-id", con_id, "--speed", "0")
    config = lab.configure(sim.port, {con_id: (symbol, kinds)})
    recorder = lab.recorder(config)
    connector = lab.connector(config)
    total = sum(map(len, source.values()))
    wait_for(f"{total} ticks", lambda: ticks_numbered(lab) >= total)
    assert "suspicious prices" not in connector.stderr(), "the played contract's definition does not fit its prices"
    lab.settle()
    lab.ib_stream("export", "--format", "csv", "--no-markers", "--root", lab.root, "--out", lab.folder / "export")
    for kind in kinds:
        with open(lab.folder / "export" / f"{con_id}.{kind}.csv", newline="") as file:
            got = [
                (int(np.datetime64(row["ts_event"].removesuffix("Z"), "s").astype("i8")),
                 tuple(row[c] for c in ("price", "size", "bid_price", "ask_price", "bid_size", "ask_size")))
                for row in csv.DictReader(file)
            ]
        assert got == source[kind]
    assert connector.stop() == 0
    assert recorder.stop() == 0


def test_a_recorder_that_was_away_ends_up_with_everything_the_journal_has(lab):
    sim, recorder, connector, config = start(lab, "--rate", "5000", "--seed", "3")
    wait_for("5,000 ticks", lambda: ticks_numbered(lab) > 5_000)
    assert recorder.stop() == 0
    before = ticks_numbered(lab)
    wait_for("20,000 more ticks", lambda: ticks_numbered(lab) > before + 20_000)
    recorder = lab.recorder(config)
    lab.settle()
    # Stopped, not ended: its queue overflows or not, the journal has what it misses.
    recorder.send(signal.SIGSTOP)
    before = ticks_numbered(lab)
    wait_for("40,000 more ticks", lambda: ticks_numbered(lab) > before + 40_000)
    recorder.send(signal.SIGCONT)
    lab.settle()
    stop_in_order(lab, sim, recorder, connector)
    assert_same(exported(lab), truth(lab.folder / "truth.csv"))


def test_a_connector_restart_is_a_new_epoch_and_the_old_ones_tail_is_kept(lab):
    sim, recorder, connector, config = start(lab, "--rate", "5000", "--seed", "4")
    wait_for("5,000 ticks", lambda: ticks_numbered(lab) > 5_000)
    # The recorder misses the old epoch's tail, and has to fetch it from the new connector.
    recorder.send(signal.SIGSTOP)
    first, _ = lab.numbering()
    connector.send(signal.SIGKILL)
    connector.wait()
    connector = lab.connector(config)
    wait_for("the new epoch", lambda: lab.numbering()[0] > first and ticks_numbered(lab) > 5_000)
    recorder.send(signal.SIGCONT)
    lab.settle()
    for stream in ("711280073.bid_ask", "265598.last"):
        assert not check_numbering(lab.records(stream))
    stop_in_order(lab, sim, recorder, connector)
    lab.ib_stream("verify", "--root", lab.root)


def test_a_disconnect_opens_a_gap_that_the_next_tick_closes_and_history_heals(lab):
    sim, recorder, connector, _ = start(lab, "--rate", "2000", "--seed", "5")
    wait_for("2,000 ticks", lambda: ticks_numbered(lab) > 2_000)
    assert lab.simulator_says("drop").startswith("ok")
    wait_for("the reconnect", lambda: "TWS reconnected, restarting all tracked streams" in connector.stderr())
    wait_for("the healed gap", lambda: "gap healed stream=711280073.bid_ask " in connector.stderr())
    lab.settle()
    records = lab.records("711280073.bid_ask")
    check_numbering(records)
    markers = records[records["kind"] == 255]
    events = [(int.from_bytes(m["body"].tobytes()[1:2], "little")) for m in markers]
    # epoch_begun, subscribed, gap_opened, subscribed, gap_closed, heal, heal_end
    assert events == [15, 1, 2, 1, 3, 4, 5]
    opened, closed = markers[2], markers[4]
    assert int.from_bytes(closed["body"].tobytes()[8:16], "little") == int(opened["epoch"]) << 32 | int(opened["seq"])
    assert opened["body"].tobytes()[16:].rstrip(b"\0") == b"disconnect"


def test_python_reads_the_same_bytes_live_and_from_disk(lab):
    sim, recorder, connector, _ = start(lab, "--rate", "500", "--seed", "6")
    sub = lab.subscribe("ticks.sock", "tick.711280073.bid_ask")
    live = []
    while sum(map(len, live)) < 300:
        topic, payload = sub.recv_multipart()
        assert topic == b"tick.711280073.bid_ask"
        records = np.frombuffer(payload, TICK)
        assert 1 <= len(records) <= 256 and (records["con_id"] == 711280073).all()
        live.append(records)
    live = np.concatenate(live)
    lab.settle()
    disk = lab.records("711280073.bid_ask")
    start_at = int(np.flatnonzero((disk["epoch"] == live["epoch"][0]) & (disk["seq"] == live["seq"][0]))[0])
    assert disk[start_at:start_at + len(live)].tobytes() == live.tobytes()
    prices = np.frombuffer(live["body"].tobytes(), "<i8").reshape(-1, 4)[live["kind"] == 3]
    assert (prices[:, 0] < prices[:, 1]).mean() > 0.9, "bid below ask"
