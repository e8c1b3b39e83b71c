"""A system against the gateway of Tests/Adversary, and the comparison of its recording with that gateway's truth."""

import json
import socket
import sys
import time

from ibstream import REPOSITORY, wait_for

sys.path.insert(0, str(REPOSITORY / "Tests" / "Adversary"))

from adversary import Adversary, compare  # noqa: E402

MNQ, AAPL, EUR, BTC, ODD, CFD, BOND = 711280073, 265598, 12087792, 479624278, 7, 118089500, 15960357
STREAMS = {
    MNQ: ("MNQ", ["bid_ask", "last"]),
    AAPL: ("AAPL", ["all_last", "mid_point"]),
}
FAST = "heal:\n  requests_per_10min: 6000\n  identical: 0s\n  per_contract_2s: 100\n"
GONE = "TWS disconnection detected, clearing active streams"


class Run:
    """Gateway, recorder and connector of one test; with `up` the whole system, as `ib-stream up` starts it."""

    def __init__(self, lab, streams=STREAMS, tws=(), more=FAST, faults=None, exchanges=None, ready=True, up=False,
                 start=True, **options):
        self.lab = lab
        self.streams = streams
        self.truth = lab.folder / "truth"
        self.names = sorted(f"{con_id}.{kind}" for con_id, (_, kinds) in streams.items() for kind in kinds)
        faults = {"tick_by_tick_lines": len(self.names), **(faults or {})}
        self.gateway = Adversary(self.truth, faults=faults, **{"warm_up": 3, "unreported": 0, **options}).start()
        lab.processes.append(self)
        self.config = lab.configure(self.gateway.port, streams, tws=tws, more=more)
        for con_id, exchange in (exchanges or {}).items():
            entry = f"  - con_id: {con_id}\n"
            self.config.write_text(self.config.read_text().replace(entry, f"{entry}    exchange: {exchange}\n"))
        self.is_up = up
        if start:
            if up:
                self.up = lab.start("ib-stream", "up", "--config", self.config)
            else:
                self.recorder = lab.recorder(self.config)
                self.connector = lab.connector(self.config)
            if ready:
                self.wait_ticks()

    # What the lab asks of its processes.
    name = "adversary"

    def stderr(self):
        return "\n".join(self.gateway.gateway.complaints)

    def end(self):
        self.gateway.stop()

    # The system

    def log(self):
        """What the connector has said."""
        return self.up.stderr() + self.up.stdout() if self.is_up else self.connector.stderr()

    def states(self):
        try:
            return self.lab.control("connector", "streams").get("streams", {})
        except AssertionError:
            return {}

    def ticks(self):
        return {name: state["ticks"] for name, state in self.states().items()}

    def delivered(self):
        """{stream: live ticks that its subscription has brought}."""
        return self.gateway.status()["delivered"]

    def wait_ticks(self, count=5, names=None, seconds=60):
        """Waits until each of these streams has brought so many ticks more, and none has an open gap."""
        names = names or self.names
        wait_for("the connector", lambda: (self.lab.run / "connector.sock").exists(), seconds)
        before = self.ticks()

        def flow():
            # The gateway's word first: the connector may not know yet that it has been dropped.
            put = self.delivered()
            states = self.states()
            return all(put.get(name, 0) >= count and name in states and not states[name]["gap_open"]
                       and states[name]["ticks"] >= before.get(name, 0) + count for name in names)

        wait_for(f"{count} ticks of {names}", flow, seconds, 0.05)

    def away(self, seconds):
        """The gateway is not to be had for a while."""
        self.gateway.do("refuse")
        self.gateway.do("drop")
        time.sleep(seconds)
        self.gateway.do("accept")
        self.wait_ticks()

    def wait_requests(self, count, number, seconds=60, matching=lambda fields: True):
        """Waits until clients have sent so many requests of this kind since the start."""
        wait_for(f"{count} requests {number}",
                 lambda: sum(matching(r[3]) for r in self.gateway.requests(number)) >= count, seconds, 0.1)

    def is_subscribed(self):
        """True when the subscriptions at the gateway are the streams wanted: each once."""
        return self.gateway.status()["subscriptions"] == self.names

    def gaps(self, *more, check=None):
        return json.loads(self.lab.ib_stream("gaps", "--json", "--all", "--root", self.lab.root, *more, check=check))

    def gap_states(self):
        """{stream: states of its gaps}."""
        states = {name: [] for name in self.names}
        for gap in self.gaps()["gaps"]:
            states[gap["stream"]].append(gap["state"])
        return states

    def wait_healed(self, least=1, names=None, seconds=60):
        """Waits until each of these streams has had so many gaps, and all of them are healed: those of trades as far
        as anybody can know that history had all of it."""
        names = set(names or self.names)

        def is_healed():
            return all(len(states) >= least and set(states) <= {"healed", *(["subset"] if "last" in name else [])}
                       for name, states in self.gap_states().items() if name in names)

        wait_for("healed gaps", is_healed, seconds, 0.3)

    def start(self, service):
        setattr(self, service, getattr(self.lab, service)(self.config))

    def status(self):
        """What the watchdog says, or {} while it says nothing."""
        text = self.lab.ib_stream("status", "--json", "--config", self.config, check=None)
        return json.loads(text) if text.startswith("{") else {}

    def wait_health(self, what, condition, seconds=60):
        """Waits until the watchdog's word fulfils a condition, and returns it."""
        last = {}

        def is_so():
            nonlocal last
            last = self.status()
            return bool(last) and condition(last)

        try:
            wait_for(what, is_so, seconds, 0.3)
        except AssertionError as error:
            states = {name: (s["state"], s["reason"]) for name, s in last.get("streams", {}).items()}
            raise AssertionError(f"{error}: {last.get('health')}, {last.get('reasons')}, {states}") from None
        return last

    def wait_live(self, names=None):
        """Waits until the watchdog calls every stream, or these, live: the system's, or one that only looks, as below systemd."""
        def is_live(status):
            return all(status["streams"].get(name, {}).get("state") == "live" for name in names or self.names)

        if self.is_up:
            return self.wait_health("live streams", is_live)
        told = self.lab.folder / "systemd.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.bind(str(told))
            watcher = self.lab.start("ib-watchdog", "--config", self.config,
                                     env={"NOTIFY_SOCKET": str(told), "INVOCATION_ID": "test"})
            status = self.wait_health("live streams", is_live)
            assert watcher.stop() == 0, watcher.stderr()
        told.unlink()
        return status

    def stop(self):
        """The gateway ends first, so that truth and recording end with the same tick."""
        before = self.log().count(GONE)
        self.gateway.do("pause")
        self.gateway.stop()
        wait_for("the end of the session", lambda: self.log().count(GONE) > before)
        self.lab.settle()
        for process in [self.up] if self.is_up else [self.connector, self.recorder]:
            assert process.stop() == 0, process.stderr()

    def reports(self, route=None):
        out = self.lab.folder / "export"
        self.lab.ib_stream("export", "--format", "csv", "--no-markers", "--root", self.lab.root, "--out", out)
        return compare.compare_folders(self.truth, out, self.names, route)

    def check(self, least=20, complaints=False, route=None, live=None):
        """Every stream, or those that are wanted still, is live; then stops all: each is exactly what the market did, and the
        client kept the gateway's rules."""
        wait_for(f"{least} ticks of every stream", lambda: min(self.delivered().values()) >= least)
        self.wait_live(live)
        if not complaints:
            assert self.gateway.complaints == []
        self.stop()
        self.lab.ib_stream("verify", "--root", self.lab.root)
        reports = self.reports(route)
        assert all(r.is_exact for r in reports), "\n".join(map(str, reports))
        assert all(r.recorded >= least for r in reports), "\n".join(map(str, reports))
        return reports
