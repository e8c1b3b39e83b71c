"""Sealing: hours that are over become compressed files. Killed at any moment, and whoever reads meanwhile, nothing is lost
and nothing comes twice."""

import itertools
import json
import os
import shutil
import signal
import subprocess
import threading
import time

import numpy as np
import pytest
import zmq

import ibstream
import test_disk
from ibstream import BIN, FULL, PATIENCE, TICK, check_numbering, keys, wait_for
from test_disk import disk, forget_pages, needs_mounts

STREAMS = {711280073: ("MNQ", ["bid_ask", "last"]), 265598: ("AAPL", ["bid_ask", "last"])}
NAMES = [f"{con_id}.{kind}" for con_id, (_, kinds) in STREAMS.items() for kind in kinds]
# In the order in which a chain of kills reaches them.
POINTS = ["before_write", "mid_write", "before_fsync", "before_rename", "after_rename", "after_directory_fsync",
          "between_removals", "mid_removal", "after_removal"]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A stopped recording of several parts: its folder, its configuration, its records by stream."""
    lab = ibstream.Lab(tmp_path_factory.mktemp("recorded"))
    sim = lab.simulator("--rate", "4000", "--seed", "5")
    config = lab.configure(sim.port, STREAMS)
    connector = lab.connector(config)
    for _ in range(4):
        recorder = lab.recorder(config)
        wait_for("the recorder", lambda: (lab.run / "durable.sock").exists())
        lab.settle()
        time.sleep(0.5)
        lab.settle()
        assert recorder.stop() == 0
    connector.stop()
    sim.stop()
    lab.end()
    yield lab, config


def parts(state):
    return sorted(path.name for path in (state / "log").glob("*.log"))


def move_into_the_past(state, hours_ago):
    """Gives the parts the names of earlier hours: the name is an address, nothing in the file knows it."""
    for name, ago in itertools.zip_longest(parts(state), hours_ago, fillvalue=hours_ago[-1]):
        hour = time.strftime("%Y-%m-%dT%H", time.gmtime(time.time() - ago * 3600))
        for suffix in ("log", "durable"):
            old = state / "log" / f"{name.removesuffix('.log')}.{suffix}"
            old.rename(old.with_name(f"{hour}.{old.name.split('.', 1)[1]}"))


def take_over(lab, recording, hours_ago):
    """A copy of the recording in `lab`, its parts in the past; returns configuration and records by stream."""
    source, _ = recording
    shutil.copytree(source.root / "state", lab.state)
    move_into_the_past(lab.state, hours_ago)
    config = lab.configure(1, STREAMS)
    return config, {name: lab.records(name).tobytes() for name in NAMES}


def sealed_files(state):
    return sorted(str(path.relative_to(state / "ticks")) for path in (state / "ticks").glob("*/*/*/*/*/*.ticks"))


def history(lab, stream, patience=PATIENCE):
    """All records that history.sock has of a stream, and the first key that is not gone."""
    dealer = lab.zmq.socket(zmq.DEALER)
    dealer.set(zmq.LINGER, 0)
    dealer.connect(f"ipc://{lab.run}/history.sock")
    data, gone, next_key = b"", None, 0
    try:
        while True:
            want = {"id": next_key, "stream": stream, "from": next_key, "limit": 5000}
            dealer.send_multipart([b"request", str(next_key).encode(), json.dumps(want).encode()])
            page = b""
            while True:
                if not dealer.poll(patience * 1000):
                    return None
                kind, _, body = dealer.recv_multipart()
                if kind == b"end":
                    break
                assert kind in (b"batch", b"gone"), body
                if kind == b"gone":
                    gone = json.loads(body)["first"]
                else:
                    page += body
            data += page
            if not page:
                return data, gone
            next_key = json.loads(body)["next"]
    finally:
        dealer.close()


class Readers:
    """Commands and history pages that read all the time; each has to give exactly what was recorded."""

    def __init__(self, lab, config, expected):
        self.lab, self.config, self.expected = lab, config, expected
        self.ended = threading.Event()
        self.reads = 0
        self.failures = []
        self.threads = [threading.Thread(target=self.loop, args=(read,)) for read in (self.cat, self.export)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def loop(self, read):
        number = 0
        while not self.ended.is_set() and not self.failures:
            try:
                read(number)
                self.reads += 1
            except Exception as error:
                self.failures.append(repr(error))
            number += 1

    def cat(self, number):
        name = NAMES[number % len(NAMES)]
        result = subprocess.run(
            [str(BIN / "ib-stream"), "cat", name, "--config", str(self.config), "--format", "raw", "--order", "arrival"],
            capture_output=True, timeout=PATIENCE)
        assert result.returncode == 0, result.stderr
        assert result.stdout == self.expected[name], (
            name, np.frombuffer(result.stdout, TICK).size, np.frombuffer(self.expected[name], TICK).size)

    def export(self, number):
        out = self.lab.folder / f"export{number % 2}"
        shutil.rmtree(out, ignore_errors=True)
        self.lab.ib_stream("export", "--format", "csv", "--config", self.config, "--out", out)
        for name in NAMES:
            lines = (out / f"{name}.csv").read_bytes().count(b"\n") - 1
            records = np.frombuffer(self.expected[name], TICK)
            assert lines == np.count_nonzero(records["kind"] != 254), name


def assert_all_is_there(lab, config, expected):
    for name in NAMES:
        assert lab.records(name).tobytes() == expected[name], name
    lab.ib_stream("verify", "--config", config, timeout=PATIENCE)


def finish(lab, config, expected):
    """Lets a recorder seal what is left, and looks at everything."""
    recorder = lab.recorder(config)
    # The file of its socket may be one that a killed recorder left: the answer counts.
    lab.control("recorder", "ping")
    # Each run of the recorder has begun a part in the present hour; those are not due yet.
    lab.ib_stream("seal", "--now", "--config", config)
    assert len(parts(lab.state)) == 1
    for name in NAMES:
        assert history(lab, name)[0] == expected[name], name
    assert list((lab.state / "ticks/.sealing").iterdir()) == []
    assert recorder.stop() == 0
    assert_all_is_there(lab, config, expected)


def kill_at(lab, config, point):
    recorder = lab.recorder(config, env={"IB_STREAM_FAULT": f"seal.{point}"})
    assert recorder.wait() == -signal.SIGKILL, f"{point} was not reached: {recorder.stderr()}"


def test_a_chain_of_kills_at_every_point_loses_and_doubles_nothing(lab, recording):
    config, expected = take_over(lab, recording, [9, 9, 7, 4])
    with Readers(lab, config, expected) as readers:
        for point in POINTS:
            kill_at(lab, config, point)
        finish(lab, config, expected)
    assert not readers.failures, readers.failures
    assert readers.reads > 0
    # Three past hours, and what each run of the recorder began is empty.
    assert len({path.split("/", 2)[2] for path in sealed_files(lab.state)}) == 3
    assert len(sealed_files(lab.state)) == 3 * len(NAMES)


@pytest.mark.parametrize("point", POINTS if FULL else POINTS[6:7])
@pytest.mark.parametrize("nth", [1, 2] if FULL else [1])
def test_a_kill_at_one_point_is_made_good_by_the_next_start(lab, recording, point, nth):
    config, expected = take_over(lab, recording, [5, 5, 5, 3])
    with Readers(lab, config, expected) as readers:
        kill_at(lab, config, f"{point}:{nth}")
        for name in NAMES:
            assert lab.records(name).tobytes() == expected[name], name
        finish(lab, config, expected)
    assert not readers.failures, readers.failures


def test_sealing_now_while_ticks_come(lab):
    sim = lab.simulator("--rate", "3000", "--seed", "6", "--truth", lab.folder / "truth.csv")
    config = lab.configure(sim.port, STREAMS)
    refused = subprocess.run(
        [str(BIN / "ib-stream"), "seal", "--now", "--config", str(config)], capture_output=True, timeout=PATIENCE)
    assert refused.returncode == 69 and b"not running" in refused.stderr and refused.stderr.count(b"\n") == 1
    lab.connector(config)
    recorder = lab.recorder(config)
    wait_for("the recorder", lambda: (lab.run / "durable.sock").exists())
    sums, before = 0, {}
    for _ in range(3):
        # Every stream has something new that is durable.
        def numbers():
            epoch, seqs = lab.numbering()
            return (epoch, seqs) if all(seqs.get(name, 0) > before.get(name, 0) for name in NAMES) else None
        epoch, before = wait_for("new ticks of all streams", numbers)
        lab.wait_durable(epoch, before)
        done = json.loads(lab.ib_stream("seal", "--now", "--json", "--config", config))
        assert done["state"] == "done" and done["error"] is None
        assert done["records"] > 0 and done["files"] == len(NAMES) and 0 < done["bytes"]
        sums += done["records"]
        assert len(parts(lab.state)) == 1
    text = lab.ib_stream("seal", "--now", "--config", config)
    assert "sealed: " in text and text.splitlines()[-1].split(",")[0].startswith("sealed: ")
    # Within an hour (or over its end) each stream has one file, however often it was sealed.
    hours = {path.split("/", 2)[2] for path in sealed_files(lab.state)}
    assert len(hours) <= 2 and len(sealed_files(lab.state)) <= len(hours) * len(NAMES)
    status = lab.control("recorder", "status")["sealing"]
    assert status["records"] >= sums and status["stored_files"] == len(sealed_files(lab.state))
    sim.stop()
    lab.settle()
    total = 0
    for name in NAMES:
        mine = lab.records(name)
        check_numbering(mine)
        assert history(lab, name)[0] == mine.tobytes()
        total += mine.size
    assert total > sums
    assert recorder.stop() == 0
    lab.ib_stream("verify", "--config", config)


def test_retention_removes_the_oldest_sealed_hours_only(lab, recording):
    _, expected = take_over(lab, recording, [24 * 10, 24 * 9, 24 * 3, 5])
    config = lab.configure(1, STREAMS, more="storage:\n  keep_days: 5\n")
    recorder = lab.recorder(config)
    wait_for("the removal", lambda: lab.control("recorder", "status")["sealing"]["removed_files"] == 2 * len(NAMES))
    wait_for("the line", lambda: recorder.stderr().count("retention removed") == 2)
    assert len({path.split("/", 2)[2] for path in sealed_files(lab.state)}) == 2
    for name in NAMES:
        data, gone = history(lab, name)
        left = np.frombuffer(data, TICK)
        whole = np.frombuffer(expected[name], TICK)
        assert 0 < left.size < whole.size and data == whole[-left.size:].tobytes()
        assert gone == int(keys(left)[0])
        assert lab.records(name).tobytes() == data
    # Years and days that are empty now have gone too.
    assert all(any(path.iterdir()) for path in (lab.state / "ticks").glob("*/*/*/*/*"))
    assert recorder.stop() == 0
    lab.ib_stream("verify", "--config", config)


@pytest.fixture
def small_disk(lab):
    """A file system of 8 MiB at the state directory."""
    lab.state.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m,mode=755", "tmpfs", str(lab.state)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield lab.state
    for process in lab.processes:
        process.end()
    subprocess.run(["umount", str(lab.state)], check=True)


def test_a_full_disk_stops_sealing_and_nothing_else(lab, small_disk, recording):
    source, _ = recording
    shutil.copytree(source.root / "state", small_disk, dirs_exist_ok=True)
    move_into_the_past(small_disk, [6, 6, 6, 6])
    config = lab.configure(1, STREAMS)
    expected = {name: lab.records(name).tobytes() for name in NAMES}
    before = parts(small_disk)
    # Room for a part that the recorder begins, not for the hour's files.
    filler = small_disk / "filler"
    free = os.statvfs(small_disk)
    filler.write_bytes(bytes(free.f_bavail * free.f_frsize - (24 << 10)))
    recorder = lab.recorder(config)

    def sealing():
        return lab.control("recorder", "status")["sealing"]

    wait_for("the failure", lambda: sealing()["state"] == "failing")
    assert "No space left" in sealing()["fault"] and sealing()["failures"] >= 1
    asked = subprocess.run(
        [str(BIN / "ib-stream"), "seal", "--config", str(config)], capture_output=True, timeout=PATIENCE)
    assert asked.returncode == 1 and b"No space left" in asked.stderr and b"the log has everything" in asked.stderr
    assert set(before) <= set(parts(small_disk))
    for name in NAMES:
        assert lab.records(name).tobytes() == expected[name], name
    filler.unlink()
    lab.ib_stream("seal", "--now", "--config", config)
    assert sealing()["state"] == "idle" and sealing()["fault"] is None
    assert "sealing works again" in recorder.stderr()
    assert len(parts(small_disk)) == 1
    assert recorder.stop() == 0
    assert_all_is_there(lab, config, expected)


class Due:
    """A recording whose hours fall due for sealing when a test wants it: till then it lies beside the log."""

    def __init__(self, lab, recording):
        self.lab = lab
        source, _ = recording
        self.records = {name: source.records(name).tobytes() for name in NAMES}
        shutil.copytree(source.root / "state", lab.state, dirs_exist_ok=True)
        move_into_the_past(lab.state, [9, 8, 7, 6])
        self.log, self.aside = lab.state / "log", lab.state / "aside"
        # Parts are in the order of their numbers: these are in front of all that the new recorder begins.
        (self.log / "newest").unlink()
        for path in list(self.log.iterdir()):
            hour, _, suffix = path.name.split(".")
            path.rename(path.with_name(f"{hour}.0000.{suffix}"))
        self.log.rename(self.aside)
        self.log.mkdir()
        for path in (*self.aside.iterdir(), self.aside, self.log):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)

    def stop_in_the_middle(self, recorder):
        """The hours fall due; the recorder is stopped while it seals one of them."""
        # The slots first: a part without them would be read beyond what was durable.
        for path in sorted(self.aside.iterdir()):
            path.rename(self.log / path.name)
        for _ in range(100):
            wait_for("an hour being sealed", self.is_being_sealed, every=0)
            os.kill(recorder, signal.SIGSTOP)
            if self.is_being_sealed():
                return
            os.kill(recorder, signal.SIGCONT)
        raise AssertionError("sealing was never met in the middle")

    def is_being_sealed(self):
        try:
            return any((self.lab.state / "ticks/.sealing").iterdir())
        except FileNotFoundError:
            return False

    def assert_readable(self):
        """All of it, once and unaltered, wherever it stands."""
        for name in NAMES:
            records = self.lab.records(name).tobytes()
            assert records[:len(self.records[name])] == self.records[name], name


def seal_in_the_background(lab, config, *arguments):
    return lab.start("ib-stream", "seal", *arguments, "--config", config)


def assert_sealed_once(lab, due):
    """Nothing is left in the log, and every key is in one sealed file, as the device has it."""
    for path in lab.state.rglob("*"):
        if path.is_file():
            forget_pages(path)
    lab.ib_stream("verify", "--root", lab.root)
    due.assert_readable()
    sealed = {name: [] for name in NAMES}
    for path in sealed_files(lab.state):
        file = lab.state / "ticks" / path
        raw = subprocess.run([str(BIN / "ib-stream"), "cat", str(file), "--format", "raw", "--order", "arrival"],
                             capture_output=True, timeout=PATIENCE)
        assert raw.returncode == 0, raw.stderr
        records = np.frombuffer(raw.stdout, TICK)
        sealed[f"{records['con_id'][0]}.{path.split('/')[1]}"].append(records)
    for name in NAMES:
        records = np.concatenate(sealed[name])
        assert np.unique(keys(records)).size == records.size, f"{name}: a key is sealed twice"
        whole = lab.records(name)
        assert np.sort(records, order=["epoch", "seq"])[:].tobytes() == whole[:records.size].tobytes(), name
        # What came after the last sealing is in the log.
        assert records.size > len(due.records[name]) // TICK.itemsize


@needs_mounts
@pytest.mark.parametrize("fault", ["EIO", "frozen"] + ["write refused", "fdatasync fails"] * FULL)
def test_a_disk_that_fails_in_the_middle_of_sealing_leaves_the_log_or_the_sealed_file(lab, disk, recording, fault):
    if fault == "frozen":
        disk.ext4(lab)
    elif fault == "write refused":
        disk.small("24m")
    elif fault == "EIO":
        disk.broken_ext4(lab)
    else:
        disk.failing_ext4(lab)
    due = Due(lab, recording)
    system = test_disk.System(lab)

    def sealing():
        return lab.control("recorder", "status")["sealing"]

    def trouble():
        due.stop_in_the_middle(system.pids["recorder"])
        disk.freeze() if fault == "frozen" else disk.fill()
        os.kill(system.pids["recorder"], signal.SIGCONT)

    took, page = system.red_after(trouble)
    print(f"{fault} while sealing: red {took:.2f} s after the last durable tick")
    system.assert_disk_is_the_cause(page)
    asked = [seal_in_the_background(lab, system.config, *now) for now in ([], ["--now"])]
    if fault != "frozen":
        # It says that it failed and why, not that it is done.
        for command in asked:
            assert command.wait() == 1 and "the log has everything" in command.stderr(), command.stderr()
        status = sealing()
        assert status["state"] == "failing" and status["fault"] and status["failures"] >= 1, status
        assert ("Input/output error" if fault == "EIO" else "No space left") in status["fault"], status
        assert "sealing failed, the log stays" in system.up.stderr()
    durable = lab.control("recorder", "status")["durable"]
    system.assert_it_goes_on(4 if FULL else 1)
    assert lab.control("recorder", "status")["durable"] == durable, "nothing becomes durable on a disk that fails"
    if fault == "frozen":
        # Who waits for the disk says nothing before it answers.
        assert all(command.running() for command in asked), [command.stdout() for command in asked]
    due.assert_readable()
    system.assert_nobody_died()
    if fault == "frozen":
        disk.thaw()
        assert [command.wait() for command in asked] == [0, 0], [command.stderr() for command in asked]
    else:
        disk.free()
    lab.settle()
    system.wait_health(200)
    lab.ib_stream("seal", "--now", "--config", system.config)
    assert sealing()["state"] == "idle" and sealing()["fault"] is None and sealing()["kept_parts"] == []
    assert len(parts(lab.state)) == 1 and not due.is_being_sealed()
    system.assert_nobody_died()
    system.assert_nothing_is_missing()
    assert_sealed_once(lab, due)
    assert took < (test_disk.RED_AFTER_SILENCE if fault == "frozen" else test_disk.RED_AFTER_ERROR) + test_disk.SLACK
