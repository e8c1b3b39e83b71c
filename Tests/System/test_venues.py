"""One contract at several venues at the same time: its id is the same everywhere, and its ticks are not."""

import csv
import datetime
import io
import json
import shutil
import struct
import subprocess
import time

import pytest

from against_adversary import AAPL, Run, compare
from ibstream import wait_for

KINDS = ["bid_ask", "last"]
VENUES = {"": "SMART", "@1": "OVERNIGHT"}
DAY, NIGHT = [[f"{AAPL}.{kind}{source}" for kind in KINDS] for source in VENUES]


class TwoVenues(Run):
    """AAPL on SMART and on OVERNIGHT, the second under source 1."""

    def __init__(self, lab, up=True, **faults):
        super().__init__(lab, {AAPL: ("AAPL", KINDS)}, exchanges={AAPL: "SMART"}, up=up, start=False,
                         faults={"tick_by_tick_lines": 4, **faults})
        self.names = sorted(DAY + NIGHT)
        entry = f"    ticks: [{', '.join(KINDS)}]\n"
        night = f"  - con_id: {AAPL}\n    symbol: AAPL\n    exchange: OVERNIGHT\n    source: 1\n{entry}"
        text = self.config.read_text().replace("tick_by_tick_lines: 2", "tick_by_tick_lines: 4")
        self.day_alone = text
        self.config.write_text(text.replace(entry, entry + night))
        if up:
            self.up = lab.start("ib-stream", "up", "--config", self.config)
        else:
            self.start("recorder")
            self.start("connector")
        self.wait_ticks()

    def history(self):
        """What was asked of the gateway's history."""
        return [fields for *_, fields in self.gateway.requests(96)]

    def delivered(self):
        put = self.gateway.status()["venues"]
        return {f"{AAPL}.{kind}{source}": put.get(f"{AAPL}.{kind} {venue}", 0)
                for source, venue in VENUES.items() for kind in KINDS}

    def reports(self, route=None):
        out = self.lab.folder / "export"
        self.lab.ib_stream("export", "--format", "csv", "--no-markers", "--root", self.lab.root, "--out", out)
        assert {path.name for path in out.iterdir()} == {f"{name}.csv" for name in self.names}
        reports = []
        for source, venue in VENUES.items():
            expected = compare.expectations(self.truth, {str(AAPL): venue})
            for kind in KINDS:
                name = f"{AAPL}.{kind}{source}"
                rows = list(csv.DictReader(open(out / f"{name}.csv", newline="")))
                assert {row["stream"] for row in rows} == {name}
                reports.append(compare.compare(name, expected[f"{AAPL}.{kind}"], compare.exported(out / f"{name}.csv")))
        return reports


def closed(now):
    return ";".join(f"{now + n * datetime.timedelta(days=1):%Y%m%d}:CLOSED" for n in range(-1, 5))


def definition_in(segment):
    """What a sealed file says of its instrument."""
    data = segment.read_bytes()
    size, = struct.unpack_from("<I", data, 20)
    return json.loads(data[32:32 + size])


def tailed(run, prefix, wanted):
    """The streams that `tail` shows for a prefix, until those that are wanted came: a thin one may not be among forty ticks."""
    found = set()
    for _ in range(30):
        text = run.lab.ib_stream("tail", prefix, "--count", "40", "--format", "csv", "--config", run.config)
        found |= {row["stream"] for row in csv.DictReader(io.StringIO(text))}
        if found >= wanted:
            break
    return found


def test_one_contract_at_two_venues_is_two_recordings(lab):
    hours = closed(datetime.datetime.now(datetime.timezone.utc))
    run = TwoVenues(lab, hours={f"{AAPL} SMART": {"hours": hours}})

    # Told apart by name, exchange and hours, to people and programs.
    status = run.wait_health("two venues", lambda s: set(s["streams"]) == set(run.names))
    assert {name: s["exchange"] for name, s in status["streams"].items()} == {
        **dict.fromkeys(DAY, "SMART"), **dict.fromkeys(NIGHT, "OVERNIGHT")}
    assert "AAPL OVERNIGHT" in lab.ib_stream("status", "--config", run.config, check=None)

    def markets():
        body = subprocess.run(["curl", "-s", f"http://{status['http']}/background/health"], capture_output=True, text=True)
        return {name: (c["exchange"], c["market_status"]) for name, c in json.loads(body.stdout)["contracts"].items()}

    wait_for("the hours of both", lambda: markets() == {
        f"{AAPL}": ("SMART", "CLOSED"), f"{AAPL}@1": ("OVERNIGHT", "OPEN")})

    # Whoever asks for one gets nothing of the other.
    feed = lab.subscribe("ticks.sock", f"tick.{AAPL}.")
    assert {feed.recv_multipart()[0].decode() for _ in range(50)} == {f"tick.{AAPL}.{kind}" for kind in KINDS}
    feed.close()
    assert tailed(run, f"{AAPL}.last", wanted := {f"{AAPL}.last"}) == wanted
    assert tailed(run, f"{AAPL}.last@1", wanted := {f"{AAPL}.last@1"}) == wanted
    assert tailed(run, f"{AAPL}@1", wanted := set(NIGHT)) == wanted
    assert tailed(run, f"{AAPL}.", wanted := set(run.names)) == wanted

    # The night's subscriptions get lost behind bad news of a farm; the day's ticks, which go on, are no proof for them.
    run.gateway.do("notice", code=2103, farm="usfarm")
    run.gateway.do("forget", streams=[f"{AAPL}.{kind} OVERNIGHT" for kind in KINDS])
    time.sleep(3)
    run.gateway.do("notice", code=2104, farm="usfarm")
    run.wait_ticks()
    run.wait_healed(1, NIGHT)
    assert {name: states for name, states in run.gap_states().items() if name in DAY} == dict.fromkeys(DAY, [])
    assert run.history() and all("OVERNIGHT" in fields for fields in run.history()), run.history()

    lab.ib_stream("seal", "--now", "--config", run.config)
    for source, venue in VENUES.items():
        kept = json.loads((lab.state / f"definitions/{AAPL}{source}.json").read_text())
        for kind in KINDS:
            [sealed, *_] = sorted((lab.state / f"ticks/{AAPL}-AAPL/{kind}{source}").rglob("*.ticks"))
            for definition in (kept, definition_in(sealed)):
                assert (definition["con_id"], definition["source"]) == (AAPL, int(source[1:] or 0))
                assert definition["configured_exchange"] == definition["exchange"] == venue
    run.check()


@pytest.mark.parametrize("journal", ["kept", "lost"])
def test_a_venue_that_left_is_healed_from_its_own_history(lab, journal):
    """Its gaps wait while it leaves the configuration, and with it all of its source: nothing but its kept definition says where
    it was traded, and without the journal nothing but the recorder knows of it."""
    run = TwoVenues(lab, up=False, history_silent=True, past_ticks_missing=True)
    wait_for("its definition", lambda: (lab.state / f"definitions/{AAPL}@1.json").exists())
    run.gateway.do("drop")
    run.wait_ticks()
    lab.settle()
    assert run.connector.stop() == 0
    if journal == "lost":
        assert run.recorder.stop() == 0
        shutil.rmtree(lab.run / "journal")
        run.start("recorder")
    run.config.write_text(run.day_alone)
    asked = len(run.history())
    run.gateway.faults.clear("history_silent")
    run.start("connector")
    run.wait_ticks(5, DAY)
    run.wait_healed(1)
    venues = [venue for fields in run.history()[asked:] for venue in VENUES.values() if venue in fields]
    assert set(venues) == set(VENUES.values())
    kept = json.loads((lab.state / f"definitions/{AAPL}@1.json").read_text())
    assert kept["configured_exchange"] == kept["exchange"] == "OVERNIGHT" and kept["configured_symbol"] == "AAPL"
    run.stop()
    reports = run.reports()
    assert all(r.is_exact and r.recorded >= 20 for r in reports), "\n".join(map(str, reports))


def test_lookup_shows_how_a_second_venue_is_written(lab):
    run = Run(lab, {AAPL: ("AAPL", ["last"])})
    text = lab.ib_stream("lookup", "AAPL", "--type", "STK", "--config", run.config)
    entries = [line.split(": ", 1)[1].strip() for line in text.splitlines() if "{con_id:" in line]
    assert len(entries) == 2, text
    config = lab.folder / "written.yaml"
    config.write_text("contracts:\n" + "".join(f"  {entry}\n" for entry in entries))
    assert "2 contracts" in lab.ib_stream("config", "check", config)
    shown = lab.ib_stream("config", "show", "--config", config)
    assert "OVERNIGHT" in shown and "SMART" in shown
