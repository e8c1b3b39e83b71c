"""The gateways that a run can be held against: ib-simulator, and the one of Tests/Adversary, which shares nothing with the
product. Both take the same commands, and both leave what their market did in the columns of an export."""

import csv
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Adversary"))

import truth  # noqa: E402
from adversary import Adversary, compare  # noqa: E402
from adversary.messages import FIELD_OF  # noqa: E402
from adversary.truth import FIELDS  # noqa: E402
from adversary.wire import frame  # noqa: E402

COLUMNS = ["stream", "epoch", "seq", "ts_event", "ts_recv", "kind", "flags", *FIELDS, "field", "value", "code", "text",
           "position", "operation", "side"]
# What the adversary's markets do a second, all together, at speed 1.
ADVERSARY_RATE = 400
NO_TIME = "99999999999999999999"
# An id that no request of ours has.
NO_REQUEST = 2_000_000_000


def poison_of(stream, what):
    """{field: text} of a tick that is none: a price that is no number, or a time that is no time."""
    return {FIELD_OF[stream.split(".")[1]][1]: "nan"} if what == "price" else {"time": NO_TIME}


class Simulated:
    """ib-simulator: fast, and written by those who wrote the product."""

    def __init__(self, lab, seed, rate, names):
        self.lab = lab
        self.names = set(names)
        self.history = lab.folder / "history.csv"
        self.truth_file = lab.folder / "truth.csv"
        self.process = lab.simulator(
            "--rate", rate, "--seed", seed, "--history", self.history, "--truth", self.truth_file, "--warm-up", 5, "--keep", 20_000_000,
            "--last-unreported")
        self.port = self.process.port

    def says(self, command):
        verb, _, rest = command.partition(" ")
        if verb == "poison":
            # It spoils no tick of its own; one message more can't be read.
            return self.raw(99, NO_REQUEST, 4, *(("", "nan") if rest.endswith("price") else (NO_TIME, "1.5")))
        if verb == "definition":
            return self.raw(10, NO_REQUEST, "MNQ", "FUT", "half", "none") if rest.endswith("impossible") else "ok"
        return self.lab.simulator_says(command)

    def raw(self, *fields):
        return self.lab.simulator_says(f"raw {frame(*fields).hex()}")

    def sent(self, witness):
        """{stream: [(tick, latest moment of sending)]}."""
        return truth.read_sent(self.truth_file, self.names, witness.sent_by)

    def running(self):
        return self.process.running()

    def stop(self):
        """Ends the market; what went wrong with it."""
        status = self.process.stop()
        return f"ib-simulator ended with {status}: {self.process.stderr()[-300:]}" if status else ""

    def differences(self, exports, away):
        """What a comparison of its own finds: there is none beside that of truth.py. `away`: {stream: seconds out of the configuration}."""
        return []


class Independent:
    """The gateway of Tests/Adversary: its own reading of the protocol, its own market, its own comparison."""

    def __init__(self, lab, seed, rate, names):
        self.names = names
        self.truth = lab.folder / "truth"
        self.truth_file = self.truth / "sent.csv"
        self.history = lab.folder / "history.csv"
        self.gateway = Adversary(
            self.truth, seed=seed, speed=rate / ADVERSARY_RATE, warm_up=5,
            faults={"tick_by_tick_lines": len(names), "requests_per_second": 1000, "live_unreported_last": True,
                    "history_without_unreported": True}).start()
        self.port = self.gateway.port
        # The next way in which history repeats itself.
        self.repeats = ["early", "backwards"]
        # The ways in which history ends with a trading day, by turns: the last tick again, nothing, and the begin of a day too.
        self.day_ends = [(False, False), (True, False), (True, True)]

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
        elif verb == "poison":
            stream, what = rest.split()
            self.gateway.faults["poison_tick"] = {stream: poison_of(stream, what)}
        elif verb == "definition":
            con_id, what = rest.split()
            self.gateway.faults["definition_impossible_field"] = (
                {"con_id": int(con_id), "field": "price_magnifier", "value": "0.01"} if what == "impossible" else None)
        else:
            raise AssertionError(f"no such command: {command}")
        return "ok"

    def day_ends_at(self, second):
        """Once over, a day stays over."""
        faults = self.gateway.faults
        faults["history_day_end"] = [*(faults["history_day_end"] or []), second]
        faults["history_day_empty"], faults["history_day_behind"] = self.day_ends[0]
        self.day_ends.append(self.day_ends.pop(0))

    def history_fault(self, what):
        if what.startswith("day "):
            self.day_ends_at(int(what.removeprefix("day ")))
            return
        name, value = {
            "trades all": ("history_without_unreported", "sometimes"),
            "trades reported": ("history_without_unreported", True),
            "pages again": ("history_repeat", self.repeats[0]), "pages once": ("history_repeat", None),
        }[what]
        if what == "pages again":
            self.repeats.reverse()
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

    def sent(self, _):
        """{stream: [(tick, moment of sending)]}: its truth has the times. A poisoned message is no tick."""
        found = {name: [] for name in self.names}
        for row in compare.read(self.truth_file):
            stream = f"{row['con_id']}.{row['kind']}"
            if stream in found and not row["note"]:
                text = ",".join(row[name] for name in FIELDS) + f",,,,,,,|{row['mask']}"
                found[stream].append(((int(row["second"]), text), int(row["wall"]) / 1e9))
        return found

    def differences(self, exports, away):
        reports = compare.compare_folders(self.truth, exports, self.names, lossy=True, away=away)
        return [str(r) for r in reports if not r.is_exact]


GATEWAYS = {"simulator": Simulated, "adversary": Independent}
# The adversary is a Python program: it is held to what one core of it can do beside the system.
RATES = {"simulator": 5_000, "adversary": 1_500}
