"""verify and repair of a recording with sealed hours, by the real programs."""

import shutil
import subprocess

from ibstream import BIN, wait_for
from test_pipeline import EIGHT, ticks_numbered


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
