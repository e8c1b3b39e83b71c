"""verify and repair of a recording with sealed hours, by the real programs."""

import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from ibstream import BIN, FULL, wait_for
from test_pipeline import EIGHT, ticks_numbered

HERE = pathlib.Path(__file__).parent


def test_a_damaged_recording_is_found_repaired_and_its_loss_is_told(lab):
    sim = lab.simulator("--rate", "1000", "--seed", "5")
    config = lab.configure(sim.port, EIGHT)
    recorder = lab.recorder(config)
    connector = lab.connector(config)
    wait_for("5,000 ticks", lambda: ticks_numbered(lab) > 5_000)
    lab.settle()
    lab.ib_stream("seal", "--now", "--config", config)
    text = lab.ib_stream("verify", "--config", config)
    assert text.endswith("ticks\n") and ": sound: " in text and "log: checked up to what was durable" in text
    # A live recorder holds the lock.
    assert "ib-recorder is running" in lab.failure("repair", "--config", config, check=78)
    assert connector.stop() == 0 and recorder.stop() == 0
    before = lab.ib_stream("cat", "265598.last", "--format", "csv", "--config", config).splitlines()

    [segment] = (lab.state / "ticks").glob("265598-*/last/*/*/*/*.ticks")
    whole = segment.read_bytes()
    header = int.from_bytes(whole[24:28], "little")
    # The index: rebuilt without loss.
    segment.write_bytes(whole[:-400] + bytes([whole[-400] ^ 1]) + whole[-399:])
    assert "damaged: " in lab.ib_stream("verify", "--config", config, check=1)
    assert f"repaired: {segment}: " in lab.ib_stream("repair", "--config", config)
    assert lab.ib_stream("cat", "265598.last", "--format", "csv", "--config", config).splitlines() == before
    assert len(list(segment.parent.glob("*.damaged"))) == 1
    # The only block: while the journal has its keys, nothing is lost.
    whole = segment.read_bytes()
    damaged = whole[:header + 100] + bytes([whole[header + 100] ^ 1]) + whole[header + 101:]
    segment.write_bytes(damaged)
    assert "taken from log and journal" in lab.ib_stream("repair", "--config", config)
    assert lab.ib_stream("cat", "265598.last", "--format", "csv", "--config", config).splitlines() == before
    # Then they are lost, and said to be.
    shutil.rmtree(lab.run / "journal")
    whole = segment.read_bytes()
    segment.write_bytes(whole[:header + 100] + bytes([whole[header + 100] ^ 1]) + whole[header + 101:])
    lab.ib_stream("verify", segment, check=1)
    text = lab.ib_stream("repair", "--config", config, check=1)
    assert "lost: 265598.last " in text and ": sound: " in text
    text = lab.ib_stream("verify", "--config", config)
    assert "lost: 265598.last " in text
    after = lab.ib_stream("cat", "265598.last", "--format", "csv", "--config", config).splitlines()
    assert 1 < len(after) < len(before) and set(after[1:]) - set(before[1:]) == {
        line for line in after if ",lost," in line}
    # Nothing to do any more, and what is lost is told again.
    result = subprocess.run([BIN / "ib-stream", "repair", lab.state], capture_output=True, text=True)
    assert result.returncode == 1 and ": sound: 1 ranges lost to damage" in result.stdout, result.stdout + result.stderr
    assert "repaired: " not in result.stdout and "lost: 265598.last " in result.stdout


@pytest.fixture(scope="module")
def killing(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "kill_at.so"
    subprocess.run(["gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, HERE / "kill_at.c"], check=True)
    return library


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_a_repair_that_is_killed_at_any_step_is_finished_by_the_next_one(lab, killing):
    """What is lost is told by the one that ends, and the same as if nobody had been killed."""
    sim = lab.simulator("--rate", "1000", "--seed", "5")
    config = lab.configure(sim.port, EIGHT)
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("2,000 ticks", lambda: ticks_numbered(lab) > 2_000)
    lab.settle()
    lab.ib_stream("seal", "--now", "--config", config)
    count = ticks_numbered(lab)
    wait_for("2,000 more", lambda: ticks_numbered(lab) > count + 2_000)
    assert connector.stop() == 0 and recorder.stop() == 0
    shutil.rmtree(lab.run / "journal")
    damaged, gone, *_ = sorted((lab.state / "ticks").glob("*/*/*/*/*/*.ticks"))
    flip(damaged, int.from_bytes(damaged.read_bytes()[24:28], "little") + 100)
    gone.unlink()
    flip(lab.state / "sealed", 104 * 3 + 50)
    part = max((lab.state / "log").glob("*.log"), key=lambda path: int(path.name.split(".")[1]))
    flip(part, part.stat().st_size // 2)
    flip(part, part.stat().st_size - 100)
    broken = lab.folder / "broken"
    shutil.copytree(lab.state, broken)

    def repair(**env):
        return subprocess.run([BIN / "ib-stream", "repair", lab.state], capture_output=True, text=True,
                              env={**os.environ, **env})

    def is_sound():
        return ": sound: " in subprocess.run(
            [BIN / "ib-stream", "verify", lab.state], capture_output=True, text=True).stdout

    def told(result):
        return [line for line in result.stdout.splitlines() if line.startswith("lost: ") and "not known" not in line]

    whole = repair()
    assert whole.returncode == 1 and is_sound(), whole.stdout + whole.stderr
    assert len(told(whole)) >= 3
    step = 1
    while True:
        shutil.rmtree(lab.state)
        shutil.copytree(broken, lab.state)
        killed = repair(LD_PRELOAD=str(killing), KILL_AT=str(step))
        if killed.returncode != -signal.SIGKILL:
            break
        again = repair()
        assert again.returncode == 1 and is_sound(), f"step {step}: {again.stdout}{again.stderr}"
        assert told(again) == told(whole), f"step {step}"
        step += 1 if FULL else 7
    assert killed.returncode == 1 and told(killed) == told(whole)
    assert step > 20, "the steps were counted"
