"""Somebody removes the files of sockets: everybody is found again, nobody is restarted, nothing is lost."""

import os
import resource
import signal

from ibstream import SANITIZED, check_numbering, wait_for
from test_kills import pid_of, system
from test_pipeline import EIGHT

SOCKETS = [
    "ticks.sock", "replay.sock", "durable.sock", "history.sock", "notify.sock", "up.sock", "connector.sock",
    "recorder.sock", "watchdog.sock",
]
SERVICES = ["connector", "recorder", "watchdog"]


def test_removed_sockets_come_back_and_nothing_is_lost(lab):
    _, up, config = system(lab)
    pids = {name: pid_of(lab, name) for name in SERVICES}
    for name in SOCKETS:
        (lab.run / name).unlink()
        wait_for(f"{name} to come back", (lab.run / name).exists)
    for name in SOCKETS:
        (lab.run / name).unlink()
    wait_for("all of them to come back", lambda: all((lab.run / name).exists() for name in SOCKETS))
    # Who starts now finds the feed, the journal and the watchdog by their files alone.
    os.kill(pids["recorder"], signal.SIGKILL)
    wait_for("another recorder", lambda: pid_of(lab, "recorder") not in (None, pids["recorder"]))
    lab.settle()
    wait_for("green health", lambda: lab.try_status(config) == 0)
    assert {name: pid_of(lab, name) for name in ["connector", "watchdog"]} == {
        name: pids[name] for name in ["connector", "watchdog"]}, "nobody was restarted for a file"
    assert up.stop() == 0, up.stderr()
    for con_id, (_, kinds) in EIGHT.items():
        for kind in kinds:
            assert check_numbering(lab.records(f"{con_id}.{kind}")) == {}, "nothing was lost"


def test_too_few_descriptors_are_refused_with_the_figure(lab):
    config = lab.configure(1, {711280073: ("MNQ", ["bid_ask"])})

    def few():
        resource.setrlimit(resource.RLIMIT_NOFILE, (160, 160))

    for program in ["ib-connector", "ib-recorder", "ib-watchdog"]:
        process = lab.start(program, "--config", config, preexec_fn=few)
        assert process.wait() == 78
        assert "160 file descriptors are too few" in process.stderr()


def test_a_low_soft_limit_is_raised(lab):
    if SANITIZED:
        return

    def low():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    recorder = lab.start("ib-recorder", "--config", lab.configure(1, {711280073: ("MNQ", ["last"])}), preexec_fn=low)
    assert lab.control("recorder", "ping", nonce="x")["nonce"] == "x"
    assert recorder.stop() == 0
