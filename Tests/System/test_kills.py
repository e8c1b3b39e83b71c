"""Processes die and hang under load: who is back, how soon, and what the files say."""

import json
import os
import signal
import threading
import time

import pytest

from ibstream import FULL, PATIENCE, check_numbering, wait_for
from test_pipeline import EIGHT, ticks_numbered

ROUNDS = 10 if FULL else 2
# What is promised; a test run on a busy machine gets some more.
BACK_AFTER_KILL = 3
BACK_AFTER_STOP = 10
SLACK = 1 if FULL else 3
# A commit comes each 0.1 s; the rest is for a busy machine and its disk.
LONGEST_PAUSE = 2 if FULL else 3


def system(lab, *simulator):
    sim = lab.simulator("--rate", "5000", "--seed", "11", *simulator)
    config = lab.configure(sim.port, EIGHT)
    up = lab.start("ib-stream", "up", "--config", config)
    wait_for("the first durable ticks", lambda: (lab.run / "durable.sock").exists())
    wait_for("all running", lambda: lab.ib_stream("status", "--config", config, check=None) and
             lab.ib_stream("status", "--config", config, "--json", check=None))
    lab.settle()
    return sim, up, config


def pid_of(lab, service):
    """The pid in the lock of a service that runs, or None."""
    path = lab.run / f"ib-{service}.lock"
    try:
        return int(path.read_text().split()[0])
    except (FileNotFoundError, IndexError, ValueError):
        return None


def alive(pid):
    try:
        state = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def next_durable_tick(lab, since_ns, seconds):
    """Seconds until a tick received after `since_ns` is durable."""
    sub = lab.subscribe("durable.sock", "durable")
    started = time.monotonic()
    try:
        while True:
            left = seconds - (time.monotonic() - started)
            assert left > 0 and sub.poll(left * 1000), f"no durable tick within {seconds} s"
            for value in json.loads(sub.recv_multipart()[1])["streams"].values():
                if value[3] > since_ns:
                    return time.monotonic() - started
    finally:
        sub.close()


class Recording(threading.Thread):
    """Looks on while ticks become durable, and knows the longest time in which none did."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab = lab
        self.pause = 0
        self.reports = 0
        self.ends = threading.Event()

    def run(self):
        sub = self.lab.subscribe("durable.sock", "durable")
        newest, last = {}, None
        while not self.ends.is_set():
            news = False
            # Every second all streams are told again: only a greater key is a sign of life.
            while sub.poll(0 if news else 100):
                for stream, value in json.loads(sub.recv_multipart()[1])["streams"].items():
                    news = news or newest.get(stream, [0, 0]) < value[:2]
                    newest[stream] = value[:2]
            now = time.monotonic()
            if last is not None:
                self.pause = max(self.pause, now - last)
            if news:
                self.reports += 1
                last = now
        sub.close()

    def __enter__(self):
        self.start()
        try:
            wait_for("two reports", lambda: self.reports > 1)
        except AssertionError:
            self.end()
            raise
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self.ends.set()
        self.join(PATIENCE)


@pytest.mark.parametrize("service", ["connector", "recorder"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_killed_and_hung_services_come_back_and_lose_nothing(lab, service, number):
    sim, up, config = system(lab)
    slowest = 0
    for _ in range(ROUNDS):
        pid = wait_for(f"a living {service}", lambda: (p := pid_of(lab, service)) and alive(p) and p)
        # SIGSTOP leaves ticks that were received before it: only later ones prove anything.
        os.kill(pid, number)
        hurt = time.time_ns()
        limit = (BACK_AFTER_KILL if number == signal.SIGKILL else BACK_AFTER_STOP) * SLACK
        took = next_durable_tick(lab, hurt + 50_000_000, limit)
        slowest = max(slowest, took)
        wait_for(f"another {service}", lambda: (p := pid_of(lab, service)) and p != pid and alive(p))
        assert not alive(pid)
        lab.settle()
    print(f"{service} {number.name}: back with a durable tick after {slowest:.2f} s at most")
    lab.settle()
    assert up.stop() == 0, up.stderr()
    for con_id, (_, kinds) in EIGHT.items():
        for kind in kinds:
            check_numbering(lab.records(f"{con_id}.{kind}"))
    lab.ib_stream("verify", "--root", lab.root)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_recording_never_pauses_for_the_watchdog(lab, number):
    sim, up, config = system(lab)
    pids = {s: pid_of(lab, s) for s in ("connector", "recorder", "watchdog")}
    with Recording(lab) as recording:
        for _ in range(ROUNDS):
            watchdog = pid_of(lab, "watchdog")
            os.kill(watchdog, number)
            wait_for("a new watchdog", lambda: (p := pid_of(lab, "watchdog")) and p != watchdog and alive(p))
            # It has taken over what runs, and seen its ticks: the outage is over.
            wait_for("a healthy system under the new watchdog",
                     lambda: lab.control("watchdog", "status")["health"] == "healthy")
    print(f"watchdog {number.name}: {recording.reports} reports, {recording.pause:.2f} s without one at most")
    assert recording.pause < LONGEST_PAUSE
    assert {s: pid_of(lab, s) for s in ("connector", "recorder")} == {
        s: pids[s] for s in ("connector", "recorder")}, "a new watchdog adopts what runs"
    assert lab.numbering()[0] > 0
    # Adopted services are watched like started ones.
    connector = pid_of(lab, "connector")
    os.kill(connector, signal.SIGKILL)
    wait_for("another connector", lambda: (p := pid_of(lab, "connector")) and p != connector and alive(p))
    lab.settle()
    assert up.stop() == 0, up.stderr()
    assert not any(alive(p) for p in pids.values())


def test_when_up_dies_all_stop_in_order_and_nothing_stays_behind(lab):
    sim, up, config = system(lab)
    pids = {s: pid_of(lab, s) for s in ("connector", "recorder", "watchdog")}
    assert all(pids.values())
    up.send(signal.SIGKILL)
    up.wait()
    wait_for("the end of all", lambda: not any(alive(p) for p in pids.values()))
    for con_id, (_, kinds) in EIGHT.items():
        check_numbering(lab.records(f"{con_id}.{kinds[0]}"))
    lab.ib_stream("verify", "--root", lab.root)


def test_a_stopped_up_changes_nothing_and_goes_on(lab):
    sim, up, config = system(lab)
    pids = {s: pid_of(lab, s) for s in ("connector", "recorder", "watchdog")}
    with Recording(lab) as recording:
        up.send(signal.SIGSTOP)
        time.sleep(20 if FULL else 3)  # nothing to wait for: all goes on
        up.send(signal.SIGCONT)
    print(f"up stopped: {recording.reports} reports, {recording.pause:.2f} s without one at most")
    assert recording.pause < LONGEST_PAUSE
    lab.settle()
    assert {s: pid_of(lab, s) for s in pids} == pids
    assert up.stop() == 0, up.stderr()
    assert not any(alive(p) for p in pids.values())


def test_a_clean_stop_leaves_nothing_unflushed(lab):
    sim, up, config = system(lab)
    before = ticks_numbered(lab)
    wait_for("more ticks", lambda: ticks_numbered(lab) > before + 5_000)
    assert up.stop() == 0, up.stderr()
    # What the connector's journal has is on disk.
    for con_id, (_, kinds) in EIGHT.items():
        for kind in kinds:
            check_numbering(lab.records(f"{con_id}.{kind}"))
    lab.ib_stream("verify", "--root", lab.root)


def test_a_recorder_that_is_down_at_the_stop_makes_it_no_clean_one(lab):
    _, up, config = system(lab)
    # It is killed, and refuses to start again, while the connector goes on.
    lab.state.chmod(0o777)
    os.kill(pid_of(lab, "recorder"), signal.SIGKILL)
    wait_for("the refusal", lambda: "refuses its configuration" in up.stderr())
    before = ticks_numbered(lab)
    wait_for("ticks that nobody records", lambda: ticks_numbered(lab) > before + 100)
    assert up.stop() == 1
    assert "ib-recorder did not run at the stop" in up.stderr(), up.stderr()
    assert "stopped, not cleanly" in up.stdout().splitlines()[-1]
    lab.state.chmod(0o750)
    text = lab.ib_stream("audit", "--config", config, check=1)
    assert " records are published and not durable: only the journal may have them" in text, text
    # The journal has them, and an ordinary end has nothing left.
    up = lab.start("ib-stream", "up", "--config", config)
    wait_for("the feed", lambda: (lab.run / "durable.sock").exists() and "new epoch" in up.stderr())
    lab.settle()
    assert up.stop() == 0, up.stderr()
    assert "not_durable" not in lab.ib_stream("gaps", "--config", config, check=1)
    for con_id, (_, kinds) in EIGHT.items():
        for kind in kinds:
            check_numbering(lab.records(f"{con_id}.{kind}"))
