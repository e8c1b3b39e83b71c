"""Whoever reads a recording while it is written, rolled, sealed, killed and recovered never hears of damage."""

import os
import pathlib
import random
import signal
import subprocess
import threading
import time

import pytest

import ibstream
from ibstream import BIN, FULL, PATIENCE, SANITIZED, wait_for

STREAMS = {711280073: ("MNQ", ["bid_ask", "last"]), 265598: ("AAPL", ["bid_ask", "last"])}
NAMES = [f"{con_id}.{kind}" for con_id, (_, kinds) in STREAMS.items() for kind in kinds]
ROUNDS = 60 if FULL else 6
SEED = int(os.environ.get("IB_STREAM_SEED", random.randrange(1 << 32)))


@pytest.fixture(scope="module")
def slow_reader(tmp_path_factory):
    """The environment of a reader that pauses wherever it hurts."""
    if SANITIZED:
        # A sanitizer has to be loaded first.
        return dict(os.environ)
    library = tmp_path_factory.mktemp("slow_reader") / "slow_reader.so"
    source = pathlib.Path(__file__).resolve().parent / "slow_reader.c"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    return os.environ | {"LD_PRELOAD": str(library)}


@pytest.fixture
def lab(tmp_path):
    lab = ibstream.Lab(tmp_path)
    yield lab
    lab.end()


def commands(lab, reader, number):
    """Every way to read that says whether files are sound; each may be run at any time."""
    root = ["--root", lab.root]
    stream = random.Random(SEED + 1000 * reader + number).choice(NAMES)
    newest = sorted((lab.state / "log").glob("*.log"))[-1:]
    journal = sorted((lab.run / "journal").glob("*.log"))[-1:]
    return [
        ["cat", stream, *root, "--format", "raw", "--from", "2s"],
        ["cat", stream, *root, "--format", "raw", "--order", "arrival", "--from", "2s"],
        ["export", *root, "--format", "csv", "--from", "1s", "--out", lab.folder / f"exported{reader}"],
        ["verify", *root], ["verify", lab.root], ["ls", *root], ["gaps", *root], ["audit", *root],
        *(["verify", path] for path in newest + journal),
        *(["cat", path, "--format", "raw"] for path in newest + journal),
    ]


def alarm(command, environment):
    """What a command says of damage, or its error; None where all is well.

    A file may go before the command opens it, a part may have no record yet (66 both); a time in which the recorder was
    dead is a gap (`gaps`, `audit`), or has no tick yet.
    """
    command = [str(word) for word in command]
    result = subprocess.run([str(BIN / "ib-stream"), *command], capture_output=True, timeout=PATIENCE, env=environment)
    said = result.stderr.decode(errors="replace")
    if command[0] not in ("cat", "export"):
        said += result.stdout.decode(errors="replace")
    allowed = {"cat": (0, 66), "export": (0, 66), "verify": (0,), "ls": (0,), "gaps": (0, 1), "audit": (0, 1)}[command[0]]
    if command[0] == "verify" and command[1] != "--root":
        allowed = (0, 66)
    # What it says where it finds something amiss.
    words = ("lost data", "corruption", "damaged", "neither recorded nor", "no reader looks", "not a tick log")
    if result.returncode in allowed and not any(word in said for word in words):
        return None
    return f"{' '.join(command)}: {result.returncode}: {said[-600:]}"


def test_readers_beside_a_recorder_that_is_killed_and_seals_hear_of_no_damage(lab, slow_reader):
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    sim = lab.simulator("--rate", "20000", "--seed", "5")
    config = lab.configure(sim.port, STREAMS)
    lab.connector(config)
    recorder = lab.recorder(config)
    wait_for("the recorder", lambda: (lab.run / "durable.sock").exists())
    # As long as nothing is subscribed, nothing has to become durable.
    wait_for("records", lambda: alarm(["verify", "--root", lab.root], dict(os.environ)) is None)
    done = threading.Event()
    alarms, counts = [], [0, 0]

    def read(reader):
        # One of them as fast as it can.
        environment = slow_reader if reader == 0 else dict(os.environ)
        while not done.is_set() and not alarms:
            for command in commands(lab, reader, counts[reader]):
                if said := alarm(command, environment):
                    alarms.append(said)
                counts[reader] += 1

    readers = [threading.Thread(target=read, args=(number,)) for number in range(2)]
    for thread in readers:
        thread.start()
    try:
        for _ in range(ROUNDS):
            time.sleep(chance.uniform(0, 0.3))
            recorder.send(signal.SIGKILL)
            recorder.wait()
            recorder = lab.recorder(config)
            lab.settle()
            lab.ib_stream("seal", "--now", "--root", lab.root)
            if alarms:
                break
        # On a busy machine: until each reader has come round once.
        wait_for("the readers", lambda: alarms or min(counts) >= 12)
    finally:
        done.set()
        for thread in readers:
            thread.join()
    assert not alarms, f"seed {SEED}: {alarms}"
