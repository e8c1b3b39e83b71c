"""What is done to the system and when: a plan drawn from a seed; and what a fault explains afterwards.

A plan depends on nothing but the seed and the length, so a run can be repeated. Its execution (`injector.py`) keeps a timeline
with the real times, which says afterwards what happened around a moment.
"""

import dataclasses
import random

# How often each kind comes in a round of the plan. Every round has all of them, so that a short run has too.
DECK = {
    "kill connector": 2, "kill recorder": 2, "kill watchdog": 1, "stop connector": 1, "stop recorder": 2,
    "restart connector": 1, "drop": 2, "refuse": 1, "stall": 1, "link lost, data lost": 1, "link lost, data kept": 1,
    "farm down": 1, "farm down, streams dead": 1, "disk full": 1, "seal now": 1,
    "history with unreported trades": 2, "history pages told again": 2, "slow disk": 1,
    "socket removed": 3, "all sockets removed": 1, "poisoned tick": 2, "poisoned definition": 1, "configuration broken": 2,
    "clock an hour back": 1, "clock a day ahead": 1, "clock in 2040": 1,
    "clock 10 minutes behind": 1, "clock 2 hours behind": 1, "clock an hour ahead": 1,
    "day end in history": 2, "contract removed": 1, "cleaner": 2, "fallocate refused": 1, "durable data destroyed": 1,
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
    "clock 10 minutes behind": (3, 15), "clock 2 hours behind": (3, 15), "clock an hour ahead": (3, 15),
    # The gateway is away for so long, and in the middle of it a trading day ends.
    "day end in history": (2, 7),
    "contract removed": (3, 12), "fallocate refused": (4, 15),
}
# These stop and start the whole system: so many seconds more until the next fault of their resources.
STOPPING = {"contract removed": 20, "durable data destroyed": 15}
# What may keep a service from ending in order.
HINDERING = {"kill connector", "kill recorder", "kill watchdog", "stop connector", "stop recorder", "disk full", "slow disk",
             "configuration broken", "fallocate refused", "clock 10 minutes behind", "clock 2 hours behind", "clock an hour ahead"}
# Faults of one resource do not overlap: the second would undo the first. And a gateway does not stall while the connector is
# stopped: this simulated one swallows ticks then, and nobody would be awake to notice the silence.
RESOURCES = {
    "stop connector": ["connector"], "stop recorder": ["recorder"], "refuse": ["gateway"],
    "stall": ["gateway", "connector"], "link lost, data lost": ["gateway"], "link lost, data kept": ["gateway"],
    "farm down": ["gateway"], "farm down, streams dead": ["gateway"], "disk full": ["disk"],
    "history with unreported trades": ["trades"], "history pages told again": ["pages"],
    "slow disk": ["disk speed"], "poisoned definition": ["definitions"], "configuration broken": ["configuration"],
    "day end in history": ["gateway"], "fallocate refused": ["calls"],
    # Nothing that keeps a system from stopping in order, and nothing that must not be edited twice.
    "contract removed": ["connector", "recorder", "disk", "disk speed", "configuration", "clock"],
    "durable data destroyed": ["connector", "recorder", "disk", "disk speed", "configuration"],
}
SOCKETS = ["ticks.sock", "replay.sock", "durable.sock", "history.sock", "notify.sock", "up.sock", "connector.sock",
           "recorder.sock", "watchdog.sock"]
SERVICES = ["connector", "recorder", "watchdog"]
# Seconds by which the host's clock is off; those of `STARTED_WRONG` may have a service start with it.
CLOCKS = {"clock an hour back": -3_600, "clock a day ahead": 86_400, "clock in 2040": 420_000_000,
          "clock 10 minutes behind": -600, "clock 2 hours behind": -7_200, "clock an hour ahead": 3_600}
STARTED_WRONG = {"clock 10 minutes behind", "clock 2 hours behind", "clock an hour ahead"}
RESOURCES.update((kind, ["clock"]) for kind in CLOCKS)
# What a file system says that can't reserve room: EOPNOTSUPP, EINVAL, ENOSYS.
REFUSALS = [95, 22, 38]
# Of what is lost to undecodable messages, a stream asks history once a minute.
POISON_SECONDS = 62
# What a fault needs that not every machine has.
NEEDS = {"disk full": "mounts", "slow disk": "shims", "fallocate refused": "shims", "cleaner": "cleaner",
         **dict.fromkeys(CLOCKS, "shims")}
# All that a machine may have of it.
ALL = ("mounts", "shims", "cleaner")
# What makes answers that contradict themselves.
UNBELIEVABLE = {"history pages told again"}
# What a gap's marker may say, by the faults that can be behind it.
CAUSES = {
    "restart": ["kill connector", "stop connector", "restart connector", "configuration broken", "fallocate refused",
                *STOPPING, *STARTED_WRONG],
    "stopped": ["restart connector", *STOPPING],
    "disconnect": ["drop", "refuse", "stall", "day end in history"],
    "gateway silent": ["stall", "stop connector"],
    "reconnect": ["stall", "farm down, streams dead"],
    "no session": ["refuse", "stall", "day end in history", *STOPPING],
    "tws 1100": ["link lost, data lost", "link lost, data kept"],
    "tws 1101": ["link lost, data lost"],
    "tws 1102": ["link lost, data kept"],
    "tws 2103": ["farm down", "farm down, streams dead"],
    "tws 2104": ["farm down", "farm down, streams dead"],
    "silent": ["farm down, streams dead", "farm down", "link lost, data kept", "stall", "stop connector"],
    "resubscribe": ["farm down, streams dead", "stall"],
    # The journal is gone, or has been written over, before the recorder had it all.
    "lost": ["kill recorder", "stop recorder", "disk full", "slow disk", "configuration broken",
             "durable data destroyed", *STARTED_WRONG],
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


def make_plan(seed, seconds, farms, mean_seconds, has=ALL, only=DECK):
    """The faults of a run, in order. `farms`: {farm: [streams]}; `has`: what the machine has of `NEEDS`; `only`: of these kinds."""
    rng = random.Random(seed)
    plan = []
    busy = {}
    deck = []
    at = 4.0
    while at < seconds - 3:
        if not deck:
            deck = [kind for kind, count in DECK.items() if kind in only for _ in range(count)]
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
        code, blocks = rng.choice(REFUSALS), rng.randint(1, 3)
        place, journal = rng.choice(["end", "edge"]), rng.choice(["kept", "lost"])
        together = rng.random() < 0.3
        wait = rng.expovariate(1 / mean_seconds)
        resources = [f"poison {stream}"] if kind == "poisoned tick" else RESOURCES.get(kind, [])
        is_possible = NEEDS.get(kind) in (None, *has)
        if is_possible and all(busy.get(name, 0) <= at for name in resources):
            target = {"farm down": farm, "farm down, streams dead": f"{farm} {' '.join(dead)}",
                      "drop": "reset" if resets else "", "socket removed": name, "poisoned tick": f"{stream} {poison}",
                      "poisoned definition": stream.split(".")[0], "configuration broken": service,
                      "contract removed": stream.split(".")[0], "fallocate refused": str(code),
                      "durable data destroyed": f"{place} {blocks} journal {journal}",
                      **dict.fromkeys(STARTED_WRONG, service if resets else "")}.get(kind, "")
            plan.append(Fault(round(at, 3), kind, length, target))
            rest = POISON_SECONDS if kind == "poisoned tick" else STOPPING.get(kind, 0.5)
            busy.update((resource, at + length + rest) for resource in resources)
        # Odd pairs: three in ten come together with the one before.
        at += min(0.4, wait) if together else wait
    return plan


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
