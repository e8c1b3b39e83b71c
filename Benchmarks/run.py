#!/usr/bin/env python3
"""Measures the connector beside a C program doing the bare work, and beside ib_async, on the same bytes.

A blaster plays the gateway: it sends pre-built tick-by-tick frames over loopback as fast as they are taken. What is
measured is the whole way: socket -> frames -> decoded -> numbered -> journal (tmpfs) -> XPUB -> a counting subscriber.
Each figure is the median of several runs, each with fresh processes.

    Benchmarks/run.py [--bin .build/release] [--ticks 8000000] [--runs 3] [--check]

With --check the exit status is 1 when a mark is missed.
"""
import argparse
import os
import pathlib
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "out"
STREAMS = 8
BLOCK = 65536  # the blaster sends whole blocks of so many ticks
MARKS = {"ticks/s": 2_000_000, "of C": 0.5, "x ib_async": 15}


class Run:
    """Processes of one measurement, all ended at its end."""

    def __init__(self):
        self.processes = []
        # The journal belongs on tmpfs; socket paths must be short.
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="ibb-", dir="/dev/shm"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.directory)

    def start(self, *command, log=None):
        error = open(log, "w") if log else None
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=error, text=True)
        if error:
            error.close()
        self.processes.append(process)
        return process


def read_line(process, word):
    """The rest of the next line that begins with `word`."""
    for line in process.stdout:
        if line.startswith(word):
            return line.split()[1:]
    raise SystemExit(f"benchmark: {pathlib.Path(process.args[0]).name} ended before it said `{word}`")


def cpu_seconds(pid):
    """CPU time of a process's threads by name."""
    ticks_per_second = os.sysconf("SC_CLK_TCK")
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name, rest = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        fields = rest.split()
        times[name] = times.get(name, 0) + (int(fields[11]) + int(fields[12])) / ticks_per_second
    return times


def configuration(run, port):
    """A configuration of STREAMS streams without IB's limits, which the blaster does not have."""
    contracts = "".join(
        f"  - {{con_id: {1000 + index}, symbol: C{index}, exchange: CME, ticks: [bid_ask, last]}}\n"
        for index in range(STREAMS // 2))
    path = run.directory / "bench.yaml"
    path.write_text(
        f"tws:\n  host: 127.0.0.1\n  ports: [{port}]\n  tick_by_tick_lines: {STREAMS}\n"
        f"  tick_by_tick_spacing: 0s\n  requests_per_second: 1000\n"
        f"connector:\n  journal_dir: {run.directory}/journal\n"
        f"contracts:\n{contracts}")
    return path


def measure_publisher(ticks, start_publisher, endpoint_of):
    """One run of the connector or the baseline: ticks/s, ticks lost by the subscriber, CPU ns a tick."""
    with Run() as run:
        blaster = run.start(OUT / "blaster", STREAMS, ticks)
        port = int(read_line(blaster, "port")[0])
        counter = run.start(OUT / "counter", endpoint_of(run), STREAMS, ticks)
        publisher, working_thread = start_publisher(run, port)
        read_line(counter, "ready")
        read_line(blaster, "subscribed")
        time.sleep(0.5)
        before = cpu_seconds(publisher.pid)
        blaster.stdin.write("go\n")
        blaster.stdin.flush()
        words = read_line(counter, "received")
        after = cpu_seconds(publisher.pid)
        thread = sum(after[name] - before.get(name, 0) for name in after if name.startswith(working_thread))
        process = sum(after.values()) - sum(before.values())
        # words: N lost N seconds S messages N
        return {"ticks/s": ticks / float(words[4]), "lost": int(words[2]), "a message": int(words[0]) / int(words[6]),
                "thread": thread / ticks * 1e9,
                "process": process / ticks * 1e9}


def baseline(ticks):
    return measure_publisher(
        ticks,
        lambda run, port: (run.start(OUT / "baseline", port, STREAMS, run.directory / "journal.log",
                                     f"ipc://{run.directory}/ticks.sock"), "baseline"),
        lambda run: f"ipc://{run.directory}/ticks.sock")


def connector(ticks, binaries):
    def start(run, port):
        return run.start(binaries / "ib-connector", "--config", configuration(run, port), "--root", run.directory,
                         log=OUT / "connector.log"), "session"

    return measure_publisher(ticks, start, lambda run: f"ipc://{run.directory}/run/ticks.sock")


def ib_async(ticks):
    with Run() as run:
        blaster = run.start(OUT / "blaster", STREAMS, ticks)
        port = read_line(blaster, "port")[0]
        client = run.start(sys.executable, HERE / "ib_async_client.py", port, STREAMS, ticks, log=OUT / "ib_async.log")
        read_line(client, "ready")
        read_line(blaster, "subscribed")
        blaster.stdin.write("go\n")
        blaster.stdin.flush()
        words = read_line(client, "received")
        return {"ticks/s": ticks / float(words[2]), "lost": 0, "a message": None, "thread": None, "process": None}


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    return f"{os.cpu_count()} x {model}, Linux"


def median(runs, key):
    values = [run[key] for run in runs if run[key] is not None]
    return statistics.median(values) if values else None


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--bin", type=pathlib.Path, default=HERE.parent / ".build/release")
    options.add_argument("--ticks", type=int, default=8_000_000, help="ticks of a run (whole blocks of 65,536 are sent)")
    options.add_argument("--ib-async-ticks", type=int, default=200_000)
    options.add_argument("--runs", type=int, default=3)
    options.add_argument("--only", choices=["baseline", "connector", "ib_async"], action="append")
    options.add_argument("--check", action="store_true", help="exit 1 when a mark is missed")
    arguments = options.parse_args()
    wanted = arguments.only or ["baseline", "connector", "ib_async"]

    def blocks(ticks):
        return max(1, round(ticks / BLOCK)) * BLOCK

    jobs = {
        "baseline": lambda: baseline(blocks(arguments.ticks)),
        "connector": lambda: connector(blocks(arguments.ticks), arguments.bin.resolve()),
        "ib_async": lambda: ib_async(blocks(arguments.ib_async_ticks)),
    }
    names = {"baseline": "C baseline", "connector": "ib-connector", "ib_async": "ib_async"}
    results = {}
    # In turn, so that a machine that gets slower meanwhile is unfair to nobody.
    for _ in range(arguments.runs):
        for job in wanted:
            results.setdefault(job, []).append(jobs[job]())

    print(f"machine: {machine()}")
    print(f"work: {blocks(arguments.ticks):,} ticks (ib_async: {blocks(arguments.ib_async_ticks):,}) over {STREAMS} streams,"
          f" socket -> journal on tmpfs -> XPUB -> one subscriber; median of {arguments.runs} runs\n")
    rates = {job: median(results[job], "ticks/s") for job in results}
    print(f"{'':14}{'ticks/s':>12}{'of C':>8}{'x ib_async':>12}{'ns/tick':>10}{'ns/tick':>10}{'ticks per':>11}{'dropped':>10}")
    print(f"{'':14}{'':>12}{'':>8}{'':>12}{'thread':>10}{'process':>10}{'message':>11}{'':>10}")
    for job, rate in rates.items():
        of_c = f"{rate / rates['baseline']:.2f}" if "baseline" in rates else ""
        times = f"{rate / rates['ib_async']:.1f}" if "ib_async" in rates else ""
        cost = [median(results[job], key) for key in ("thread", "process", "a message")]
        costs = "".join(f"{value:10.0f}" if value is not None else f"{'-':>10}" for value in cost[:2])
        costs += f"{cost[2]:11.0f}" if cost[2] is not None else f"{'-':>11}"
        print(f"{names[job]:14}{rate:12,.0f}{of_c:>8}{times:>12}{costs}{median(results[job], 'lost'):10,.0f}")
    print("\nns/tick: CPU time of the thread that reads the gateway, and of the whole process."
          "\ndropped: ticks that the subscriber did not take in time; they count as published (replay has them).")

    if "connector" not in rates:
        print("marks: none: the connector was not measured")
        return 1 if arguments.check else 0
    reached = {"ticks/s": rates["connector"]}
    if "baseline" in rates:
        reached["of C"] = rates["connector"] / rates["baseline"]
    if "ib_async" in rates:
        reached["x ib_async"] = rates["connector"] / rates["ib_async"]
    missed = [name for name in reached if reached[name] < MARKS[name]]
    for name in reached:
        print(f"mark: {MARKS[name]:,} {name}: {'missed' if name in missed else 'held'} ({reached[name]:,.2f})")
    return 1 if missed and arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
