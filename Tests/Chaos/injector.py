"""Carries a plan out: begins each fault, undoes it, and keeps the timeline."""

import errno
import os
import pathlib
import signal
import time

from faults import CLOCKS, LASTING, SOCKETS, STOPPING

CHUNK = 1 << 20
# A killed connector is followed by another one, and that one's first records are durable.
EDGE_SECONDS = 4


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
        # What stops and starts the system goes on beside the others: (fault, generator).
        self.going = []
        self.pids = set()

    def step(self, plan, origin, show):
        """Does all that is due now: ends first, then begins. Returns the plan's rest."""
        now = time.time()
        for fault, course in list(self.going):
            if next(course, self) is self:
                self.going.remove((fault, course))
                fault.ended = time.time()
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
            if self.system.is_restarting:
                fault.note = "not done: the system is being restarted"
                return
            # Who is to start again finds a file that can't be read.
            self.system.break_configuration()
            service = fault.target
            self.signal(fault, service, signal.SIGKILL)
            fault.target = f"and {service} {fault.target} killed"
        elif fault.kind in CLOCKS:
            self.system.set_clock(CLOCKS[fault.kind])
            if service := fault.target:
                # Who is to start again finds a clock that is wrong.
                self.signal(fault, service, signal.SIGKILL)
                fault.target = f"and {service} {fault.target} killed"
        elif fault.kind == "day end in history":
            self.system.says(f"history day {int(fault.began + fault.seconds / 2)}")
            self.system.says("refuse")
            self.system.says("drop")
        elif fault.kind == "cleaner":
            fault.note = self.system.clean()
        elif fault.kind == "fallocate refused":
            code = fault.target
            self.system.refuse_calls(f"fallocate={code}")
            self.signal(fault, "connector", signal.SIGKILL)
            fault.target = f"errno {code}, and connector {fault.target} killed"
        elif fault.kind in STOPPING:
            course = self.without_contract(fault) if fault.kind == "contract removed" else self.with_damage(fault)
            self.going.append((fault, course))
        else:
            raise AssertionError(f"no such fault: {fault.kind}")
        if fault.kind in LASTING and fault.kind not in STOPPING:
            self.open.append(fault)

    def end(self, fault):
        self.open.remove(fault)
        if fault.kind in ("stop connector", "stop recorder"):
            # The watchdog may have replaced it: only the one that was stopped is continued.
            pid = int(fault.target)
            if pid and self.system.is_ours(pid):
                os.kill(pid, signal.SIGCONT)
        elif fault.kind in ("refuse", "day end in history"):
            self.system.says("accept")
        elif fault.kind == "fallocate refused":
            self.system.refuse_calls("")
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

    def without_contract(self, fault):
        """The operator takes a contract out of the configuration, and puts it in again after a while."""
        entry = None

        def leave():
            nonlocal entry
            entry = self.system.leave(fault.target)

        yield from self.system.restart(leave)
        until = time.time() + fault.seconds
        while time.time() < until:
            yield
        yield from self.system.restart(lambda: self.system.join(entry))

    def with_damage(self, fault):
        """A disk destroys what was durable of a connector's life while nothing runs, and the operator repairs it."""
        place, blocks, _, journal = fault.target.split()
        if place == "edge":
            # Another life begins, and its first records are written.
            before = self.system.pid("connector")
            if before:
                os.kill(before, signal.SIGKILL)
            until = time.time() + EDGE_SECONDS
            while time.time() < until:
                yield

        def destroy():
            fault.note = self.system.destroy(place, int(blocks), journal == "kept")

        yield from self.system.restart(destroy)

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
