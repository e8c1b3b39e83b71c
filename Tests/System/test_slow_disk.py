"""A disk that takes every write in time, and too few of them: health says so by the age of what waits, and no stop loses it."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest

from ibstream import FULL, HERE, REPOSITORY, check_numbering, keys, lost_ranges, wait_for

STREAMS = {711280073: ("MNQ", ["bid_ask", "last"]), 265598: ("AAPL", ["bid_ask", "last"])}
RATE = "14000"
# The feed brings about 900 kB/s, on a busy machine a part of that.
SLOW = 120_000
QUICK = 5_000_000
# What the product promises, and what a busy machine adds between four processes.
RED_WITHIN = 7 + (0 if FULL else 8)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "slow_disk.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, HERE / "slow_disk.c"], check=True)
    return library


class Feed:
    """What the connector publishes and the recorder makes durable, as anybody can hear it."""

    def __init__(self, lab):
        self.sub = lab.subscribe("ticks.sock", "watermark")
        self.sub.subscribe("durable")
        self.sub.connect(f"ipc://{lab.run}/durable.sock")
        self.marks = {}  # stream: [(key, when it was heard)]
        self.newest = {}
        self.durable = {}

    def hear(self):
        while self.sub.poll(0):
            topic, text = self.sub.recv_multipart()
            told, now = json.loads(text), time.monotonic()
            for stream, value in told["streams"].items():
                if topic == b"watermark":
                    if value:
                        key = told["epoch"] << 32 | value
                        self.newest[stream] = max(key, self.newest.get(stream, 0))
                        self.marks.setdefault(stream, []).append((key, now))
                else:
                    self.durable[stream] = value[0] << 32 | value[1]

    def age(self):
        """How long the oldest published tick that is not durable has waited, at least."""
        self.hear()
        now, ages = time.monotonic(), [0]
        for stream, marks in self.marks.items():
            marks[:] = [m for m in marks if m[0] > self.durable.get(stream, 0)]
            if marks:
                ages.append(now - marks[0][1])
        return max(ages)

    def close(self):
        self.sub.close()


class System:
    """Everything under `ib-stream up`, the recorder on a disk whose rate can be set."""

    def __init__(self, lab, shim):
        self.lab = lab
        self.rate = lab.folder / "rate"
        self.set_rate(0)
        self.env = {"LD_PRELOAD": str(shim), "SLOW_DISK": str(self.rate)}
        self.sim = lab.simulator("--rate", RATE, "--seed", "3")
        self.config = lab.configure(self.sim.port, STREAMS, more="connector: {journal_size: 32MiB}\n")

    def set_rate(self, bytes_per_second):
        new = self.rate.with_suffix(".new")
        new.write_text(f"{bytes_per_second}\n")
        os.replace(new, self.rate)

    def start(self):
        self.up = self.lab.start("ib-stream", "up", "--config", self.config, env=self.env)
        wait_for("the watchdog", lambda: (self.lab.run / "watchdog.sock").exists())
        self.url = "http://" + wait_for(
            "its page", lambda: self.lab.control("watchdog", "status").get("http")) + "/health"
        wait_for("health 200", lambda: self.health()[0] == 200)
        self.feed = Feed(self.lab)

    def health(self):
        with contextlib.suppress(urllib.error.URLError):
            try:
                with urllib.request.urlopen(self.url, timeout=20) as answer:
                    return answer.status, json.load(answer)
            except urllib.error.HTTPError as error:
                return error.code, json.load(error)
        return None, None

    def fall_behind(self, seconds):
        """The disk gets slow; returns once the oldest tick has waited so long, and health has been right about it."""
        self.set_rate(SLOW)

        def is_red():
            status, page = self.health()
            age = self.feed.age()
            assert status == 503 or age <= RED_WITHIN, f"{age:.1f} s behind: {page}"
            if status == 200 and page["status"] == "degraded":
                assert any(" is lagging: ticks have been waiting for " in reason for reason in page["reasons"]), page
            # The journal's room may be short, and health red, before any stream is behind by so much.
            slow = [s for s in page["streams"].values() if s["state"] == "disk_failing"] if status == 503 else []
            return (page, slow) if slow else None

        page, slow = wait_for("a stream for which the disk is too slow", is_red)
        assert all(s["durable_lag_seconds"] >= 5 for s in slow), page["streams"]
        assert all("the disk is too slow" in s["reason"] for s in slow), page["streams"]
        assert "the disk is too slow" in self.lab.ib_stream("status", "--config", self.config, check=2)

        def is_far():
            # Still red, although something becomes durable all the time.
            status, page = self.health()
            age = self.feed.age()
            assert status == 503 or age <= RED_WITHIN, f"{age:.1f} s behind: {page}"
            # A journal of 32 MiB lasts half a minute at this rate, of which the backlog has taken some.
            left = page["journal"]["left_seconds"]
            assert any("the journal overwrites the first of them" in reason for reason in page["reasons"]) == (
                left is not None and left < 120), page
            return page if status == 503 and age > seconds else None

        page = wait_for("far behind", is_far)
        assert page["journal"]["left_seconds"] < page["journal"]["reach_seconds"], page["journal"]

    def assert_all_is_there(self):
        """Every key that the connector ever told of, none of them lost."""
        for stream, newest in self.feed.newest.items():
            records = self.lab.records(stream)
            check_numbering(records)
            assert not lost_ranges(records)
            assert keys(records)[-1] >= newest, stream
        self.lab.ib_stream("verify", "--root", self.lab.root)


def test_a_slow_disk_is_red_and_an_ordinary_stop_writes_the_backlog_down(lab, shim):
    system = System(lab, shim)
    system.start()
    system.fall_behind(9)
    system.up.send(signal.SIGTERM)
    wait_for("its progress", lambda: system.up.stdout().count(" ticks to write, ") >= 2)
    system.set_rate(QUICK)
    assert system.up.wait() == 0, system.up.stderr()
    system.feed.hear()
    assert "SIGKILL" not in system.up.stderr() and " not durable" not in system.up.stderr(), system.up.stderr()
    assert system.up.stdout().splitlines()[-1].endswith(" stopped")
    system.assert_all_is_there()
    system.feed.close()


def test_who_does_not_wait_for_the_backlog_is_told_and_the_next_start_takes_it_from_the_journal(lab, shim):
    system = System(lab, shim)
    system.start()
    system.fall_behind(6)
    system.up.send(signal.SIGINT)
    wait_for("its progress", lambda: " ticks to write" in system.up.stdout())
    system.up.send(signal.SIGINT)
    assert system.up.wait() == 1
    assert " ticks are not durable: SIGTERM came again: they stay in the journal" in system.up.stderr()
    last = system.up.stdout().splitlines()[-1]
    assert "stopped, not cleanly: " in last and "ticks were not durable" in last
    system.feed.hear()
    newest = dict(system.feed.newest)
    system.feed.close()
    system.set_rate(0)
    system.start()
    system.lab.settle()
    system.feed.newest = newest | system.feed.newest
    assert system.up.stop() == 0, system.up.stderr()
    for stream, key in newest.items():
        assert key in keys(system.lab.records(stream)), "also the last one of the first run"
    system.assert_all_is_there()
    system.feed.close()


def test_systemd_is_asked_for_more_time_while_a_backlog_is_written(lab, shim):
    # Who is ordered behind the recorder stops before it.
    [after] = [line for line in (REPOSITORY / "systemd/ib-connector.service").read_text().splitlines()
               if line.startswith("After=")]
    assert "ib-recorder.service" in after.removeprefix("After=").split()
    system = System(lab, shim)
    notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notify.bind(str(lab.folder / "notify"))
    notify.settimeout(60)
    recorder = lab.recorder(system.config, env={**system.env, "NOTIFY_SOCKET": str(lab.folder / "notify")})
    connector = lab.connector(system.config)
    wait_for("the sockets", lambda: (lab.run / "ticks.sock").exists() and (lab.run / "durable.sock").exists())
    system.feed = Feed(lab)
    system.set_rate(SLOW)
    wait_for("a backlog", lambda: system.feed.hear() or lab.control("recorder", "status")["backlog"] > 20_000)
    # The connector first, as its unit says: the recorder then reads the journal by itself.
    assert connector.stop() == 0
    recorder.send(signal.SIGTERM)
    asked = 0
    while asked < 3:
        told = notify.recv(4096).decode().splitlines()
        asked += "EXTEND_TIMEOUT_USEC=15000000" in told
        assert not any(line.startswith("X_IB_") for line in told), "that is for the watchdog alone"
    system.set_rate(QUICK)
    assert recorder.wait() == 0, recorder.stderr()
    system.feed.hear()
    system.assert_all_is_there()
    system.feed.close()
    notify.close()


def test_another_start_waits_for_a_recorder_that_still_writes_its_backlog(lab, shim):
    system = System(lab, shim)
    system.start()
    system.set_rate(SLOW)
    wait_for("a backlog", lambda: system.feed.age() > 3)
    system.up.send(signal.SIGKILL)
    system.up.wait()
    again = lab.start("ib-stream", "up", "--config", system.config, env=system.env)
    wait_for("what it waits for", lambda: "recorder: " in again.stdout() and " ticks to write" in again.stdout())
    assert "of an earlier run to end" in again.stderr()
    system.set_rate(0)
    wait_for("the new system", lambda: "new epoch" in again.stderr())
    lab.settle()
    assert again.stop() == 0, again.stderr()
    system.assert_all_is_there()
    system.feed.close()
