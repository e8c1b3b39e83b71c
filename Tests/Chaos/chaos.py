#!/usr/bin/env python3
"""Breaks a whole system for minutes, at random, and proves that no tick is missing, repeated or altered afterwards.

A gateway makes 5,000 ticks a second for 12 streams (1,500 with the gateway of Tests/Adversary) while processes are killed,
stopped and continued, the gateway drops, stalls and loses its link, farms go down and streams die silently, messages can't be
read, history has other trades or pages twice or ends with a trading day, the disk (a small tmpfs) is full or slow for a while or
reserves no room, durable data is destroyed, a cleaner comes, the files of sockets are removed, the configuration is saved with an
error while a process is killed, or without a contract, and the clock is wrong.
Then it is quiet, the gaps are healed, and the files are compared with the history of the simulated market, tick by tick.

    Tests/Chaos/chaos.py [--gateway adversary] [--seconds 300] [--seed N] [--only KIND] [--without KIND] [--json] [--keep] [--bin .build/release]

The same seed makes the same plan. Exit status 0: all is as it must be; 1: it is not, and what differs is printed; the
directory is kept then. Several runs may go on at once: each has its own root, sockets, port and mount.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "System"))

STREAMS = {
    711280073: ("MNQ", ["bid_ask", "last", "mid_point", "all_last"]),
    620731015: ("ES", ["bid_ask", "last", "mid_point"]),
    265598: ("AAPL", ["bid_ask", "last", "all_last"]),
    12087792: ("EUR.USD", ["bid_ask", "mid_point"]),
}
FARMS = {
    "usfuture": [f"{c}.{k}" for c in (711280073, 620731015) for k in STREAMS[c][1]],
    "usfarm": [f"265598.{k}" for k in STREAMS[265598][1]],
    "cashfarm": [f"12087792.{k}" for k in STREAMS[12087792][1]],
}
NAMES = sorted(name for names in FARMS.values() for name in names)
RATE = 5_000
# A tick is 64 bytes; what is healed comes on top, and a disk that was full must have room again.
DISK_BYTES_PER_SECOND = RATE * 64 * 2
RUNTIME_BYTES = 400 << 20
MEAN_SECONDS = 2.5
# Bounds of the waits after the faults: until all is healthy, which takes until what was sent is healed, until nothing is pending,
# and until nothing is left out.
HEALTHY_SECONDS = 240
HEALED_SECONDS = 240
LEFT_OUT_SECONDS = 60
# What makes the disk slow and the clock wrong is compiled.
HAS_SHIMS = shutil.which("gcc") is not None
PACING = """\
heal:
  requests_per_10min: 6000
  identical: 0s
  per_contract_2s: 100
"""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300, help="how long faults are injected (default 300)")
    parser.add_argument("--seed", type=int, default=None, help="the plan's seed (default: a new one, printed)")
    parser.add_argument("--gateway", choices=["simulator", "adversary"], default="simulator",
                        help="whose ticks are recorded: ib-simulator's, or those of Tests/Adversary (default simulator)")
    parser.add_argument("--only", action="append", metavar="KIND", help="faults of this kind alone; may be repeated")
    parser.add_argument("--without", action="append", metavar="KIND", help="no faults of this kind; may be repeated")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument("--keep", action="store_true", help="keep the directory also when all is well")
    parser.add_argument("--bin", default=None, help="where the programs are (default .build/release)")
    parser.add_argument("--plan", action="store_true", help="print the plan and do nothing")
    return parser.parse_args()


def own_mounts():
    """Starts this script again in a mount namespace of its own, so that no mount can stay behind. False: not possible."""
    if os.environ.get("IB_STREAM_CHAOS_MOUNTS"):
        return True
    flags = ["-m"] if os.geteuid() == 0 else ["-Urm"]
    probe = subprocess.run(["unshare", *flags, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True)
    if probe.returncode != 0:
        return False
    environment = dict(os.environ, IB_STREAM_CHAOS_MOUNTS="1")
    os.execvpe("unshare", ["unshare", *flags, sys.executable, *sys.argv], environment)


def compile_shim(name, folder):
    """A library of Tests/System that is preloaded."""
    library = pathlib.Path(folder) / f"{name}.so"
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", library, HERE.parent / "System" / f"{name}.c"], check=True)
    return library


class Run:
    """One run: its directory, its system, its report."""

    def __init__(self, options, seed, has_mounts):
        import ibstream
        from system import Lab

        self.options = options
        self.seed = seed
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"ibchaos-{seed}-"))
        self.lab = Lab(self.folder)
        self.wait_for = ibstream.wait_for
        self.report = {"gateway": options.gateway, "seed": seed, "seconds": options.seconds, "problems": []}
        self.has_disk = has_mounts
        self.origin = time.time()
        self.described = 0
        self.witness = None

    def say(self, text):
        if not self.options.json:
            print(text, flush=True)

    def problem(self, text):
        self.report["problems"].append(text)
        self.say(f"PROBLEM: {text}")

    # The run

    def start(self):
        from clock import Clock
        from gateways import GATEWAYS, RATES
        from injector import Disk, Injector
        from system import System
        from witness import Witness

        lab = self.lab
        # The runtime directory is on tmpfs too, as in production: the journal shares no fate with the data disk.
        for directory, top, size in (
                (lab.state, lab.disk, int(DISK_BYTES_PER_SECOND * (self.options.seconds + 120))), (lab.run, lab.memory, RUNTIME_BYTES)):
            top.mkdir()
            if self.has_disk:
                subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", top], check=True)
            directory.mkdir()
        name = self.options.gateway
        self.gateway = GATEWAYS[name](lab, self.seed, RATES[name], NAMES)
        config = lab.configure(self.gateway.port, STREAMS, tws=["requests_per_second: 1000"], more=PACING)
        env = {}
        self.system = System(lab, config, self.gateway, RATES[name], env)
        self.system.set_disk_rate(0)
        self.system.refuse_calls("")
        if HAS_SHIMS:
            self.system.clock = Clock(self.folder)
            env.update(self.system.clock.env, SLOW_DISK=str(self.system.disk_rate), ODD_BELOW=str(self.folder),
                       ODD_CALLS=f"@{self.system.calls}")
            for shim in ("slow_disk", "odd_filesystem"):
                env["LD_PRELOAD"] += f" {compile_shim(shim, self.folder)}"
        self.system.start()
        self.injector = Injector(self.system, Disk(lab.state) if self.has_disk else None)
        self.wait_healthy()
        self.witness = Witness(lab, self.gateway.truth_file)

    def wait_healthy(self):
        """Waits until `ib-stream status` says healthy, no service is missing, and each stream has had a new tick."""
        try:
            self.wait_for("the connector", lambda: (self.lab.run / "ticks.sock").exists(), seconds=HEALTHY_SECONDS)
            before = self.lab.numbering()
            self.wait_for("a healthy system", lambda: self.status()[0] == 0, seconds=HEALTHY_SECONDS, every=0.3)
            self.wait_for("ticks of every stream", lambda: self.all_flow(before), seconds=HEALTHY_SECONDS, every=0.3)
            return True
        except AssertionError as error:
            code, text = self.status()
            self.problem(f"not healthy within {HEALTHY_SECONDS} s: {text.splitlines()[:4] if text else code}; {error}")
            return False

    def status(self):
        import ibstream

        result = subprocess.run([ibstream.BIN / "ib-stream", "status", "--config", self.system.config],
                                capture_output=True, text=True, timeout=60)
        return result.returncode, result.stdout + result.stderr

    def all_flow(self, before):
        """True when every stream is subscribed, has had a tick since these numbers, and no gap is open."""
        streams = self.lab.control("connector", "streams")["streams"]
        epoch, numbers = self.lab.numbering()
        return sorted(streams) == NAMES and all(
            s["state"] == "subscribed" and not s["gap_open"] and s["ticks"]
            and (epoch, numbers.get(name, 0)) > (before[0], before[1].get(name, 0)) for name, s in streams.items())

    def inject(self, plan):
        self.origin = time.time()

        def show(fault, verb):
            self.injector.pids.update(p for s in ("connector", "recorder", "watchdog") if (p := self.system.pid(s)))
            if verb == "begins":
                self.say(fault.line(self.origin))

        plan = list(plan)
        # Each fault lasts as long as it is planned: a stall that is cut short leaves no trace.
        while time.time() - self.origin < self.options.seconds or self.injector.open or self.injector.going:
            plan = self.injector.step(plan, self.origin, show)
            assert self.system.running(), f"ib-stream up ended: {self.system.up.stderr()[-2000:]}"
            assert self.gateway.running(), "the gateway ended"
            time.sleep(0.02)

    def wait_whole(self):
        """Seconds that were left out while history was odd are looked at again, soon at first."""
        deadline = time.monotonic() + LEFT_OUT_SECONDS
        while time.monotonic() < deadline:
            told = json.loads(self.lab.ib_stream(
                "gaps", "--all", "--json", "--config", self.system.config, check=None, timeout=60))
            if not any(gap["state"] == "partly" and gap["unfilled"] for gap in told["gaps"]):
                return
            time.sleep(1)

    def quiet(self):
        """Waits until everything is healthy and healed, then stops it in order."""
        self.say(f"{time.time() - self.origin:7.2f} s  quiet")
        healthy = self.wait_healthy()
        for seal in self.system.seals:
            # One that met a full disk or a dead recorder has failed, and said so.
            seal.wait()
        # A gap that was found a moment ago is listed once it is durable.
        if healthy:
            self.lab.settle()
        began = time.time()
        self.lab.ib_stream(
            "gaps", "--wait", f"{HEALED_SECONDS}s", "--config", self.system.config, check=None, timeout=HEALED_SECONDS + 60)
        self.wait_whole()
        self.report["healed_in"] = round(time.time() - began, 1)
        healthy = self.wait_healthy() and healthy
        if healthy:
            self.lab.ib_stream("seal", "--now", "--config", self.system.config, timeout=180)
        self.report["healthy"] = healthy
        self.say(f"{time.time() - self.origin:7.2f} s  stopping")
        # The market first, so that truth and recording end with the same tick.
        if problem := self.gateway.stop():
            self.problem(problem)
        if healthy:
            self.lab.settle()
        self.witness.stop()
        up = self.system.up
        if (status := up.stop()) != 0:
            self.problem(f"ib-stream up ended with {status}: {up.stderr()[-300:]}")
        left = self.system.processes()
        if left:
            names = [pathlib.Path(f"/proc/{pid}/comm").read_text().strip() for pid in left]
            self.problem(f"processes left over: {dict(zip(left, names))}")
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        self.report["left_over"] = len(left)

    # The proof

    def check(self):
        from judge import judge

        judge(self)

    def finish(self):
        self.report["faults"] = len(self.injector.done)
        self.report["passed"] = not self.report["problems"]
        self.report["timeline"] = [fault.line(self.origin) for fault in self.injector.done]
        keep = self.options.keep or not self.report["passed"]
        if self.witness:
            self.witness.stop()
        self.lab.end()
        if keep:
            # The mount goes with this process.
            kept = self.folder / "kept-state"
            shutil.copytree(self.lab.state, kept, ignore=shutil.ignore_patterns("filler"))
            self.report["directory"] = str(self.folder)
        if self.has_disk:
            subprocess.run(["umount", self.lab.disk, self.lab.memory], check=True)
        if not keep:
            shutil.rmtree(self.folder)

    def summary(self):
        r = self.report
        numbers = " ".join(f"{name}={r[name]}" for name in (
            "gateway", "seed", "seconds", "faults", "ticks", "healed", "gaps", "missing", "unavailable", "unwanted", "named", "repeated", "altered",
            "misplaced", "sent", "longest_wait", "red_without_cause") if name in r)
        return f"chaos: {'passed' if r['passed'] else 'FAILED'}: {numbers}" + (
            f" directory={r['directory']}" if "directory" in r else "")


def main():
    options = arguments()
    if options.bin:
        os.environ["IB_STREAM_BIN"] = str(pathlib.Path(options.bin).resolve())
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1, 1_000_000)
        sys.argv += ["--seed", str(options.seed)]
    has_mounts = own_mounts()
    from cleaner import CLEANER
    from faults import DECK, make_plan

    has = [name for name, is_there in (("mounts", has_mounts), ("shims", HAS_SHIMS), ("cleaner", CLEANER)) if is_there]
    only = [kind for kind in options.only or DECK if kind not in (options.without or [])]
    if unknown := [kind for kind in [*(options.only or []), *(options.without or [])] if kind not in DECK]:
        sys.exit(f"chaos: no such fault: {', '.join(unknown)}; there are: {', '.join(DECK)}")
    plan = make_plan(options.seed, options.seconds, FARMS, MEAN_SECONDS, has, only)
    if options.plan:
        for fault in plan:
            print(f"{fault.at:8.3f} {fault.kind} {fault.target} {fault.seconds or ''}")
        return 0
    run = Run(options, options.seed, has_mounts)
    run.say(f"chaos: seed {options.seed}, {options.seconds:.0f} s, {len(plan)} faults, {run.folder}")
    if not has_mounts:
        run.say("chaos: no mount namespace is to be had: the disk is not filled")
    if not HAS_SHIMS:
        run.say("chaos: no C compiler is to be had: the disk is not slow, and the clock is right")
    if not CLEANER:
        run.say("chaos: systemd-tmpfiles is not there: no cleaner comes")
    run.report["shims"] = HAS_SHIMS
    run.report["disk"] = has_mounts
    try:
        run.start()
        run.inject(plan)
        run.quiet()
        run.check()
    except (AssertionError, subprocess.SubprocessError) as error:
        run.problem(f"{type(error).__name__}: {error}")
    finally:
        run.finish()
    print(json.dumps(run.report, indent=1) if options.json else run.summary())
    return 0 if run.report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
