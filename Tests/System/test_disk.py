"""The data disk fills up, fails, freezes, vanishes: nobody dies of it, health says so, and nothing is missing afterwards."""

import contextlib
import ctypes
import datetime
import fcntl
import json
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from ibstream import FULL, check_numbering, lost_ranges, wait_for
from test_kills import alive, pid_of

STREAMS = {
    711280073: ("MNQ", ["bid_ask", "last"]),
    265598: ("AAPL", ["bid_ask", "last"]),
}
RATE = "2000"
SERVICES = ("connector", "recorder", "watchdog")
# A fault that the disk reports turns health red within two commit intervals (0.2 s) of the last commit; one that it does not
# report, by not answering, within two seconds and two commit intervals.
RED_AFTER_ERROR = 0.2
RED_AFTER_SILENCE = 2.2
# Both ends are the programs' own times: all that comes on top is what a busy machine adds between three processes.
RED_SLACK = 0.1 if FULL else 8
SLACK = 1 if FULL else 8


def mounts_are_permitted():
    """None, or why this machine does not let the tests mount anything."""
    if os.geteuid() != 0:
        return "only root may mount: run as root to see the disk faults"
    for tool in ("mount", "umount", "mkfs.ext4", "dumpe2fs", "fsfreeze", "fallocate"):
        if shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin") is None:
            return f"{tool} is missing"
    libc = ctypes.CDLL(None, use_errno=True)
    here = pathlib.Path("/tmp") / f"ibstream-mount-{os.getpid()}"
    here.mkdir()
    try:
        if libc.mount(b"tmpfs", str(here).encode(), b"tmpfs", 0, b"size=64k,mode=755") != 0:
            return f"mount: {os.strerror(ctypes.get_errno())}"
        libc.umount2(str(here).encode(), 2)
    finally:
        here.rmdir()
    return None


WHY_NOT = mounts_are_permitted()
needs_mounts = pytest.mark.skipif(WHY_NOT is not None, reason=f"DISK FAULTS ARE NOT TESTED HERE: {WHY_NOT}")


def run(*command):
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    done = subprocess.run(
        [str(c) for c in command], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class Disk:
    """A file system of its own on <root>/state."""

    def __init__(self, lab):
        self.at = lab.state
        self.at.mkdir(parents=True)
        self.stack = contextlib.ExitStack()
        self.ballast = None
        self.frozen = False

    def mount(self, at, *arguments):
        run("mount", *arguments, at)
        self.stack.callback(lambda: subprocess.run(["umount", "-l", str(at)], check=False))

    def small(self, size):
        """A tmpfs: a full one refuses the write itself."""
        self.mount(self.at, "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs")
        self.ballast = self.at / "ballast"
        return self

    def ext4(self, lab):
        """ext4 on a loop device: it can be frozen."""
        image = lab.folder / "image"
        with open(image, "wb") as file:
            file.truncate(512 << 20)
        run("mkfs.ext4", "-q", "-F", image)
        self.mount(self.at, "-o", "loop", image)
        return self

    def failing_ext4(self, lab, at=None):
        """ext4 on a loop device whose data blocks come from a tmpfs. When that is full, writes still succeed, and fdatasync
        fails with ENOSPC. (There is no device mapper to make errors with in every kernel.) The file system's own blocks are
        there already, so that it lives on."""
        folder = lab.folder / "backing"
        folder.mkdir()
        self.mount(folder, "-t", "tmpfs", "-o", "size=80m", "tmpfs")
        self.ballast = folder / "ballast"
        image = folder / "image"
        run("fallocate", "-l", "64M", image)
        run("mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^has_journal,^metadata_csum",
            "-E", "lazy_itable_init=0,nodiscard", image)
        for line in run("dumpe2fs", image).splitlines():
            ranges = line.removeprefix("  Free blocks: ")
            for first, last in (r.split("-") for r in ranges.split(", ") if ranges != line and "-" in r):
                run("fallocate", "-p", "-o", int(first) * 4096, "-l", (int(last) - int(first) + 1) * 4096, image)
        self.mount(at or self.at, "-o", "loop,nodelalloc", image)
        return self

    def broken_ext4(self, lab):
        """ext4 on a file of the failing one: its device takes what is written, and cannot keep it. fdatasync fails with EIO,
        as with a broken disk."""
        outer = lab.folder / "outer"
        outer.mkdir()
        self.failing_ext4(lab, outer)
        image = outer / "image"
        run("fallocate", "-l", "48M", image)
        run("mkfs.ext4", "-q", "-F", "-b", "4096", "-O", "^has_journal,^metadata_csum",
            "-E", "lazy_itable_init=0,nodiscard", image)
        self.mount(self.at, "-o", "loop", image)
        return self

    def fill(self):
        """Takes all the room that there is."""
        file = os.open(self.ballast, os.O_WRONLY | os.O_CREAT)
        try:
            for piece in (1 << 20, 4096):
                with contextlib.suppress(OSError):
                    while os.write(file, bytes(piece)):
                        pass
        finally:
            os.close(file)

    def free(self):
        os.unlink(self.ballast)

    def freeze(self):
        run("fsfreeze", "-f", self.at)
        self.frozen = True

    def thaw(self):
        run("fsfreeze", "-u", self.at)
        self.frozen = False


@pytest.fixture
def disk(lab):
    disk = Disk(lab)
    yield disk
    # Whoever waits for the disk can't be ended before it answers.
    if disk.frozen:
        disk.thaw()
    if disk.ballast and disk.ballast.exists():
        disk.free()
    lab.end()
    disk.stack.close()


class System:
    """Everything under `ib-stream up`, with its health page."""

    def __init__(self, lab):
        self.lab = lab
        self.sim = lab.simulator("--rate", RATE, "--seed", "5")
        self.config = lab.configure(self.sim.port, STREAMS)
        self.up = lab.start("ib-stream", "up", "--config", self.config)
        wait_for("the first durable ticks", lambda: (lab.run / "durable.sock").exists())
        lab.settle()
        wait_for("the watchdog", lambda: (lab.run / "watchdog.sock").exists())
        self.url = "http://" + lab.control("watchdog", "status")["http"] + "/health"
        self.wait_health(200)
        self.pids = {s: pid_of(lab, s) for s in SERVICES}

    def health(self):
        try:
            with urllib.request.urlopen(self.url, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def wait_health(self, status):
        wait_for(f"health {status}", lambda: self.health()[0] == status, every=0.01)

    def red_after(self, trouble):
        """Makes trouble; returns the seconds from the last commit to red, and what the health page says.

        Both times are the programs' own: the recorder's of its last commit, and the watchdog's of its judgement. It judges
        each half second, and at once on the recorder's word: asking for it late can only show a later time.
        """
        def judgement():
            status = self.lab.control("watchdog", "status")
            return status if status["health"] == "down" else None

        trouble()
        red = datetime.datetime.fromisoformat(wait_for("red", judgement, every=0.005)["time"]).timestamp()
        took = red - self.lab.control("recorder", "status")["last_commit_nanos"] / 1e9
        status, page = self.health()
        assert status == 503, page
        return took, page

    def assert_disk_is_the_cause(self, page):
        assert any("disk" in reason for reason in page["reasons"]), page["reasons"]
        assert {s["state"] for s in page["streams"].values()} == {"disk_failing"}, page["streams"]
        text = self.lab.ib_stream("status", "--config", self.config, check=2)
        assert "disk_failing" in text and "disk failing" in text, text

    def assert_it_goes_on(self, seconds):
        """The connector numbers and publishes without a pause, and everybody lives."""
        sub = self.lab.subscribe("ticks.sock", "watermark", "tick.")
        ticks, pause, last = 0, 0, time.monotonic()
        try:
            until = last + seconds
            while time.monotonic() < until:
                if sub.poll(500):
                    ticks += sub.recv_multipart()[0].startswith(b"tick.")
                    pause, last = max(pause, time.monotonic() - last), time.monotonic()
        finally:
            sub.close()
        assert max(pause, time.monotonic() - last) < 1.5 * SLACK, f"nothing published for {pause:.2f} s"
        assert ticks > 10 * seconds

    def assert_nobody_died(self):
        assert {s: pid_of(self.lab, s) for s in SERVICES} == self.pids
        assert all(alive(pid) for pid in self.pids.values())
        assert "SIGABRT" not in self.up.stderr() and "SIGKILL" not in self.up.stderr(), self.up.stderr()

    def assert_nothing_is_missing(self):
        self.lab.settle()
        self.wait_health(200)
        assert self.up.stop() == 0, self.up.stderr()
        for con_id, (_, kinds) in STREAMS.items():
            for kind in kinds:
                records = self.lab.records(f"{con_id}.{kind}")
                check_numbering(records)
                assert not lost_ranges(records)
        self.lab.ib_stream("verify", "--root", self.lab.root)


@needs_mounts
def test_a_frozen_disk_turns_red_kills_nobody_and_leaves_no_hole(lab, disk):
    disk.ext4(lab)
    system = System(lab)
    took, page = system.red_after(disk.freeze)
    print(f"frozen: red {took:.3f} s after the last commit")
    system.assert_disk_is_the_cause(page)
    # A gateway that comes back brings its definitions again; they must not wait for the disk either.
    lab.control("connector", "reconnect")
    # Well beyond the time after which a hang is ended.
    system.assert_it_goes_on(30 if FULL else 8)
    system.assert_nobody_died()
    disk.thaw()
    system.assert_nothing_is_missing()
    assert took < RED_AFTER_SILENCE + RED_SLACK


@needs_mounts
def test_services_started_on_a_frozen_disk_work_as_soon_as_it_answers(lab, disk):
    disk.ext4(lab)
    system = System(lab)
    disk.freeze()
    wait_for("the recorder to wait", lambda: lab.control("recorder", "status")["disk"] == "failing")
    # A connector needs no data disk to come back.
    before = lab.numbering()[0]
    os.kill(system.pids["connector"], signal.SIGKILL)
    wait_for("another connector", lambda: (p := pid_of(lab, "connector")) and p != system.pids["connector"] and alive(p))
    wait_for("its ticks", lambda: (n := lab.numbering())[0] > before and sum(n[1].values()) > 1000)
    system.pids["connector"] = pid_of(lab, "connector")
    # The recorder that is killed ends when the disk answers, and another one takes its place.
    os.kill(system.pids["recorder"], signal.SIGKILL)
    system.assert_it_goes_on(3)
    disk.thaw()
    wait_for("another recorder", lambda: (p := pid_of(lab, "recorder")) and p != system.pids["recorder"] and alive(p))
    system.assert_nothing_is_missing()


@needs_mounts
@pytest.mark.parametrize("kind", ["write refused", "fdatasync fails, EIO"] + ["fdatasync fails, ENOSPC"] * FULL)
def test_a_full_disk_turns_red_at_once_and_leaves_no_hole(lab, disk, kind):
    if kind == "write refused":
        disk.small("24m")
    elif kind == "fdatasync fails, EIO":
        disk.broken_ext4(lab)
    else:
        disk.failing_ext4(lab)
    system = System(lab)
    # Several parts fail in a row, the last ones while they are begun.
    for round in range(3 if FULL else 2):
        took, page = system.red_after(disk.fill)
        print(f"{kind}: red {took:.3f} s after the last commit")
        system.assert_disk_is_the_cause(page)
        cause = lab.control("recorder", "status")["disk_fault"]
        assert ("Input/output error" if kind == "fdatasync fails, EIO" else "No space left") in cause, cause
        system.assert_it_goes_on(4 if round else 1)
        system.assert_nobody_died()
        # An attempt leaves nothing behind that could fill the disk.
        assert len(list((lab.state / "log").glob("*.log"))) < 12
        disk.free()
        lab.settle()
        system.wait_health(200)
        system.assert_nobody_died()
        assert took < RED_AFTER_ERROR + RED_SLACK
    system.assert_nothing_is_missing()


@needs_mounts
def test_a_recorder_that_starts_on_a_full_disk_waits_for_room(lab, disk):
    disk.small("16m")
    (lab.state / "log").mkdir()
    disk.fill()
    sim = lab.simulator("--rate", RATE, "--seed", "5")
    config = lab.configure(sim.port, STREAMS)
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("a word about the disk", lambda: (lab.run / "recorder.sock").exists() and
             lab.control("recorder", "status")["disk"] == "failing")
    wait_for("ticks", lambda: (lab.run / "ticks.sock").exists() and sum(lab.numbering()[1].values()) > 2000)
    assert recorder.running() and connector.running()
    disk.free()
    lab.settle()
    assert lab.control("recorder", "status")["disk"] == "ok"
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    for con_id, (_, kinds) in STREAMS.items():
        records = lab.records(f"{con_id}.{kinds[0]}")
        check_numbering(records)
        assert not lost_ranges(records) and len(records) > 100
    assert (lab.state / "origin").read_text() == "simulated\n"
    lab.ib_stream("verify", "--root", lab.root)


@needs_mounts
def test_a_connector_starts_without_a_state_directory_that_it_could_write(lab, disk):
    disk.small("8m")
    run("mount", "-o", "remount,ro", disk.at)
    sim = lab.simulator("--rate", RATE, "--seed", "5")
    connector = lab.connector(lab.configure(sim.port, STREAMS))
    wait_for("ticks", lambda: (lab.run / "ticks.sock").exists() and sum(lab.numbering()[1].values()) > 2000)
    assert "going on without a lock in the state directory" in connector.stderr()
    first = lab.numbering()[0]
    connector.send(signal.SIGKILL)
    connector.wait()
    connector = lab.connector(lab.folder / "ib-stream.yaml")
    wait_for("a later epoch", lambda: lab.numbering()[0] > first)
    run("mount", "-o", "remount,rw", disk.at)
    wait_for("the epoch on the disk", lambda: (lab.state / "epoch").exists())
    assert (lab.state / "epoch").read_text() == f"{lab.numbering()[0]}\n"


@needs_mounts
def test_sectors_that_cannot_be_read_are_damage_and_no_reason_not_to_record(lab, disk):
    disk.ext4(lab)
    sim = lab.simulator("--rate", RATE, "--seed", "5")
    config = lab.configure(sim.port, STREAMS)
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: (lab.run / "ticks.sock").exists() and sum(lab.numbering()[1].values()) > 8000)
    lab.settle()
    assert recorder.stop() == 0, recorder.stderr()
    # The image ends in the middle of the log: reading behind that is EIO.
    part = max((lab.state / "log").glob("*.log"))
    os.truncate(lab.folder / "image", end_behind_the_beginning(part))
    forget_pages(part)
    with pytest.raises(OSError):
        part.read_bytes()
    recorder = lab.recorder(config)
    lab.settle()
    assert "corruption" in recorder.stderr(), recorder.stderr()
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    # The journal had all of it.
    assert " 0 ranges lost" in recorder.stderr(), recorder.stderr()
    assert ": sound: " in lab.ib_stream("verify", "--root", lab.root)
    for con_id, (_, kinds) in STREAMS.items():
        assert check_numbering(lab.records(f"{con_id}.{kinds[0]}")) == {}


@needs_mounts
def test_a_sealed_file_that_cannot_be_read_to_its_end_is_read_as_far_as_it_can_be_and_repaired(lab, disk):
    sim = lab.simulator("--rate", "30000", "--seed", "5")
    config = lab.configure(sim.port, STREAMS)
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: (lab.run / "ticks.sock").exists() and lab.numbering()[1].get(
        "711280073.bid_ask", 0) > 40_000)
    lab.settle()
    lab.ib_stream("seal", "--now", "--config", config)
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    segment = max((lab.state / "ticks").glob("711280073-*/bid_ask/*/*/*/*.ticks"), key=lambda p: p.stat().st_size)
    # The file alone on a device that ends in its middle.
    disk.at = lab.folder / "sick"
    disk.at.mkdir()
    disk.ext4(lab)
    sick = disk.at / "segment"
    shutil.move(segment, sick)
    segment.symlink_to(sick)
    offset = physical_offset(sick, sick.stat().st_size // 2)
    os.truncate(lab.folder / "image", offset)
    forget_pages(sick)
    with pytest.raises(OSError):
        sick.read_bytes()
    assert f"damaged: {segment}" in lab.ib_stream("verify", "--root", lab.root, check=1)
    readable = len(lab.ib_stream("cat", "711280073.bid_ask", "--root", lab.root, check=1).splitlines())
    assert readable > 10_000
    recorder = lab.recorder(config)
    wait_for("the start", lambda: "ib-recorder: started" in recorder.stderr())
    assert recorder.stop() == 0, recorder.stderr()
    # What the device took, the journal still has.
    assert f"repaired: {segment}: " in lab.ib_stream("repair", "--root", lab.root)
    assert not segment.is_symlink()
    assert ": sound: " in lab.ib_stream("verify", "--root", lab.root)
    check_numbering(lab.records("711280073.bid_ask"))


def physical_offset(path, offset):
    """Where a byte of a file lies on its device."""
    with open(path, "rb") as file:
        size = os.fstatvfs(file.fileno()).f_bsize
        os.fsync(file.fileno())
        block, = struct.unpack("i", fcntl.ioctl(file, 1, struct.pack("i", offset // size)))  # FIBMAP
        assert block > 0
        return block * size


def end_behind_the_beginning(path):
    """A place on the file's device from which on the file's later half is in part, and none of what is in front of that: blocks
    need not lie in the file's order."""
    size = path.stat().st_size
    places = [physical_offset(path, offset) for offset in range(0, size, os.statvfs(path).f_bsize)]
    half = len(places) // 2
    return next((p for i, p in enumerate(places) if i >= half and p > max(places[:i])), max(places))


def forget_pages(path):
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@needs_mounts
def test_a_journal_without_room_is_red_and_nothing_is_held_up(lab, disk):
    journal = lab.run / "journal"
    journal.mkdir(parents=True)
    disk.mount(journal, "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs")
    sim = lab.simulator("--rate", RATE, "--seed", "5")
    config = lab.configure(sim.port, STREAMS, more="connector:\n  journal_size: 32MiB\n")
    up = lab.start("ib-stream", "up", "--config", config)
    wait_for("ticks", lambda: (lab.run / "ticks.sock").exists() and sum(lab.numbering()[1].values()) > 1000)
    # The fault is known before a tick could not be written.
    wait_for("the fault", lambda: (s := lab.control("connector", "status"))["journal_fault"] and s["journal_failures"])
    wait_for("red", lambda: any("journal" in r for r in lab.control("watchdog", "status")["reasons"]))
    assert lab.control("watchdog", "status")["health"] == "down"
    events = lab.subscribe("ticks.sock", "event")
    run("mount", "-o", "remount,size=64m", journal)
    wait_for("the journal", lambda: lab.control("connector", "status")["journal_fault"] is None)
    wait_for("the event", lambda: events.poll(0) and json.loads(events.recv_multipart()[1])["event"] == "journal_ok")
    events.close()
    wait_for("green", lambda: lab.control("watchdog", "status")["health"] == "healthy")
    lab.settle()
    assert up.stop() == 0, up.stderr()
    # Each key is a record, or written down as lost because nobody could replay it.
    for con_id, (_, kinds) in STREAMS.items():
        check_numbering(lab.records(f"{con_id}.{kinds[0]}"))
    lab.ib_stream("verify", "--root", lab.root)
