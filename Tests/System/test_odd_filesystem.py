"""File systems that lack calls (older ZFS, NFS, CIFS, FUSE, FAT): everything works all the same, what is done without is said once."""

import errno
import os
import signal
import subprocess

import pytest

from ibstream import HERE, check_numbering, lost_ranges, wait_for
from test_pipeline import ticks_numbered

STREAMS = {265598: ("AAPL", ["last", "bid_ask"])}
# What a network file system of the worst kind says.
NOTHING = {"fallocate": errno.EOPNOTSUPP, "directory_fsync": errno.EINVAL, "link": errno.EPERM, "renameat2": errno.EINVAL,
           "readonly_flock": errno.EBADF}


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "odd_filesystem.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, HERE / "odd_filesystem.c"], check=True)
    return library


def odd(shim, below, calls):
    text = ",".join(f"{call}={code}" for call, code in calls.items())
    return {"LD_PRELOAD": str(shim), "ODD_BELOW": str(below), "ODD_CALLS": text}


class System:
    """Connector and recorder, with the calls that fail below a directory."""

    def __init__(self, lab, env, more="connector: {journal_size: 32MiB}\n"):
        self.lab, self.env = lab, env
        self.config = lab.configure(lab.simulator("--rate", "1000", "--seed", "5").port, STREAMS, more=more)
        self.start()

    def start(self):
        self.recorder = self.lab.recorder(self.config, env=self.env)
        self.connector = self.lab.connector(self.config, env=self.env)

    def record(self, ticks):
        before = ticks_numbered(self.lab)
        wait_for("ticks", lambda: ticks_numbered(self.lab) > before + ticks)
        self.lab.settle()

    def stop(self):
        assert self.connector.stop() == 0, self.connector.stderr()
        assert self.recorder.stop() == 0, self.recorder.stderr()

    def assert_all_is_there(self):
        for stream in ("265598.last", "265598.bid_ask"):
            records = self.lab.records(stream)
            assert len(records) > 100 and not lost_ranges(records)
            check_numbering(records)


@pytest.mark.parametrize("code", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_journal_without_fallocate_is_filled_with_zeros_once_and_works(lab, shim, code):
    system = System(lab, odd(shim, lab.root, {"fallocate": code}))
    system.record(2_000)
    status = lab.control("connector", "status")
    assert status["journal_fault"] is None and status["journal_failures"] == 0
    # Two at the start; the others follow bit by bit.
    files = wait_for("more files", lambda: len(f := [
        path.stat() for path in (lab.run / "journal").iterdir() if path.suffix in (".log", ".spare")]) > 2 and f)
    assert all(f.st_size == 2 << 20 and f.st_blocks * 512 >= f.st_size for f in files)
    wait_for("the word", lambda: "reserves no room for files" in system.connector.stderr())
    # What the journal has is replayed to a recorder that missed it.
    system.recorder.send(signal.SIGKILL)
    system.recorder.wait()
    before = ticks_numbered(lab)
    wait_for("ticks that nobody records", lambda: ticks_numbered(lab) > before + 500)
    system.recorder = lab.recorder(system.config, env=system.env)
    lab.settle()
    system.stop()
    assert system.connector.stderr().count("reserves no room for files") == 1
    system.assert_all_is_there()


def test_a_start_needs_nothing_that_a_file_system_may_lack(lab, shim):
    system = System(lab, odd(shim, lab.root, NOTHING))
    system.record(1_000)
    lab.ib_stream("seal", "--now", "--config", system.config)
    system.stop()
    # Locks and directories are there already.
    system.start()
    system.record(1_000)
    assert "ib-recorder is running" in lab.failure("repair", "--config", system.config, check=78)
    system.stop()
    for program in (system.recorder, system.connector):
        assert program.stderr().count("does not sync directories") == 1, program.stderr()
    system.assert_all_is_there()
    assert ": sound: " in lab.ib_stream("verify", "--config", system.config)


def test_repair_without_links_copies_the_damaged_file_aside(lab, shim):
    system = System(lab, None)
    system.record(1_000)
    lab.ib_stream("seal", "--now", "--config", system.config)
    system.stop()
    [segment] = (lab.state / "ticks").glob("265598-*/last/*/*/*/*.ticks")
    whole = segment.read_bytes()
    damaged = whole[:-400] + bytes([whole[-400] ^ 1]) + whole[-399:]
    segment.write_bytes(damaged)
    env = {**os.environ, **odd(shim, lab.root, NOTHING)}
    text = lab.ib_stream("repair", "--config", system.config, env=env)
    assert f"repaired: {segment}: " in text
    assert [path.read_bytes() for path in segment.parent.glob("*.damaged")] == [damaged]
    assert not list(segment.parent.glob("*.copying"))
    assert ": sound: " in lab.ib_stream("verify", "--config", system.config)


def test_data_that_cannot_be_synced_is_never_called_durable(lab, shim):
    system = System(lab, odd(shim, lab.state, {"fdatasync": errno.EINVAL}))
    wait_for("a word about the disk", lambda: (lab.run / "recorder.sock").exists() and
             lab.control("recorder", "status")["disk"] == "failing")
    assert "fdatasync: Invalid argument" in lab.control("recorder", "status")["disk_fault"]
    wait_for("ticks", lambda: ticks_numbered(lab) > 500)
    assert lab.control("connector", "status")["journal_fault"] is None


def test_a_state_directory_without_locks_is_said_and_a_runtime_directory_refused(lab, shim):
    system = System(lab, odd(shim, lab.state, {"flock": errno.ENOLCK}))
    system.record(500)
    system.stop()
    said = system.recorder.stderr()
    assert "going on without a lock in the state directory" in said and "No locks available" in said
    recorder = lab.recorder(system.config, env=odd(shim, lab.run, {"flock": errno.EOPNOTSUPP}))
    assert recorder.wait() == 74
    assert "can't be taken: Operation not supported: choose a file system that has locks" in recorder.stderr()
