"""The gateways that a run can be held against: ib-simulator, and the one of Tests/Adversary, which shares nothing with the
product. Both take the same commands, and both leave what their market did in the columns of an export."""

import csv
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Adversary"))

from adversary import Adversary, compare  # noqa: E402
from adversary.truth import FIELDS  # noqa: E402

COLUMNS = ["stream", "epoch", "seq", "ts_event", "ts_recv", "kind", "flags", *FIELDS, "field", "value", "code", "text",
           "position", "operation", "side"]
# What the adversary's markets do a second, all together, at speed 1.
ADVERSARY_RATE = 400


class Simulated:
    """ib-simulator: fast, and written by those who wrote the product."""

    def __init__(self, lab, seed, rate, names):
        self.lab = lab
        self.history = lab.folder / "history.csv"
        self.process = lab.simulator(
            "--rate", rate, "--seed", seed, "--history", self.history, "--warm-up", 5, "--keep", 20_000_000,
            "--last-unreported")
        self.port = self.process.port

    def says(self, command):
        return self.lab.simulator_says(command)

    def running(self):
        return self.process.running()

    def stop(self):
        """Ends the market; what went wrong with it."""
        status = self.process.stop()
        return f"ib-simulator ended with {status}: {self.process.stderr()[-300:]}" if status else ""

    def differences(self, exports):
        """What a comparison of its own finds: there is none beside that of truth.py."""
        return []


class Independent:
    """The gateway of Tests/Adversary: its own reading of the protocol, its own market, its own comparison."""

    def __init__(self, lab, seed, rate, names):
        self.names = names
        self.truth = lab.folder / "truth"
        self.history = lab.folder / "history.csv"
        self.gateway = Adversary(
            self.truth, seed=seed, speed=rate / ADVERSARY_RATE, warm_up=5,
            faults={"tick_by_tick_lines": len(names), "requests_per_second": 1000, "live_unreported_last": True,
                    "history_without_unreported": True}).start()
        self.port = self.gateway.port

    def says(self, command):
        """One command of the simulator's control socket, done here."""
        verb, _, rest = command.partition(" ")
        do = self.gateway.do
        if verb == "drop":
            do("drop", reset=rest == "reset")
        elif verb in ("refuse", "accept", "stall", "resume"):
            do(verb)
        elif verb == "silence":
            return "ok" if do("silence", streams=[rest]) else "not subscribed"
        elif verb == "history":
            self.history_fault(rest)
        elif verb == "error":
            self.error(*rest.split())
        else:
            raise AssertionError(f"no such command: {command}")
        return "ok"

    def history_fault(self, what):
        name, value = {
            "trades all": ("history_without_unreported", "sometimes"),
            "trades reported": ("history_without_unreported", True),
            "pages again": ("history_repeat", "backwards"), "pages once": ("history_repeat", None),
        }[what]
        self.gateway.faults[name] = value

    def error(self, code, farm=""):
        do = self.gateway.do
        actions = {"1100": lambda: do("link_lost"), "1101": lambda: do("link_restored", lost=True),
                   "1102": lambda: do("link_restored"), "2103": lambda: do("farm_down", farm=farm),
                   "2104": lambda: do("farm_up", farm=farm)}
        actions[code]()

    def running(self):
        return self.gateway.thread.is_alive()

    def stop(self):
        try:
            self.gateway.do("pause")
            complaints = self.gateway.complaints
            self.gateway.stop()
        except AssertionError as error:
            return f"the adversary failed: {error} {error.__cause__!r}"
        self.write_history()
        return f"the client broke the gateway's rules: {complaints[:5]}" if complaints else ""

    def write_history(self):
        """All that the markets did, as an export has it."""
        with open(self.history, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for row in compare.read(self.truth / "market.csv"):
                stream = f"{row['con_id']}.{row['kind']}"
                if stream in self.names and row["live"] == "1" and row["route"] != "OVERNIGHT":
                    writer.writerow([stream, "", "", compare.moment(int(row["second"])), "", row["kind"], row["mask"],
                                     *(row[name] for name in FIELDS), "", "", "", "", "", "", ""])

    def differences(self, exports):
        reports = compare.compare_folders(self.truth, exports, self.names, lossy=True)
        return [str(r) for r in reports if not r.is_exact]


GATEWAYS = {"simulator": Simulated, "adversary": Independent}
# The adversary is a Python program: it is held to what one core of it can do beside the system.
RATES = {"simulator": 5_000, "adversary": 1_500}
