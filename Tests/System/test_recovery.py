"""What is left after the worst: kill -9 again and again, directories wiped in every combination."""

import os
import random
import shutil
import signal
import struct
import threading
import time

import numpy as np
import pytest

import test_healing
from ibstream import FULL, PATIENCE, TICK, check_numbering, keys, lost_ranges, wait_for

STREAMS = {
    711280073: ("MNQ", ["bid_ask", "last"]),
    265598: ("AAPL", ["bid_ask", "last"]),
}
GAP_OPENED = 2
SECONDS = 60 if FULL else 20
SEED = int(os.environ.get("IB_STREAM_SEED", random.randrange(1 << 32)))


def start(lab, rate="3000"):
    lab.sim = lab.simulator("--rate", rate, "--seed", "9")
    lab.config = lab.configure(lab.sim.port, STREAMS)
    return lab.recorder(lab.config), lab.connector(lab.config)


def ticks_of(lab):
    return sum(lab.numbering()[1].values())


def wait_for_ticks(lab, count):
    wait_for(f"{count} ticks", lambda: (lab.run / "ticks.sock").exists() and ticks_of(lab) > count)


def all_records(lab):
    for con_id, (_, kinds) in STREAMS.items():
        for kind in kinds:
            yield f"{con_id}.{kind}", lab.records(f"{con_id}.{kind}")


def kill(process):
    process.send(signal.SIGKILL)
    process.wait()


def test_a_recorder_that_is_killed_again_and_again_writes_each_key_once(lab):
    print(f"seed {SEED}")
    moments = random.Random(SEED)
    recorder, connector = start(lab, "5000")
    wait_for_ticks(lab, 1000)
    until = time.monotonic() + SECONDS
    kills = 0
    while time.monotonic() < until:
        # Also in the middle of recovery, and of the first blocks behind it.
        time.sleep(moments.choice([0.02, 0.1, 0.5, 1.5]) * moments.random())
        kill(recorder)
        kills += 1
        recorder = lab.recorder(lab.config)
    epoch, seqs = lab.settle()
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    assert kills > 10
    for stream, records in all_records(lab):
        check_numbering(records)
        assert not lost_ranges(records), stream
        assert keys(records)[-1] >= epoch << 32 | seqs[stream]
    lab.ib_stream("verify", "--root", lab.root)


def test_a_recorder_whose_files_are_wiped_takes_all_that_the_journal_has(lab):
    recorder, connector = start(lab)
    wait_for_ticks(lab, 3000)
    lab.settle()
    # While it runs: what it writes has no name any more. It notices, and begins anew.
    shutil.rmtree(lab.state / "log")
    (lab.state / "origin").unlink()
    wait_for("a new log", lambda: any((lab.state / "log").glob("*.log")) if (lab.state / "log").exists() else False)
    wait_for("the origin", lambda: (lab.state / "origin").exists())
    epoch, _ = lab.settle()
    for stream, records in all_records(lab):
        check_numbering(records)
        assert not lost_ranges(records) and keys(records)[0] == epoch << 32 | 1, stream
    assert recorder.running() and "was removed" in recorder.stderr()
    # While it is dead, with everything else in the state directory.
    kill(recorder)
    shutil.rmtree(lab.state)
    recorder = lab.recorder(lab.config)
    lab.settle()
    assert (lab.state / "origin").read_text() == "simulated\n"
    kill(connector)
    connector = lab.connector(lab.config)
    wait_for("a later epoch", lambda: lab.numbering()[0] > epoch)
    lab.settle()
    assert (lab.state / "epoch").read_text() == f"{lab.numbering()[0]}\n"
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    for stream, records in all_records(lab):
        check_numbering(records)
        assert not lost_ranges(records) and keys(records)[0] == epoch << 32 | 1, stream
    lab.ib_stream("verify", "--root", lab.root)


@pytest.mark.parametrize("wiped", ["journal", "epochs", "journal and epochs", "runtime", "state and journal"])
def test_a_connector_without_memory_never_uses_a_key_again(lab, wiped):
    recorder, connector = start(lab)
    for _ in range(3 if FULL else 1):
        wait_for_ticks(lab, 200)
        lab.settle()
        epoch = lab.numbering()[0]
        kill(connector)
        kill(recorder)
        if "journal" in wiped:
            shutil.rmtree(lab.run / "journal")
        if "epochs" in wiped:
            for folder in (lab.run, lab.state):
                (folder / "epoch").unlink()
        if "state" in wiped:
            shutil.rmtree(lab.state)
        if wiped == "runtime":
            shutil.rmtree(lab.run)
        # At once: the clock may still show the second in which the dead connector began.
        connector = lab.connector(lab.config)
        recorder = lab.recorder(lab.config)
        wait_for("another epoch", lambda: (lab.run / "ticks.sock").exists() and lab.numbering()[0] != epoch)
        assert lab.numbering()[0] > epoch
    wait_for_ticks(lab, 500)
    lab.settle()
    status = lab.control("recorder", "status")
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    assert "renumber" not in recorder.stderr()
    for stream, records in all_records(lab):
        check_numbering(records)
        assert len(records) > 50, status
    lab.ib_stream("verify", "--root", lab.root)


def test_a_running_connector_whose_journal_is_wiped_begins_another(lab):
    recorder, connector = start(lab)
    wait_for_ticks(lab, 1000)
    lab.settle()
    shutil.rmtree(lab.run / "journal")
    wait_for("a new journal", lambda: (lab.run / "journal").exists() and any((lab.run / "journal").glob("*.log")))
    # It is used: a recorder that was away gets from it what came meanwhile.
    kill(recorder)
    before = ticks_of(lab)
    wait_for_ticks(lab, before + 2000)
    recorder = lab.recorder(lab.config)
    lab.settle()
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    for stream, records in all_records(lab):
        check_numbering(records)
        lost = sum(last - first + 1 for first, last in lost_ranges(records))
        # At most what was written in the second before the loss was seen.
        assert lost < len(records) / 2, stream
    lab.ib_stream("verify", "--root", lab.root)


def test_a_recorder_above_the_connector_makes_it_number_anew_and_the_gap_is_written_down(lab):
    """An epoch file from another time: the connector's epochs lie below what is recorded."""
    recorder, connector = start(lab)
    wait_for_ticks(lab, 500)
    lab.settle()
    low = lab.numbering()[0]
    result = lab.control("connector", "renumber", above=low + 1000)
    assert result["epoch"] == low + 1001
    wait_for("the next watermark", lambda: lab.numbering()[0] == low + 1001)
    lab.settle()
    kill(connector)
    shutil.rmtree(lab.run / "journal")
    for folder in (lab.run, lab.state):
        (folder / "epoch").unlink()
    connector = lab.connector(lab.config)
    # Its clock says less than the recorder has.
    wait_for("another number", lambda: "asking it to renumber" in recorder.stderr())
    wait_for("an epoch above", lambda: lab.numbering()[0] > low + 1001)
    wait_for_ticks(lab, 200)
    lab.settle()
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    for stream, records in all_records(lab):
        check_numbering(records)
        markers = records[records["kind"] == 255]
        texts = [bytes(b)[16:].rstrip(b"\0") for b in markers["body"] if bytes(b)[1] == GAP_OPENED]
        assert texts.count(b"renumber") == 2, (stream, texts)
    lab.ib_stream("verify", "--root", lab.root)


class Published(threading.Thread):
    """A subscriber that keeps every record that was ever published: {(stream, key): bytes}."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab = lab
        self.records = {}
        self.reused = []
        self.ends = False
        self.start()

    def run(self):
        sub = self.lab.subscribe("ticks.sock", "tick.")
        while not self.ends:
            if not sub.poll(50):
                continue
            topic, payload = sub.recv_multipart()
            stream = topic.decode().removeprefix("tick.")
            for record, key in zip(np.frombuffer(payload, TICK), keys(np.frombuffer(payload, TICK)).tolist()):
                if self.records.setdefault((stream, key), record.tobytes()) != record.tobytes():
                    self.reused.append((stream, key >> 32, key & 0xFFFFFFFF))
        sub.close()

    def newest(self):
        newest = {}
        for stream, key in list(self.records):
            newest[stream] = max(newest.get(stream, 0), key)
        return newest

    def end(self):
        self.ends = True
        self.join(PATIENCE)


@pytest.fixture
def published(lab):
    published = []
    yield lambda: published.append(Published(lab)) or published[-1]
    for one in published:
        one.end()


def durable_offset(sidecar):
    """What the slots beside a part say."""
    data = sidecar.read_bytes()
    slots = [struct.unpack_from("<IHHIIQ", data, at) for at in (0, 512)]
    return max(slot[5] for slot in slots if slot[0] == 0x44544249)


def copy_of(lab, name):
    """The files that nobody syncs, as they are now: the runtime directory's, and the slots of the log."""
    copy = lab.folder / name
    (copy / "log").mkdir(parents=True)
    shutil.copytree(lab.run / "journal", copy / "journal")
    shutil.copy(lab.run / "epoch", copy / "epoch")
    for path in (lab.state / "log").glob("*.durable"):
        shutil.copy(path, copy / "log" / path.name)
    return copy


def restore_slots(lab, copy):
    """The slots of the parts are older, or were never written; those of finished parts were synced."""
    newest = max((lab.state / "log").glob("*.log"))
    slots = newest.with_suffix(".durable")
    old = copy / "log" / slots.name
    if old.exists():
        shutil.copy(old, slots)
    else:
        slots.unlink()


def restore_runtime(lab, copy):
    """The runtime directory's journal and epoch, older."""
    shutil.rmtree(lab.run / "journal")
    shutil.copytree(copy / "journal", lab.run / "journal")
    shutil.copy(copy / "epoch", lab.run / "epoch")


CUTS = {
    # The runtime directory is in memory: after a reboot there is none.
    "reboot, log cut at what is durable": ("reboot", "cut"),
    # The clock is behind the epochs: it cannot stand in for what was forgotten.
    "reboot, clock behind, zeros behind what is durable": ("reboot, clock behind", "zeros"),
    # A journal on a disk: an older state of it, which this run of the machine wrote, or another one.
    "older journal": ("journal", "cut"),
    "older journal of another boot": ("other boot", "zeros"),
    # All of it from before the present epoch, which the clock does not know either.
    "journal and epoch of the epoch before": ("epoch before, clock behind", "cut"),
    # The recorder was behind: what it lacks is in the older journal in part only.
    "older journal, recorder behind it": ("recorder behind", "cut"),
}


QUICK_CUTS = ["reboot, clock behind, zeros behind what is durable", "journal and epoch of the epoch before",
              "older journal, recorder behind it"]


@pytest.mark.parametrize("cut", list(CUTS) if FULL else QUICK_CUTS)
def test_a_power_cut_reuses_no_key_and_drops_nothing_real(lab, published, cut):
    runtime, tail = CUTS[cut]
    system = test_healing.System(
        lab, streams=STREAMS, rate=3000, more=test_healing.FAST + "connector:\n  journal_size: 32MiB\n")
    feed = published()

    def wait_published(more):
        before = len(feed.records)
        wait_for(f"{more} records published", lambda: len(feed.records) > before + more)

    wait_published(500)
    lab.settle()
    if runtime == "recorder behind":
        system.kill("recorder")
        wait_published(500)
    old = copy_of(lab, "old")
    if "clock behind" in runtime:
        ahead = lab.control("connector", "renumber", above=lab.numbering()[0] + 100_000)["epoch"]
        wait_for("the epoch on the disk", lambda: (lab.state / "epoch").read_text() == f"{ahead}\n")
        wait_for("its ticks", lambda: lab.numbering()[0] == ahead)
    wait_published(500)
    if system.recorder.running():
        epoch, seqs = lab.settle()
        assert any(records > 0 for records in seqs.values())
        durable = {stream: epoch << 32 | seq for stream, seq in seqs.items()}
    else:
        durable = {}
    # The power goes: nobody ends in order.
    epoch = lab.numbering()[0]
    for process in (system.recorder, system.connector):
        kill(process)
    part = max((lab.state / "log").glob("*.log"))
    end = durable_offset(part.with_suffix(".durable"))
    assert 0 < end <= part.stat().st_size
    os.truncate(part, end)
    if tail == "zeros":
        os.truncate(part, end + 12_345)
    restore_slots(lab, old)
    if "reboot" in runtime:
        shutil.rmtree(lab.run)
    else:
        restore_runtime(lab, old)
        if runtime == "other boot":
            (lab.run / "journal/boot").write_text("00000000-0000-0000-0000-000000000000")
    before = feed.newest()
    # The power is back.
    system.start("recorder")
    system.start("connector")
    system.wait_ticks(20)
    assert lab.numbering()[0] > epoch
    system.wait_healed(1)
    wait_published(500)
    lab.settle()
    gaps = {name: system.gaps(name) for name in system.names}
    # Tick by tick against the market: nothing is missing, nothing comes twice, and nothing else is there.
    system.check()
    feed.end()
    assert not feed.reused, f"keys that two records had: {feed.reused[:5]}"
    assert "corruption" not in system.recorder.stderr() and "lost data" not in system.recorder.stderr()
    assert "asking it to renumber" not in system.recorder.stderr()
    for name in system.names:
        records = lab.records(name)
        recorded = dict(zip(keys(records).tolist(), (record.tobytes() for record in records)))
        mine = {key: record for (stream, key), record in feed.records.items() if stream == name}
        assert max(mine) > before[name], "the subscriber has seen both sides of the cut"
        for key, record in mine.items():
            # What was durable, and all that was published since.
            assert key in recorded or durable.get(name, 0) < key <= before[name], f"{name}: {key >> 32}:{key & 0xFFFFFFFF}"
            assert recorded.get(key, record) == record, f"{name}: {key >> 32}:{key & 0xFFFFFFFF} is another tick"
        assert gaps[name] and all(gap["state"] == "healed" for gap in gaps[name]), gaps[name]


def test_a_stop_that_cant_read_the_journal_is_no_clean_one(lab):
    """The connector's last word is up to a second old: what it published since stands in the journal alone."""
    def stop_without_journal():
        recorder, connector = lab.recorder(lab.config), lab.connector(lab.config)
        wait_for("the feed", lambda: (lab.run / "ticks.sock").exists() and lab.numbering()[0] > before)
        wait_for_ticks(lab, 500)
        lab.settle()
        epoch = lab.numbering()[0]
        kill(connector)
        (lab.run / "journal").rename(lab.run / "away")
        recorder.send(signal.SIGTERM)
        wait_for("why it goes on", lambda: "not all is known that has to be written" in recorder.stderr())
        return recorder, epoch

    lab.sim = lab.simulator("--rate", "3000", "--seed", "9")
    lab.config = lab.configure(lab.sim.port, STREAMS)
    before = 0
    recorder, before = stop_without_journal()
    # It comes back in time.
    (lab.run / "away").rename(lab.run / "journal")
    assert recorder.wait() == 0, recorder.stderr()
    assert "not_durable" not in lab.ib_stream("gaps", "--config", lab.config, check=1)
    # It does not, and nobody waits for it any longer.
    recorder, _ = stop_without_journal()
    time.sleep(1.1)  # a second signal sooner would be the first one, told twice
    recorder.send(signal.SIGTERM)
    assert recorder.wait() == 74, recorder.stderr()
    assert "the last ticks may be not durable" in recorder.stderr()
    for stream, records in all_records(lab):
        check_numbering(records)
