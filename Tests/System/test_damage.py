"""Data that was durable is destroyed: health is red until somebody has repaired or acknowledged it, and what can be had comes back."""

import json
import os
import shutil
import signal
import struct
import urllib.error
import urllib.request

import numpy as np

from ibstream import body_u64, check_numbering, lost_ranges, wait_for
from test_healing import FAST
from test_kills import pid_of

STREAMS = {711280073: ("MNQ", ["bid_ask", "last"])}
NAMES = ["711280073.bid_ask", "711280073.last"]
LOST, HEALED = 11, 1 << 6


class System:
    """Everything under `ib-stream up`, with its health page."""

    def __init__(self, lab):
        self.lab = lab
        self.sim = lab.simulator("--rate", "1000", "--seed", "5", "--warm-up", "2")
        self.config = lab.configure(self.sim.port, STREAMS, more=FAST)
        self.begin()

    def begin(self):
        self.up = self.lab.start("ib-stream", "up", "--config", self.config)
        wait_for("the services", lambda: all(
            (self.lab.run / name).exists() for name in ("durable.sock", "ticks.sock", "watchdog.sock")))
        self.url = "http://" + self.lab.control("watchdog", "status")["http"] + "/health"
        self.lab.settle()

    def health(self):
        try:
            with urllib.request.urlopen(self.url, timeout=20) as answer:
                return answer.status, json.load(answer)["reasons"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)["reasons"]

    def wait_red(self):
        """Until destroyed data is all that is wrong."""
        def is_red():
            status, reasons = self.health()
            return status == 503 and len(reasons) == 1 and "durable data was destroyed" in reasons[0]

        wait_for("health that is red for the damage alone", is_red)

    def wait_green(self):
        wait_for("green health", lambda: self.health()[0] == 200)

    def kill_recorder(self):
        """The watchdog starts another one."""
        before = pid_of(self.lab, "recorder")
        os.kill(before, signal.SIGKILL)
        wait_for("another recorder", lambda: pid_of(self.lab, "recorder") not in (None, before))


def blocks(part):
    """(offset, bytes of header and payload, is it one of records) of the blocks of a part of the log."""
    data, at = part.read_bytes(), 0
    while data[at:at + 4] == b"IBTB":
        codec, _, size = struct.unpack_from("<HII", data, at + 6)
        yield at, 32 + size, codec == 0
        at += (32 + size + 31) // 32 * 32


def damage(part):
    """Flips a bit in the middle of what is durable."""
    records = [(at, size) for at, size, is_records in blocks(part) if is_records]
    at, size = records[len(records) // 2]
    with open(part, "r+b") as file:
        file.seek(at + size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 0x10]))


def newest_part(lab):
    return max((lab.state / "log").glob("*.log"), key=lambda path: int(path.name.split(".")[1]))


def test_destroyed_data_comes_from_the_journal_and_stays_red_until_it_is_acknowledged(lab):
    system = System(lab)
    system.wait_green()
    part = newest_part(lab)
    damage(part)
    system.kill_recorder()
    system.wait_red()
    lab.settle()
    for name in NAMES:
        records = lab.records(name)
        check_numbering(records)
        assert not lost_ranges(records)
    assert ": sound: " in lab.ib_stream("verify", "--config", system.config)
    assert list(part.parent.glob(part.name + ".damaged*"))
    # Nothing that dies takes the alarm along, and nothing that goes on forgets it.
    system.kill_recorder()
    system.wait_red()
    assert "durable data was destroyed" in lab.ib_stream("status", "--config", system.config, check=2)
    text = lab.ib_stream("repair", "--acknowledge", "--config", system.config)
    assert f"acknowledged: log/{part.name}: corruption: bytes " in text
    system.wait_green()
    system.kill_recorder()
    system.wait_green()
    assert lab.ib_stream("repair", "--acknowledge", "--config", system.config) == "nothing to acknowledge\n"
    assert system.up.stop() == 0


def test_what_the_journal_has_no_more_is_lost_and_healed_and_red_until_it_is_repaired(lab):
    system = System(lab)
    system.wait_green()
    part = newest_part(lab)
    assert system.up.stop() == 0
    damage(part)
    shutil.rmtree(lab.run / "journal")
    system.begin()
    system.wait_red()

    def is_healed():
        records = lab.records(NAMES[0])
        events = (body_u64(records, 0) >> 8) & 0xFF
        is_lost = (records["kind"] == 255) & (events == LOST)
        if not is_lost.any():
            return False
        first = records[is_lost]["ts_recv"][0]
        return (((records["flags"] & HEALED) != 0) & (records["ts_event"] <= first + 10**9)).any()

    wait_for("ticks of the gateway's history for what is lost", is_healed, every=0.5)
    for name in NAMES:
        check_numbering(lab.records(name))
    assert system.up.stop() == 0
    # Damage has cost something, and repair says so; but all is sound and known now.
    assert ": sound: " in lab.ib_stream("repair", "--config", system.config, check=1)
    system.begin()
    system.wait_green()
    assert np.all(lab.records(NAMES[0])["con_id"] == 711280073)
    assert system.up.stop() == 0


def ticks_told(lab, name, config):
    """The ticks of a stream, each without its key and its time of receipt."""
    rows = [line.split(",") for line in lab.ib_stream("cat", name, "--format", "csv", "--config", config).splitlines()[1:]]
    return [(row[3], *row[7:]) for row in rows if row[5] != "marker"]


def test_a_sealed_file_that_is_gone_is_missed_and_healed(lab):
    """The last file of a run: no file that is left tells of it but the list."""
    system = System(lab)
    name = NAMES[1]
    system.wait_green()
    lab.ib_stream("seal", "--now", "--config", system.config)
    assert system.up.stop() == 0
    before = ticks_told(lab, name, system.config)
    [segment] = (lab.state / "ticks").glob("711280073-*/last/*/*/*/*.ticks")
    segment.unlink()
    text = lab.ib_stream("verify", "--config", system.config, check=1)
    assert f"missing: {name} " in text and "NOT SOUND" in text
    assert "neither recorded nor marked as lost" in lab.ib_stream("gaps", "--config", system.config, check=1)
    system.begin()
    system.wait_red()
    assert segment.exists()
    missed = set(before)
    wait_for("the ticks that were in it, from history",
             lambda: missed <= set(ticks_told(lab, name, system.config)) or None, every=1)
    lab.ib_stream("repair", "--acknowledge", "--config", system.config)
    system.wait_green()
    check_numbering(lab.records(name))
    assert ": sound: " in lab.ib_stream("verify", "--config", system.config)
    assert system.up.stop() == 0


def test_a_finished_part_and_a_definition_that_are_removed_turn_red_and_come_back(lab):
    system = System(lab)
    system.wait_green()
    part = newest_part(lab)
    definition = lab.state / "definitions" / "711280073.json"
    wait_for("the definition", definition.exists)
    known = definition.read_bytes()
    # Another part follows.
    system.kill_recorder()
    wait_for("another part", lambda: newest_part(lab) != part)
    system.wait_green()
    wait_for("the definition in the list", lambda: any(
        entry[6] == 3 for entry in entries((lab.state / "sealed").read_bytes())))
    part.unlink()
    system.wait_red()
    assert any(f"log/{part.name}: a finished part of the log is gone" in reason for reason in system.health()[1])
    wait_for("the part anew", part.exists)
    lab.ib_stream("repair", "--acknowledge", "--config", system.config)
    system.wait_green()
    definition.unlink()
    system.wait_red()
    assert any("definitions/711280073.json: the definition of a contract is gone" in reason
               for reason in system.health()[1])
    wait_for("the definition anew", definition.exists)
    assert definition.read_bytes() == known
    lab.settle()
    for name in NAMES:
        records = lab.records(name)
        check_numbering(records)
        assert not lost_ranges(records), "the journal has had it all"
    assert ": sound: " in lab.ib_stream("verify", "--config", system.config)
    assert system.up.stop() == 0


def entries(sealed):
    return [sealed[at:at + 104] for at in range(0, len(sealed), 104)]


def test_the_list_of_sealed_files_and_the_newest_part_are_missed(lab):
    system = System(lab)
    system.wait_green()
    lab.ib_stream("seal", "--now", "--config", system.config)
    lab.settle()
    assert system.up.stop() == 0
    shutil.rmtree(lab.run / "journal")
    sealed = lab.state / "sealed"
    whole = sealed.read_bytes()
    sealed.unlink()
    assert "the list of sealed files is gone" in lab.ib_stream("verify", "--config", system.config, check=1)
    assert f"repaired: {sealed}: " in lab.ib_stream("repair", "--config", system.config)
    # The same entries, in the order of streams.
    assert len(sealed.read_bytes()) == len(whole)
    part = newest_part(lab)
    for path in (part, part.with_suffix(".durable")):
        path.unlink()
    assert f"{part}: the newest part of the log is gone" in lab.ib_stream("verify", "--config", system.config, check=1)
    text = lab.ib_stream("repair", "--config", system.config, check=1)
    assert "was gone, written anew: 2 ranges lost" in text and ": sound: " in text
    # The next run goes on behind what is lost.
    system.begin()
    system.wait_green()
    assert ": sound: " in lab.ib_stream("verify", "--config", system.config)
    assert system.up.stop() == 0
