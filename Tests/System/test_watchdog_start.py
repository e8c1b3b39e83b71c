"""A watchdog that can't start stops nothing, and a configuration edited under a running system is taken by nobody."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

import pytest
import zmq

from ibstream import BIN, PATIENCE, SANITIZED, quiet_port, wait_for
from test_up import get

PROGRAMS = ["ib-stream", "ib-watchdog", "ib-connector", "ib-recorder", "ib-simulator"]

pytestmark = pytest.mark.skipif(bool(SANITIZED), reason="one flavour is enough")


@pytest.fixture
def programs():
    """Programs of the test's own, which it may take away: names beside the real ones, since each looks where it lies."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="own-", dir=BIN))
    for name in PROGRAMS:
        os.link(BIN / name, folder / name)
    yield folder
    shutil.rmtree(folder)


class System:
    """`ib-stream up --simulate` with a configuration file, its health pages at a known port."""

    def __init__(self, lab, folder=BIN, more=""):
        self.lab = lab
        self.folder = folder
        self.port = quiet_port()
        self.file = lab.folder / "ib-stream.yaml"
        self.text = f"watchdog: {{http: '127.0.0.1:{self.port}'}}\n{more}"
        self.file.write_text(self.text)
        self.up = lab.start(folder / "ib-stream", "up", "--simulate", "--config", self.file, "--root", lab.root)
        self.healthy()

    def run(self, *arguments):
        return subprocess.run([self.folder / "ib-stream", *arguments, "--simulate", "--root", self.lab.root],
                              capture_output=True, text=True, timeout=PATIENCE)

    def status(self):
        answer = self.run("status", "--json").stdout
        return json.loads(answer) if answer else {"health": "none", "reasons": [], "services": {}, "streams": {}}

    def healthy(self):
        wait_for(f"health: {self.status()}", lambda: self.status()["health"] == "healthy")

    def says(self, *words):
        """Waits until one of health's reasons has all the words; returns status."""
        def found():
            status = self.status()
            return status if any(all(w in r for w in words) for r in status["reasons"]) else None
        return wait_for(f"{words} in {self.status()}", found)

    def pid(self, name):
        return int((self.lab.simulated_run / f"{name}.lock").read_text().split()[0])

    def services(self):
        return self.pid("ib-connector"), self.pid("ib-recorder")

    def durable(self):
        """Durable keys of all streams, added."""
        sub = self.lab.zmq.socket(zmq.SUB)
        try:
            sub.subscribe("durable")
            sub.connect(f"ipc://{self.lab.simulated_run}/durable.sock")
            assert sub.poll(PATIENCE * 1000), "no durable report"
            return sum(value[0] << 32 | value[1] for value in json.loads(sub.recv_multipart()[1])["streams"].values())
        finally:
            sub.close()

    def records(self):
        """Recording goes on."""
        before = self.durable()
        wait_for("durable ticks", lambda: self.durable() > before)

    def lose_watchdog(self, meanwhile):
        """Kills the watchdog, and does something before another can start."""
        pid = self.pid("ib-watchdog")
        self.up.send(signal.SIGSTOP)
        try:
            os.kill(pid, signal.SIGKILL)
            # A zombie without other threads: its descriptors are closed.
            wait_for("its end", lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
                     and len(os.listdir(f"/proc/{pid}/task")) <= 1)
            return meanwhile()
        finally:
            self.up.send(signal.SIGCONT)

    def told(self, text, times=1):
        wait_for(f"{text!r} {times} times", lambda: self.up.stdout().count(text) >= times)

    def watchdog_returns(self, old):
        wait_for("another watchdog", lambda: self.pid("ib-watchdog") != old)
        self.healthy()


def test_a_watchdog_that_can_not_start_stops_nothing(lab, programs):
    system = System(lab, programs)
    services = system.services()
    program = programs / "ib-watchdog"
    away = programs / "away"

    # The health port is taken meanwhile: a watchdog that judges and restarts, and red health with the reason.
    with system.lose_watchdog(lambda: socket.create_server(("127.0.0.1", system.port))):
        status = system.says("health pages can't listen", str(system.port), "in use")
        assert status["health"] == "down" and status["http"] is None
        assert all(service["up"] for service in status["services"].values())
        os.kill(system.pid("ib-recorder"), signal.SIGKILL)
        wait_for("another recorder", lambda: system.services()[1] != services[1])
        system.records()
    system.healthy()
    wait_for("health 200", lambda: get(f"http://127.0.0.1:{system.port}/health")[0] == 200)
    assert system.services()[0] == services[0]
    services = system.services()

    def replaced_by(script):
        program.rename(away)
        if script:
            program.write_text(script)
            program.chmod(0o755)

    # The program is missing, refuses, ends, or dies: what runs goes on, each try is said, and the next good one stays.
    for script, words in [(None, "No such file or directory"), ("#!/bin/sh\nexit 78\n", "exit status 78"),
                          ("#!/bin/sh\nexit 0\n", "exit status 0"), ("#!/bin/sh\nkill -9 $$\n", "SIGKILL")]:
        old = system.pid("ib-watchdog")
        before = system.up.stdout().count("unjudged; trying again")
        system.lose_watchdog(lambda: replaced_by(script))
        system.told("unjudged; trying again", before + 2)
        assert words in system.up.stdout()
        assert system.up.running()
        system.records()
        away.replace(program)
        system.watchdog_returns(old)
        assert system.services() == services, words

    # The file saved with an error, or moved away, and what is kept of it in the runtime directory damaged or removed.
    running = lab.simulated_run / "running.yaml"
    kept = running.read_text()
    for spoil, words in [(lambda: system.file.write_text("tws: ["), ("ib-stream.yaml:", "not valid YAML")),
                         (lambda: system.file.unlink(), ("ib-stream.yaml", "No such file")),
                         (lambda: running.write_text("tws: ["), ()), (lambda: running.unlink(), ())]:
        old = system.pid("ib-watchdog")
        system.lose_watchdog(spoil)
        wait_for("another watchdog", lambda: system.pid("ib-watchdog") != old)
        if words:
            system.says(*words)
            wait_for("degraded, no more", lambda: system.status()["health"] == "degraded")
            wait_for("health 200", lambda: get(f"http://127.0.0.1:{system.port}/health")[0] == 200)
        system.file.write_text(system.text)
        system.healthy()
        assert system.services() == services and running.read_text() == kept
        system.records()

    assert system.up.stop() == 0, system.up.stderr()
    assert system.run("verify").returncode == 0
    gaps = json.loads(system.run("gaps", "--all", "--json").stdout)
    assert [gap for gap in gaps["gaps"] if gap["cause"] != "stopped"] == [], "none but the one that the end has opened"


def test_nobody_takes_a_part_of_an_edited_configuration(lab):
    mnq, aapl, es = ("{con_id: 711280073, symbol: MNQ, ticks: [bid_ask]}", "{con_id: 265598, symbol: AAPL, ticks: [last]}",
                     "{con_id: 620731015, symbol: ES, ticks: [last]}")
    system = System(lab, more=f"contracts: [{mnq}, {aapl}]\n")
    status = system.status()
    ran = status["config"]
    assert {service["config"] for service in status["services"].values()} == {ran}
    system.file.write_text(system.text.replace(f"[{mnq}, {aapl}]", f"[{mnq}, {es}]"))
    system.says(str(system.file), "not the one that runs", ran, "end 'ib-stream up' and start it again")
    wait_for("degraded, no more", lambda: system.status()["health"] == "degraded")
    # Whoever starts again alone goes on with what the system was started with.
    for name in ("ib-connector", "ib-recorder", "ib-watchdog"):
        old = system.pid(name)
        os.kill(old, signal.SIGKILL)
        wait_for(f"another {name}", lambda: system.pid(name) != old)
        system.records()
    status = wait_for("all of one configuration", lambda: (
        lambda s: s if [v["config"] for v in s["services"].values()] == [ran, ran] and s["config"] == ran
        and s["health"] == "degraded" and all(v["state"] == "live" for v in s["streams"].values()) else None)(system.status()))
    assert sorted(status["streams"]) == ["265598.last", "711280073.bid_ask"]
    assert any("not the one that runs" in reason for reason in status["reasons"])
    assert system.up.stop() == 0, system.up.stderr()
    recorded = json.loads(system.run("ls", "--json").stdout)["streams"]
    assert all(not v["ticks"] for name, v in recorded.items() if "620731015" in name), "nothing of the new contract"
    # The operator's restart takes it.
    system.up = lab.start("ib-stream", "up", "--simulate", "--config", system.file, "--root", lab.root)
    system.healthy()
    assert sorted(system.status()["streams"]) == ["620731015.last", "711280073.bid_ask"]
    assert system.status()["config"] != ran
    assert system.up.stop() == 0, system.up.stderr()


def read_until_closed(receiver):
    while receiver.recv(4096):
        pass


def test_services_that_read_the_file_themselves_are_compared(lab):
    """As below systemd: each unit reads the file at its own start, and a difference is said."""
    sim = lab.simulator("--rate", "200")
    config = lab.configure(sim.port, {711280073: ("MNQ", ["bid_ask"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    systemd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    systemd.bind(str(lab.folder / "systemd.sock"))
    # Systemd reads what it is told; a full queue would hold up whoever tells it.
    reader = threading.Thread(target=read_until_closed, args=(systemd,), daemon=True)
    reader.start()
    watchdog = lab.start("ib-watchdog", "--config", config,
                         env={"NOTIFY_SOCKET": str(lab.folder / "systemd.sock"), "INVOCATION_ID": "1"})

    def reasons():
        result = subprocess.run([BIN / "ib-stream", "status", "--json", "--config", config], capture_output=True, text=True)
        status = json.loads(result.stdout or "{}")
        return status.get("health"), status.get("reasons", [])

    wait_for("health", lambda: reasons()[0] == "healthy")
    config.write_text(config.read_text() + "source: 0\n# says the same\n")
    assert connector.stop() == 0
    connector = lab.connector(config)
    wait_for("health", lambda: reasons()[0] == "healthy")
    config.write_text(config.read_text() + "recorder: {hold_back: 65MiB}\n")
    wait_for("a word on the file", lambda: any("not the one that runs" in reason for reason in reasons()[1]))
    assert connector.stop() == 0
    connector = lab.connector(config)
    way_out = "systemctl restart ib-recorder ib-connector ib-watchdog"
    wait_for("a word on the connector", lambda: any(
        "ib-connector runs with another configuration" in reason and way_out in reason for reason in reasons()[1]))
    wait_for("degraded, no more", lambda: reasons()[0] == "degraded")
    assert watchdog.stop() == 0
    # With all of one configuration again there is nothing to say.
    assert recorder.stop() == 0
    lab.recorder(config)
    lab.start("ib-watchdog", "--config", config,
              env={"NOTIFY_SOCKET": str(lab.folder / "systemd.sock"), "INVOCATION_ID": "1"})
    wait_for("health", lambda: reasons()[0] == "healthy")
    lab.end()
    systemd.shutdown(socket.SHUT_RD)
    reader.join()
    systemd.close()
