"""The system under test as the faults see it: its programs, its configuration, its disk, its clock."""

import os
import pathlib
import re
import shutil
import signal
import time

import ibstream

# `up` ends within this time, whatever it has to wait for: it gives up after ten seconds without progress.
STOP_SECONDS = 180
# Directories are held within a second of a start.
HELD_SECONDS = 5
PROGRAMS = {"ib-connector", "ib-recorder", "ib-watchdog"}


class Lab(ibstream.Lab):
    """State and runtime directory lie each in a file system of its own, and beneath its top: a cleaner passes over mounts."""

    def __init__(self, folder):
        super().__init__(folder)
        self.disk, self.memory = folder / "disk", folder / "memory"

    @property
    def run(self):
        return self.memory / "run"

    @property
    def state(self):
        return self.disk / "state"

    @property
    def where(self):
        return ["--config", self.folder / "ib-stream.yaml"]

    def configure(self, *arguments, **more):
        """The directories come from the environment, as systemd sets it: they have no root in common."""
        path = super().configure(*arguments, **more)
        path.write_text(path.read_text().replace(f"root: {self.root}\n", ""))
        os.environ.update(STATE_DIRECTORY=str(self.state), RUNTIME_DIRECTORY=str(self.run))
        return path


class Stop:
    """One time that the system was stopped in order, and how it ended."""

    def __init__(self, began, status, words):
        self.began, self.ended, self.status, self.words = began, time.time(), status, words


class System:
    def __init__(self, lab, config, gateway, ticks_per_second, env):
        self.lab = lab
        self.config = config
        self.gateway = gateway
        self.env = env
        self.text = config.read_text()
        self.clock = None
        self.seals = []
        self.stops = []
        self.started = 0
        self.is_restarting = False
        self.is_broken = False
        # What a cleaner took although the system was running.
        self.cleaned = []
        self.destroyed = []
        # A third of what the feed brings.
        self.slow_bytes_per_second = ticks_per_second * 64 // 3
        self.disk_rate, self.calls = lab.folder / "disk-rate", lab.folder / "refused-calls"

    # Programs

    def start(self):
        self.up = self.lab.start("ib-stream", "up", "--config", self.config, env=self.env)
        self.started = time.time()

    def running(self):
        return self.is_restarting or self.up.running()

    def restart(self, between):
        """Stops the system as an operator does, does something, and starts it again. A generator: yields while it waits."""
        # An operator mends a file before starting with it.
        while self.is_restarting or self.is_broken:
            yield
        self.is_restarting = True
        began = time.time()
        self.up.send(signal.SIGTERM)
        while self.up.running() or self.services():
            assert time.time() - began < STOP_SECONDS, f"not stopped within {STOP_SECONDS} s: {self.services()}"
            yield
        self.stops.append(Stop(began, self.up.wait(), self.up.stderr()[-300:]))
        between()
        self.start()
        while not (self.pid("connector") and self.pid("recorder")):
            assert self.up.running(), f"ib-stream up did not start again: {self.up.stderr()[-2000:]}"
            assert time.time() - self.started < STOP_SECONDS, "no services after a start"
            yield
        self.is_restarting = False

    def command(self, pid):
        """The words of a living process's command; [] for one that is gone."""
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [] if state == "Z" else [word.decode(errors="replace") for word in words]

    def is_ours(self, pid):
        """True for a living process of this run: its command line has our configuration."""
        return str(self.config) in self.command(pid)

    def pid(self, service):
        """The pid in the lock of a service that runs, or None."""
        try:
            pid = int((self.lab.run / f"ib-{service}.lock").read_text().split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return None
        return pid if self.is_ours(pid) else None

    def processes(self):
        """All living processes of this run but the gateway's."""
        found = [int(p.name) for p in pathlib.Path("/proc").iterdir() if p.name.isdigit()]
        return [pid for pid in found if self.is_ours(pid)]

    def services(self):
        """Those that record: commands that look at the recording are none."""
        return [pid for pid in self.processes()
                if (words := self.command(pid)) and (pathlib.Path(words[0]).name in PROGRAMS or "up" in words)]

    def seal(self):
        self.seals.append(self.lab.start("ib-stream", "seal", "--now", "--config", self.config))
        return ""

    # Host

    def set_disk_rate(self, bytes_per_second):
        """What the recorder's disk takes; 0: all that it can."""
        self.replace(self.disk_rate, f"{bytes_per_second}\n")

    def refuse_calls(self, calls):
        """Which calls the file system lacks for programs that are started from now on: `fallocate=95`; "": none."""
        self.replace(self.calls, calls)

    def set_clock(self, seconds):
        """How far the host's clock is off, for all programs of the system."""
        self.clock.set(seconds)

    def replace(self, path, text):
        """As an editor saves: whole under its name."""
        new = path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, path)

    def remove(self, sockets):
        """Removes files of sockets; which of them were not there."""
        gone = []
        for name in sockets:
            try:
                (self.lab.run / name).unlink()
            except FileNotFoundError:
                gone.append(name)
        return f"not there: {' '.join(gone)}" if gone else ""

    def clean(self):
        """Lets a cleaner come. Nothing may be gone of a system that runs."""
        import cleaner

        if self.is_restarting or time.time() - self.started < HELD_SECONDS:
            return "not done: the system is just being started"
        removed = cleaner.clean([self.lab.disk, self.lab.memory], self.lab.folder / "clean.conf")
        self.cleaned += removed
        return f"removed: {' '.join(removed[:5])}" if removed else ""

    # Files

    def destroy(self, place, blocks, keeps_journal):
        """Overwrites what was durable, and repairs it as docs/file-format.md has it. The system is stopped."""
        import damage

        if not (found := damage.find(self.lab.state, place, blocks)):
            return "nothing to destroy"
        rows = damage.rows_of(self.lab, found)
        damage.overwrite(found)
        if not keeps_journal:
            shutil.rmtree(self.lab.run / "journal")
        said = damage.repair(self.lab)
        self.destroyed.append((time.time(), rows))
        count = sum(len(keys) for names in rows.values() for keys in names.values())
        return f"{len(found)} blocks of {found[0].part.name}, {count} ticks; repair: {said}"

    # Configuration

    def break_configuration(self):
        self.is_broken = True
        self.replace(self.config, self.text.replace("contracts:", "contracts: [", 1))

    def mend_configuration(self):
        self.is_broken = False
        self.replace(self.config, self.text)

    def leave(self, con_id):
        """Takes a contract out of the configuration; returns its entry."""
        entry = re.search(rf"  - con_id: {con_id}\n(?:    .*\n)+", self.text).group()
        self.text = self.text.replace(entry, "")
        self.mend_configuration()
        return entry

    def join(self, entry):
        self.text = self.text.replace("contracts:\n", f"contracts:\n{entry}")
        self.mend_configuration()

    def says(self, command):
        return self.gateway.says(command)
