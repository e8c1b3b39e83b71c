"""The host's clock is wrong: recording goes on, every tick is recorded once, and nothing stays wrong when it is right again."""

import datetime
import json
import re
import time

import pytest

from against_adversary import MNQ, Run
from clock import Clock
from ibstream import FULL, PATIENCE, SANITIZED, keys, wait_for
from test_healing import MARKER, System

YEAR_2040 = 420_000_000
BEYOND_2106 = 2_600_000_000
DAY, HOUR = 86_400, 3_600
CLOCK_BAD = 1 << 7

pytestmark = pytest.mark.skipif(bool(SANITIZED), reason="a sanitizer has its own preloaded library")


class ClockSystem(System):
    """A system whose connector and recorder have a clock that the test sets; the gateway's stays right."""

    def __init__(self, lab, offset=0, **more):
        self.clock = Clock(lab.folder)
        self.clock.set(offset)
        connector, recorder = lab.connector, lab.recorder
        lab.connector = lambda config: connector(config, env=self.clock.env)
        lab.recorder = lambda config: recorder(config, env=self.clock.env)
        super().__init__(lab, streams={711280073: ("MNQ", ["bid_ask", "last"])}, **more)

    def restart(self, service):
        assert getattr(self, service).stop() == 0, getattr(self, service).stderr()
        self.start(service)

    def hours(self):
        """The hours that files are named with, parts of the log and sealed ones, as (year, month, day, hour)."""
        names = [str(path.relative_to(self.lab.state)) for path in self.lab.state.rglob("*")]
        found = [re.search(r"(\d{4})[-/](\d\d)[-/](\d\d)[T/](\d\d)(\.\d+\.log|\.ticks)$", name) for name in names]
        return [datetime.datetime(*map(int, match.groups()[:4]), tzinfo=datetime.timezone.utc)
                for match in found if match]

    def check(self):
        """As `System.check`, and no file is named after a wrong hour."""
        self.lab.ib_stream("seal", "--now", "--root", self.lab.root)
        super().check()
        now = datetime.datetime.now(datetime.timezone.utc)
        assert all(abs(hour - now) < datetime.timedelta(hours=2) for hour in self.hours()), self.hours()


def listen(lab):
    """A subscription to the events, once it is in place."""
    sub = lab.subscribe("ticks.sock", "event", "watermark")
    assert sub.poll(PATIENCE * 1000), "no watermark"
    return sub


def wait_for_event(sub, name):
    def seen():
        if not sub.poll(100):
            return False
        topic, payload = sub.recv_multipart()
        return topic == b"event" and json.loads(payload)["event"] == name

    wait_for(f"the event {name}", seen)


WHILE = {"2040": YEAR_2040, "hour back": -HOUR, "day ahead": DAY, **({"2107": BEYOND_2106} if FULL else {})}
FIRST = {"2040": YEAR_2040, **({"2107": BEYOND_2106, "1973": -1_700_000_000} if FULL else {})}


@pytest.mark.parametrize("offset", WHILE.values(), ids=WHILE)
def test_a_clock_that_is_wrong_for_a_while_costs_no_tick(lab, offset):
    began = time.time()
    system = ClockSystem(lab)
    before, _ = lab.numbering()
    events = listen(lab)
    system.clock.set(offset)
    wait_for_event(events, "clock_wrong")
    system.wait_ticks(20)
    system.restart("connector")
    events = listen(lab)
    system.wait_ticks(20)
    system.kill("recorder")
    system.start("recorder")
    system.wait_ticks(20)
    during, _ = lab.numbering()
    assert before < during < before + DAY, "the clock alone moves no epoch"
    system.clock.set(0)
    wait_for_event(events, "clock_right")
    system.wait_ticks(20)
    system.restart("recorder")
    system.wait_ticks(20)
    system.wait_healed()
    system.check()
    for name in system.names:
        records = lab.records(name)
        ticks = records[records["kind"] != MARKER]
        bad = (ticks["flags"] & CLOCK_BAD) != 0
        assert bad.any() and not bad.all()
        # Receive times are right wherever the record does not say that they are not.
        age = abs(ticks["ts_recv"].astype("i8") - time.time_ns()) / 1e9
        assert age[~bad].max() < 600 and age[bad].max() >= min(abs(offset), HOUR) - 600
        # Whoever asks for the time at which it was gets all of it, from sealed files and log.
        span = [time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)) for at in (began - 60, time.time() + 60)]
        for by in ("receive", "event"):
            rows = lab.ib_stream("cat", name, "--root", lab.root, "--format", "csv", "--no-markers", "--by", by,
                                 "--from", span[0], "--to", span[1]).splitlines()[1:]
            assert len(rows) == (ticks["kind"] < 254).sum(), by
    told = json.loads(lab.ib_stream("gaps", "--all", "--json", "--root", lab.root, check=None))["gaps"]
    assert told and all(gap["from"] <= gap["to"] for gap in told if gap["from"] and gap["to"])


@pytest.mark.parametrize("offset", FIRST.values(), ids=FIRST)
def test_a_first_start_with_a_wrong_clock_records_and_goes_on_with_a_right_one(lab, offset):
    system = ClockSystem(lab, offset)
    # What the journal and the recorder have of this epoch is asked for by its keys.
    system.kill("recorder")
    system.wait_ticks(20)
    system.start("recorder")
    system.restart("connector")
    system.wait_ticks(20)
    first, _ = lab.numbering()
    if offset == YEAR_2040:
        assert first >= 1 << 31
    system.wait_healed()
    gaps = {name: system.gaps(name) for name in system.names}
    least = 1 << 31 if offset == YEAR_2040 else 1
    assert all(least <= gap["key"] >> 32 <= first for found in gaps.values() for gap in found)
    system.clock.set(0)
    system.wait_ticks(20)
    system.restart("connector")
    system.restart("recorder")
    system.wait_ticks(20)
    last, _ = lab.numbering()
    assert last > first
    system.wait_healed()
    epochs = {int(epoch) for epoch in lab.records(system.names[0])["epoch"]}
    assert min(epochs) <= first < last <= max(epochs)
    assert all(key < 1 << 64 for key in keys(lab.records(system.names[0])).tolist())
    system.check()


def set_clock(lab, offset):
    """All programs that the lab starts from now on have a clock that is so far off; the gateway's is right."""
    clock = Clock(lab.folder)
    clock.set(offset)
    start = lab.start
    lab.start = lambda name, *arguments, env=(): start(name, *arguments, env={**dict(env), **clock.env})


@pytest.mark.parametrize("offset,said", [(-600, "10 min"), (-2 * DAY, "2 d 0 h")], ids=["10 min", "2 days"])
def test_a_clock_behind_the_markets_delays_no_healing(lab, offset, said):
    """The tick that ends a gap is the last one for long: by the host's clock its second has not come yet."""
    set_clock(lab, offset)
    run = Run(lab, up=True)
    run.gateway.do("drop")
    run.wait_ticks(1)
    run.gateway.do("pause")
    run.wait_healed(1)
    run.wait_health("the offset", lambda s: any(
        f"the host's clock is {said} behind the gateway's" in reason for reason in s["reasons"]))
    run.gateway.do("go")
    run.wait_ticks(20)
    run.check()


@pytest.mark.parametrize("offset", [2 * HOUR, -2 * HOUR], ids=["ahead", "behind"])
def test_a_gap_in_front_of_a_streams_first_tick_begins_with_its_subscription(lab, offset):
    """No tick is in front of it: when it began, the host's clock alone tells."""
    set_clock(lab, offset)
    name = f"{MNQ}.bid_ask"
    run = Run(lab, {MNQ: ("MNQ", ["bid_ask"])}, faults={"subscription_silent": [name]}, ready=False)
    wait_for("the subscription", run.is_subscribed)
    began = int(time.time())
    time.sleep(2)
    run.gateway.faults.clear("subscription_silent")
    run.gateway.do("drop")
    run.wait_ticks()
    run.wait_healed(1)
    gap = run.gaps()["gaps"][0]
    assert gap["healed"] > 0 and all(abs(heal[3] - began) <= 5 for heal in gap["runs"]), gap
    run.check()
