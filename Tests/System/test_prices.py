"""Prices that can't be true: recorded as they came, marked, counted, and the stream is subscribed anew."""

import numpy as np

from ibstream import body_u64, check_numbering, wait_for
from test_pipeline import exported, start, ticks_numbered, truth

GAP_OPENED, GAP_CLOSED, SUSPICIOUS = 2, 3, 9
BAD = "620731015.last"
# What a real gateway added to an ES stream after a farm had come back.
OFFSET = 445_860_400


def prices_of(records):
    """Units of 1e-9 of the trades in `records`."""
    return body_u64(records, 0).astype("i8")


def events_of(records):
    markers = records[records["kind"] == 255]
    return [(int(event), int(ref), marker["body"].tobytes()[16:].rstrip(b"\0").decode())
            for event, ref, marker in zip((body_u64(markers, 0) >> 8) & 0xFF, body_u64(markers, 1), markers)]


def suspicious(lab, stream):
    return lab.control("connector", "streams")["streams"][stream]["suspicious_prices"]


def test_prices_off_by_a_constant_are_marked_and_end_with_a_new_subscription(lab):
    sim, recorder, connector, _ = start(lab, "--rate", "2000", "--seed", "8")
    sub = lab.subscribe("ticks.sock", "event")
    wait_for("2,000 ticks", lambda: ticks_numbered(lab) > 2_000)
    # The farm breaks and comes back with another price base.
    assert lab.simulator_says("error 2103 usfuture").startswith("ok")
    assert lab.simulator_says(f"offset {BAD} {OFFSET}").startswith("ok")
    assert lab.simulator_says("error 2104 usfuture").startswith("ok")
    wait_for("the new subscription", lambda: "subscribing anew" in connector.stderr())
    # The status is made once a second; the eighth tick made the decision.
    seen = wait_for("the count", lambda: (n := suspicious(lab, BAD)) >= 8 and n)
    before = ticks_numbered(lab)
    wait_for("2,000 more ticks", lambda: ticks_numbered(lab) > before + 2_000)
    assert suspicious(lab, BAD) == seen, "the new subscription is sound"
    assert lab.control("connector", "status")["suspicious_prices"] == seen, "no other stream is"
    while b'"suspicious_price"' not in (event := sub.recv_multipart()[1]):
        pass
    assert BAD.encode() in event and b'"far off"' in event
    lab.settle()
    assert sim.stop() == 0, sim.stderr()
    wait_for("the end", lambda: "TWS disconnection detected, clearing active streams" in connector.stderr())
    lab.settle()
    assert connector.stop() == 0 and recorder.stop() == 0

    records = lab.records(BAD)
    check_numbering(records)
    trades = records[(records["kind"] == 1) & (records["flags"] & 64 == 0)]
    bad = trades[prices_of(trades) > 1_000_000 * 10**9]
    assert len(bad) == seen
    # As it came: what lay on the wire under the old request up to the decision is there, to the last digit.
    want = [row for row in truth(lab.folder / "truth.csv")[BAD] if float(row[3]) > 1_000_000]
    got = [row for row in exported(lab)[BAD] if float(row[3]) > 1_000_000]
    assert got == want[:len(got)] and len(got) == seen
    # A marker behind the 1st, 2nd, 4th, 8th … that names its tick; and one gap with that cause.
    events = events_of(records)
    marks = [ref for event, ref, _ in events if event == SUSPICIOUS]
    keys = (bad["epoch"].astype("u8") << np.uint64(32) | bad["seq"]).tolist()
    assert marks == [keys[n - 1] for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n <= len(keys)]
    causes = [text for event, _, text in events if event == GAP_OPENED]
    assert causes.count("suspicious_price") == 1
    assert sum(event == GAP_CLOSED for event, _, _ in events) == len(causes) - 1, "the last one is the stop's"
    for stream in exported(lab, "again"):
        if stream != BAD:
            assert SUSPICIOUS not in [event for event, _, _ in events_of(lab.records(stream))], stream
    lab.ib_stream("verify", "--root", lab.root)


def test_a_level_that_two_subscriptions_agree_on_is_believed_and_nothing_flaps(lab):
    sim, recorder, connector, _ = start(lab, "--rate", "2000", "--seed", "9")
    wait_for("2,000 ticks", lambda: ticks_numbered(lab) > 2_000)
    assert lab.simulator_says(f"offset {BAD} {OFFSET} always").startswith("ok")
    wait_for("the new subscription", lambda: "subscribing anew" in connector.stderr())
    seen = wait_for("the count", lambda: (n := suspicious(lab, BAD)) >= 8 and n)
    before = ticks_numbered(lab)
    wait_for("2,000 more ticks", lambda: ticks_numbered(lab) > before + 2_000)
    assert suspicious(lab, BAD) == seen
    # Back to the old level at once: suspicious again, but not worth another gap so soon.
    assert lab.simulator_says(f"offset {BAD} 0").startswith("ok")
    wait_for("more suspicious prices", lambda: suspicious(lab, BAD) > seen + 50)
    lab.settle()
    events = events_of(lab.records(BAD))
    assert sum(event == GAP_OPENED for event, _, _ in events) == 1
    assert sum(event == SUSPICIOUS for event, _, _ in events) < 20
    assert connector.stop() == 0 and recorder.stop() == 0 and sim.stop() == 0
