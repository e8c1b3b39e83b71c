"""What is done to the system, when, and undone: a plan drawn from a seed, and its execution.

A plan depends on nothing but the seed and the length, so a run can be repeated. Its execution keeps a timeline with the
real times, which says afterwards what happened around a moment.
"""

import dataclasses
import errno
import os
import pathlib
import random
import signal
import time

CHUNK = 1 << 20

# How often each kind comes in a round of the plan. Every round has all of them, so that a short run has too.
DECK = {
    "kill connector": 2, "kill recorder": 2, "kill watchdog": 1, "stop connector": 1, "stop recorder": 2,
    "restart connector": 1, "drop": 2, "refuse": 1, "stall": 1, "link lost, data lost": 1, "link lost, data kept": 1,
    "farm down": 1, "farm down, streams dead": 1, "disk full": 1, "seal now": 1,
    "history with unreported trades": 2, "history pages told again": 2, "slow disk": 1,
    "socket removed": 3, "all sockets removed": 1, "poisoned tick": 2, "poisoned definition": 1, "configuration broken": 2,
    "clock an hour back": 1, "clock a day ahead": 1, "clock in 2040": 1,
}
# Seconds from a fault's begin to its end, for those that have one. A stalled gateway swallows ticks without a word, so it
# must be silent for as long as the connector needs to notice: 2 s until it asks, and 1.5 s without an answer.
LASTING = {
    "stop connector": (0.2, 9), "stop recorder": (0.2, 9), "refuse": (0.5, 6), "stall": (5, 14),
    "link lost, data lost": (0.2, 6), "link lost, data kept": (0.2, 6), "farm down": (0.2, 6),
    "farm down, streams dead": (0.2, 3), "disk full": (1, 8), "slow disk": (3, 14),
    # What opens gaps comes all the time: their healing falls into these, or begins in one and ends behind it.
    "history with unreported trades": (4, 20), "history pages told again": (4, 20),
    "poisoned definition": (4, 20), "configuration broken": (2, 10),
    "clock an hour back": (2, 12), "clock a day ahead": (2, 12), "clock in 2040": (10, 10),
}
# Faults of one resource do not overlap: the second would undo the first. And a gateway does not stall while the connector is
# stopped: this simulated one swallows ticks then, and nobody would be awake to notice the silence.
RESOURCES = {
    "stop connector": ["connector"], "stop recorder": ["recorder"], "refuse": ["gateway"],
    "stall": ["gateway", "connector"], "link lost, data lost": ["gateway"], "link lost, data kept": ["gateway"],
    "farm down": ["gateway"], "farm down, streams dead": ["gateway"], "disk full": ["disk"],
    "history with unreported trades": ["trades"], "history pages told again": ["pages"],
    "slow disk": ["disk speed"], "poisoned definition": ["definitions"], "configuration broken": ["configuration"],
    "clock an hour back": ["clock"], "clock a day ahead": ["clock"], "clock in 2040": ["clock"],
}
SOCKETS = ["ticks.sock", "replay.sock", "durable.sock", "history.sock", "notify.sock", "up.sock", "connector.sock",
           "recorder.sock", "watchdog.sock"]
SERVICES = ["connector", "recorder", "watchdog"]
# Seconds by which the host's clock is off.
CLOCKS = {"clock an hour back": -3_600, "clock a day ahead": 86_400, "clock in 2040": 420_000_000}
# Of what is lost to undecodable messages, a stream asks history once a minute.
POISON_SECONDS = 62
# What a fault needs that not every machine has.
NEEDS = {"disk full": "mounts", "slow disk": "shims", **dict.fromkeys(CLOCKS, "shims")}
# What a gap's marker may say, by the faults that can be behind it.
CAUSES = {
    "restart": ["kill connector", "stop connector", "restart connector", "configuration broken"],
    "stopped": ["restart connector"],
    "disconnect": ["drop", "refuse", "stall"],
    "gateway silent": ["stall", "stop connector"],
    "reconnect": ["stall", "farm down, streams dead"],
    "no session": ["refuse", "stall"],
    "tws 1100": ["link lost, data lost", "link lost, data kept"],
    "tws 1101": ["link lost, data lost"],
    "tws 1102": ["link lost, data kept"],
    "tws 2103": ["farm down", "farm down, streams dead"],
    "tws 2104": ["farm down", "farm down, streams dead"],
    "silent": ["farm down, streams dead", "farm down", "link lost, data kept", "stall", "stop connector"],
    "resubscribe": ["farm down, streams dead", "stall"],
    # The journal is gone, or has been written over, before the recorder had it all.
    "lost": ["kill recorder", "stop recorder", "disk full", "slow disk", "configuration broken"],
    "undecodable": ["poisoned tick"],
}
# A gap may be opened this long after the fault's end: silence has to be noticed first.
NOTICED_SECONDS = 30


@dataclasses.dataclass
class Fault:
    at: float
    kind: str
    seconds: float
    target: str = ""
    began: float = 0
    ended: float = 0
    note: str = ""

    def line(self, origin):
        """One line of the timeline; times in seconds since the start."""
        text = f"{self.began - origin:7.2f} s  {self.kind}"
        if self.target:
            text += f" ({self.target})"
        if self.ended > self.began + 0.05:
            text += f" until {self.ended - origin:.2f} s"
        return text + (f": {self.note}" if self.note else "")


def make_plan(seed, seconds, farms, mean_seconds, has=("mounts", "shims")):
    """The faults of a run, in order. `farms`: {farm: [streams]}; `has`: what the machine has of `NEEDS`."""
    rng = random.Random(seed)
    plan = []
    busy = {}
    deck = []
    at = 4.0
    while at < seconds - 3:
        if not deck:
            deck = [kind for kind, count in DECK.items() for _ in range(count)]
            rng.shuffle(deck)
        kind = deck.pop()
        # Drawn in any case, so that the rest of the plan does not depend on what is left out.
        low, high = LASTING.get(kind, (0, 0))
        length = round(low + (high - low) * rng.random() ** 2, 3)
        resets = rng.random() < 0.5
        farm = rng.choice(sorted(farms))
        dead = rng.sample(farms[farm], rng.randint(1, len(farms[farm])))
        stream = rng.choice(sorted(name for names in farms.values() for name in names))
        poison = rng.choice(["price", "time"])
        name, service = rng.choice(SOCKETS), rng.choice(SERVICES)
        together = rng.random() < 0.3
        wait = rng.expovariate(1 / mean_seconds)
        resources = [f"poison {stream}"] if kind == "poisoned tick" else RESOURCES.get(kind, [])
        is_possible = NEEDS.get(kind) in (None, *has)
        if is_possible and all(busy.get(name, 0) <= at for name in resources):
            target = {"farm down": farm, "farm down, streams dead": f"{farm} {' '.join(dead)}",
                      "drop": "reset" if resets else "", "socket removed": name, "poisoned tick": f"{stream} {poison}",
                      "poisoned definition": stream.split(".")[0], "configuration broken": service}.get(kind, "")
            plan.append(Fault(round(at, 3), kind, length, target))
            rest = POISON_SECONDS if kind == "poisoned tick" else 0.5
            busy.update((resource, at + length + rest) for resource in resources)
        # Odd pairs: three in ten come together with the one before.
        at += min(0.4, wait) if together else wait
    return plan


class Disk:
    """Fills the file system of a directory with one file, and empties it again."""

    def __init__(self, directory):
        self.path = pathlib.Path(directory) / "filler"

    def fill(self):
        """Takes what is free, down to the last page. Returns the bytes taken now."""
        taken = 0
        with open(self.path, "ab", buffering=0) as file:
            size = CHUNK
            while size >= 4096:
                try:
                    taken += file.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error
                    size //= 2
        return taken

    def empty(self):
        self.path.unlink(missing_ok=True)


class Injector:
    """Carries faults out. `system` is chaos.py's; `disk` may be None."""

    def __init__(self, system, disk):
        self.system = system
        self.disk = disk
        self.done = []
        self.open = []
        self.pids = set()

    def step(self, plan, origin, show):
        """Does all that is due now: ends first, then begins. Returns the plan's rest."""
        now = time.time()
        for fault in [f for f in self.open if now >= f.began + f.seconds]:
            self.end(fault)
            show(fault, "ends")
        while plan and now - origin >= plan[0].at:
            fault = plan.pop(0)
            self.begin(fault)
            show(fault, "begins")
        if any(f.kind == "disk full" for f in self.open):
            self.disk.fill()
        return plan

    def begin(self, fault):
        fault.began = fault.ended = time.time()
        self.done.append(fault)
        kind, _, what = fault.kind.partition(" ")
        if fault.kind in ("kill connector", "kill recorder", "kill watchdog"):
            self.signal(fault, what, signal.SIGKILL)
        elif fault.kind in ("stop connector", "stop recorder"):
            self.signal(fault, what, signal.SIGSTOP)
        elif fault.kind == "restart connector":
            self.signal(fault, what, signal.SIGTERM)
        elif fault.kind == "drop":
            self.system.says(f"drop {fault.target}".strip())
        elif fault.kind == "refuse":
            self.system.says("refuse")
            self.system.says("drop")
        elif fault.kind == "stall":
            self.system.says("stall")
        elif fault.kind.startswith("link lost"):
            self.system.says("error 1100")
        elif fault.kind.startswith("farm down"):
            farm, *dead = fault.target.split()
            self.system.says(f"error 2103 {farm}")
            # A stream that nobody is subscribed to at the moment can't die.
            fault.note = " ".join(f"{s}: {a}" for s in dead if (a := self.system.says(f"silence {s}")) != "ok")
        elif fault.kind == "history with unreported trades":
            self.system.says("history trades all")
        elif fault.kind == "history pages told again":
            self.system.says("history pages again")
        elif fault.kind == "disk full":
            fault.note = f"{self.disk.fill() >> 20} MiB taken"
        elif fault.kind == "slow disk":
            self.system.set_disk_rate(self.system.slow_bytes_per_second)
        elif fault.kind == "seal now":
            fault.note = self.system.seal()
        elif fault.kind == "socket removed":
            fault.note = self.system.remove([fault.target])
        elif fault.kind == "all sockets removed":
            fault.note = self.system.remove(SOCKETS)
        elif fault.kind == "poisoned tick":
            self.system.says(f"poison {fault.target}")
        elif fault.kind == "poisoned definition":
            self.system.says(f"definition {fault.target} impossible")
        elif fault.kind == "configuration broken":
            # Who is to start again finds a file that can't be read.
            self.system.break_configuration()
            service = fault.target
            self.signal(fault, service, signal.SIGKILL)
            fault.target = f"and {service} {fault.target} killed"
        elif fault.kind in CLOCKS:
            self.system.set_clock(CLOCKS[fault.kind])
        else:
            raise AssertionError(f"no such fault: {fault.kind}")
        if fault.kind in LASTING:
            self.open.append(fault)

    def end(self, fault):
        self.open.remove(fault)
        if fault.kind in ("stop connector", "stop recorder"):
            # The watchdog may have replaced it: only the one that was stopped is continued.
            pid = int(fault.target)
            if pid and self.system.is_ours(pid):
                os.kill(pid, signal.SIGCONT)
        elif fault.kind == "refuse":
            self.system.says("accept")
        elif fault.kind == "stall":
            self.system.says("resume")
        elif fault.kind == "link lost, data lost":
            self.system.says("error 1101")
        elif fault.kind == "link lost, data kept":
            self.system.says("error 1102")
        elif fault.kind.startswith("farm down"):
            self.system.says(f"error 2104 {fault.target.split()[0]}")
        elif fault.kind == "history with unreported trades":
            self.system.says("history trades reported")
        elif fault.kind == "history pages told again":
            self.system.says("history pages once")
        elif fault.kind == "disk full":
            self.disk.empty()
        elif fault.kind == "slow disk":
            self.system.set_disk_rate(0)
        elif fault.kind == "poisoned definition":
            self.system.says(f"definition {fault.target} right")
        elif fault.kind == "configuration broken":
            self.system.mend_configuration()
        elif fault.kind in CLOCKS:
            self.system.set_clock(0)
        fault.ended = time.time()

    def signal(self, fault, service, number):
        pid = self.system.pid(service)
        fault.target = str(pid or 0)
        if pid is None:
            fault.note = "it is not there"
            return
        self.pids.add(pid)
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            fault.note = "it is just gone"


def right_times(faults, moment):
    """What a right clock can have shown, from and to, when that of the host, which may have been set off by a fault, showed
    this. While it is set back, receive times stand still at where it left."""
    for fault in faults:
        by = CLOCKS.get(fault.kind)
        if by and fault.began - 1 <= moment - by <= fault.ended + 1:
            return moment - by, moment - by
        if by and by < 0 and abs(moment - fault.began) <= 1:
            return moment, max(moment, fault.ended)
    return moment, moment


def explains(faults, cause, opened, closed=None):
    """The faults that a gap of this cause, opened at this time of the host's clock (Unix seconds), can come from; of one that
    had several causes before it was closed, also those that came later."""
    kinds = CAUSES.get(cause, [])
    opened, latest = right_times(faults, opened)
    if closed:
        latest = max(latest, right_times(faults, closed)[1])
    return [f for f in faults if f.kind in kinds and f.began - 1 <= latest and opened <= f.ended + NOTICED_SECONDS]
