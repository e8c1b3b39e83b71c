#!/usr/bin/env python3
"""Runs chaos.py several times with different seeds and writes what came out to docs/chaos-report.md.

    Tests/Chaos/report.py [--runs 10] [--first-seed 101] [--seconds 300] [--parallel 2] [--bin .build/release]

Runs that failed are in the report like the others. Exit status 1 when one did.
"""

import argparse
import concurrent.futures
import json
import pathlib
import platform
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
COLUMNS = ["seed", "faults", "ticks", "healed", "gaps", "missing", "repeated", "altered", "misplaced", "unavailable"]
HEAD = """\
# Ten runs of chaos

`make chaos` starts the whole system with a simulated gateway of 5,000 ticks a second over 12 streams, breaks it at random for
{seconds} seconds, waits until it has healed, and compares the files with the history of the simulated market, tick by tick.
This page is what `Tests/Chaos/report.py` wrote on {date}, at commit {commit}, on {machine}.

- `ticks`: recorded ticks, of which `healed` came from the gateway's history; `gaps`: interruptions of single streams.
- `missing`: ticks of the market that history could give and that are not in the files; `repeated`, `altered` and
  `misplaced`: recorded ticks that the market did not make, or not there. All four must be 0.
- `unavailable`: ticks that history can't give: trades that the exchange did not report, in the gaps of `last` and `all_last` streams.

In every run each gap had a cause that one of the injected faults explains, `ib-stream verify` passed, the system was healthy at
the end, and no process was left over, unless the run says something else.

"""


def run(options, seed):
    command = [sys.executable, HERE / "chaos.py", "--seconds", str(options.seconds), "--seed", str(seed), "--json"]
    if options.bin:
        command += ["--bin", options.bin]
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    try:
        report = json.loads(result.stdout)
    except json.JSONDecodeError:
        report = {"seed": seed, "passed": False, "timeline": [],
                  "problems": [f"exit status {result.returncode}: {result.stderr[-2000:]}"]}
    print(f"seed {seed}: {'passed' if report['passed'] else 'FAILED'} "
          + " ".join(f"{name}={report.get(name, '?')}" for name in COLUMNS[1:]), flush=True)
    return report


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    cores = subprocess.run(["nproc"], capture_output=True, text=True).stdout.strip()
    return f"{model}, {cores} cores, Linux"


def written(reports, options):
    commit = subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True).stdout.strip()
    text = HEAD.format(seconds=f"{options.seconds:.0f}", date=time.strftime("%Y-%m-%d", time.gmtime()), commit=commit,
                       machine=machine())
    text += "| " + " | ".join(["result", *COLUMNS]) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|\n"
    for report in reports:
        cells = ["passed" if report["passed"] else "**failed**"] + [
            f"{report[name]:,}" if isinstance(report.get(name), int) and name != "seed" else str(report.get(name, "?"))
            for name in COLUMNS]
        text += "| " + " | ".join(cells) + " |\n"
    text += "\n## What was done to the system\n\nSeconds since the first fault's run began; in brackets a process id, a " \
            "farm, or the streams that died.\n"
    for report in reports:
        text += f"\n### Seed {report['seed']}\n\n"
        text += "".join(f"- {problem}\n" for problem in report["problems"])
        if report["problems"]:
            text += "\n"
        for name in ("verify", "healed_in"):
            if name in report:
                text += f"{name}: {report[name]}\n\n"
        text += "```\n" + "\n".join(report["timeline"]) + "\n```\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=101)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--bin", default=None)
    parser.add_argument("--out", default=str(REPOSITORY / "docs" / "chaos-report.md"))
    options = parser.parse_args()
    seeds = range(options.first_seed, options.first_seed + options.runs)
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        reports = list(pool.map(lambda seed: run(options, seed), seeds))
    pathlib.Path(options.out).write_text(written(reports, options))
    return 0 if all(report["passed"] for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
