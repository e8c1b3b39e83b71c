#!/usr/bin/env python3
"""Runs chaos.py several times with different seeds and writes what came out to docs/chaos-report.md.

    Tests/Chaos/report.py [--gateway both] [--runs 5] [--first-seed 301] [--seconds 300] [--parallel 2] [--bin .build/release]

With `--gateway both` (the default) there are so many runs with each gateway, and every run has a seed of its own. Runs that failed are in the report like the others. Exit status 1 when one did.
"""

import argparse
import concurrent.futures
import json
import pathlib
import platform
import shlex
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
GATEWAYS = ["simulator", "adversary"]
COLUMNS = ["gateway", "seed", "faults", "ticks", "healed", "gaps", "missing", "repeated", "altered", "misplaced", "unavailable",
           "unwanted", "named", "sent", "longest_wait", "verdicts"]
HEAD = """\
# {count} runs of chaos

`make chaos` starts the whole system with a gateway and 12 streams, breaks it at random for {seconds} seconds, waits until it has
healed, and compares the files with the history of the gateway's market, tick by tick. The gateway is `ib-simulator` (5,000 ticks
a second) or the one of `Tests/Adversary`, which shares nothing with the product (1,500 ticks a second).
This page is what

    {command}

wrote on {date}, at commit {commit}, on {machine}. `Tests/Chaos/chaos.py --gateway G --seed N` makes the same plan again, and `--plan` shows it.

- `ticks`: recorded ticks, of which `healed` came from the gateway's history; `gaps`: interruptions of single streams.
- `missing`: ticks of the market that history could give and that are not in the files; `repeated`, `altered` and
  `misplaced`: recorded ticks that the market did not make, or not there. All four must be 0.
- `unavailable`: ticks that history can't give: trades that the exchange did not report, in the gaps of `last` and `all_last` streams.
- `unwanted`: ticks of a contract while it was out of the configuration; `named`: ticks of seconds of which the ledger says that they
  are not whole, since history told them more than once and otherwise each time.
- `sent`: ticks that the gateway wrote to sockets, by its truth file; `longest_wait`: how many seconds one of them was not durable.
  `/health` was never 200 for longer than 7 s while one was not in the log, by a witness that reads the files itself, unless its
  gap had been called a hole by then (`partly`, `subset`, `edge_unreconciled`).
- `verdicts`: answers of `gaps --json` and `status --json` during the run. None of them called a second whole of which a tick was missing
  that had been sent. Nor was `/health` 503 for longer than 45 s behind its last cause.

In every run each gap had a cause that one of the injected faults explains, `ib-stream verify` passed, the system was healthy at
the end, and no process was left over, unless the run says something else.

"""


def command_of(options, gateway, seed):
    """What makes one run again, from the repository's folder."""
    command = ["Tests/Chaos/chaos.py", "--gateway", gateway, "--seconds", f"{options.seconds:g}", "--seed", str(seed)]
    for kind in options.without or []:
        command += ["--without", kind]
    return command + (["--bin", options.bin] if options.bin else [])


def run(options, gateway, seed):
    command = command_of(options, gateway, seed)
    result = subprocess.run([sys.executable, *command, "--json"], capture_output=True, text=True, cwd=REPOSITORY)
    try:
        report = json.loads(result.stdout)
    except json.JSONDecodeError:
        report = {"gateway": gateway, "seed": seed, "passed": False, "timeline": [],
                  "problems": [f"exit status {result.returncode}: {result.stderr[-2000:]}"]}
    report["command"] = shlex.join(command)
    print(f"{gateway} {seed}: {'passed' if report['passed'] else 'FAILED'} "
          + " ".join(f"{name}={report.get(name, '?')}" for name in COLUMNS[2:]), flush=True)
    for problem in report["problems"]:
        print(f"    {problem}", flush=True)
    return report


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    cores = subprocess.run(["nproc"], capture_output=True, text=True).stdout.strip()
    return f"{model}, {cores} cores, Linux"


def written(reports, options):
    commit = subprocess.run(["git", "-C", REPOSITORY, "rev-parse", "--short", "HEAD"], capture_output=True,
                            text=True).stdout.strip()
    text = HEAD.format(count=len(reports), command=shlex.join(["Tests/Chaos/report.py", *sys.argv[1:]]),
                       seconds=f"{options.seconds:.0f}", date=time.strftime("%Y-%m-%d", time.gmtime()), commit=commit,
                       machine=machine())
    text += "| " + " | ".join(["result", *COLUMNS]) + " |\n" + "|---" * (len(COLUMNS) + 1) + "|\n"
    for report in reports:
        cells = ["passed" if report["passed"] else "**failed**"] + [
            f"{report[name]:,}" if isinstance(report.get(name), int) and name != "seed" else str(report.get(name, "?"))
            for name in COLUMNS]
        text += "| " + " | ".join(cells) + " |\n"
    failed = [report for report in reports if not report["passed"]]
    if failed:
        text += "\n## What was done to the system\n\nIn runs that failed; seconds since the first fault's run began; in brackets " \
                "a process id, a farm, a socket, or the streams that died.\n"
    for report in failed:
        text += f"\n### {report['gateway'].capitalize()}, seed {report['seed']}\n\n    {report['command']}\n\n"
        text += "".join(f"- {problem}\n" for problem in report["problems"])
        if report["problems"]:
            text += "\n"
        for name in ("verify", "healed_in", "health_pages", "witness_longest_look", "red_without_cause"):
            if name in report:
                text += f"{name}: {report[name]}\n\n"
        text += "```\n" + "\n".join(report["timeline"]) + "\n```\n"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gateway", choices=[*GATEWAYS, "both"], default="both")
    parser.add_argument("--runs", type=int, default=5, help="runs with each gateway (default 5)")
    parser.add_argument("--first-seed", type=int, default=301)
    parser.add_argument("--without", action="append", metavar="KIND", help="no faults of this kind; may be repeated")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--bin", default=None, help="where the programs are, from the repository's folder (default .build/release)")
    parser.add_argument("--out", default=str(REPOSITORY / "docs" / "chaos-report.md"))
    options = parser.parse_args()
    gateways = GATEWAYS if options.gateway == "both" else [options.gateway]
    # The two kinds go on beside each other, and no seed comes twice.
    runs = [(gateway, options.first_seed + number * len(gateways) + place)
            for number in range(options.runs) for place, gateway in enumerate(gateways)]
    with concurrent.futures.ThreadPoolExecutor(options.parallel) as pool:
        reports = sorted(pool.map(lambda one: run(options, *one), runs), key=lambda r: (GATEWAYS.index(r["gateway"]), r["seed"]))
    pathlib.Path(options.out).write_text(written(reports, options))
    return 0 if all(report["passed"] for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
