"""Cleaners of temporary directories: what runs keeps its files, and its locks though their files are removed."""

import os
import shutil
import subprocess

import pytest

from ibstream import BIN, wait_for
from test_kills import system
from test_pipeline import EIGHT

CLEANER = shutil.which("systemd-tmpfiles")


def files_of(lab):
    return {str(path) for folder in (lab.state, lab.run) for path in folder.rglob("*") if not path.name.endswith(".new")}


def clean(lab):
    """As systemd cleans /tmp each day, but everything is old enough."""
    rules = lab.folder / "clean.conf"
    rules.write_text(f"q {lab.root} - - - 0\n")
    result = subprocess.run([CLEANER, "--clean", f"--prefix={lab.root}", rules], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(CLEANER is None, reason="CLEANERS ARE NOT TESTED HERE: systemd-tmpfiles is missing")
def test_a_cleaner_of_temporary_directories_takes_nothing_of_a_running_system(lab):
    _, up, config = system(lab)
    lab.ib_stream("seal", "--now", "--config", config)
    wait_for("green health", lambda: lab.try_status(config) == 0)
    # Directories that came meanwhile are taken within a second; what is beneath one that is held needs nothing.
    before = files_of(lab)
    assert any(path.endswith(".ticks") for path in before) and any(path.endswith(".lock") for path in before)
    (lab.root / "old" / "folder").mkdir(parents=True)
    (lab.root / "old" / "folder" / "file").write_text("nobody holds this")
    clean(lab)
    assert not (lab.root / "old").exists(), "the cleaner does clean"
    gone = {path for path in before - files_of(lab) if "/journal/" not in path}
    assert gone == set()
    assert "another ib-stream is running" in lab.failure("up", "--config", config, check=78)
    lab.settle()
    wait_for("green health", lambda: lab.try_status(config) == 0)
    # A recorder that is down leaves its files to the cleaner no more than one that runs.
    recorder = int((lab.run / "ib-recorder.lock").read_text().split()[0])
    subprocess.run(["kill", "-STOP", str(recorder)], check=True)
    subprocess.run(["kill", "-KILL", str(recorder)], check=True)
    clean(lab)
    assert all(path in files_of(lab) for path in before if path.endswith(".ticks"))
    assert up.stop() == 0, up.stderr()
    assert ": sound: " in lab.ib_stream("verify", "--root", lab.root)


def test_a_system_whose_locks_are_removed_is_still_the_only_one(lab):
    _, up, config = system(lab)
    locks = sorted(path for folder in (lab.run, lab.state) for path in folder.glob("*.lock"))
    assert len(locks) == 8
    # No moment between the removal and the new file is open to another one.
    for path in locks:
        path.unlink()
    assert "another ib-stream is running" in lab.failure("up", "--config", config, check=78)
    wait_for("the locks of the services", lambda: all((lab.run / f"ib-{s}.lock").exists() for s in (
        "stream", "connector", "recorder", "watchdog")))
    wait_for("the recorder's other lock", (lab.state / "ib-recorder.lock").exists)
    for program in ("ib-recorder", "ib-connector"):
        (lab.run / f"{program}.lock").unlink(missing_ok=True)
        second = lab.start(program, "--config", config)
        assert second.wait() == 78 and f"another {program} is running (pid " in second.stderr(), second.stderr()
    # Files that somebody else has put there are made our own.
    for name in ("ib-stream", "ib-recorder"):
        (lab.run / f"{name}.lock").unlink(missing_ok=True)
        (lab.run / f"{name}.lock").touch()
    wait_for("the holders in them", lambda: all((lab.run / f"{name}.lock").read_text().split() for name in (
        "ib-stream", "ib-recorder")))
    assert "another ib-stream is running" in lab.failure("up", "--config", config, check=78)
    wait_for("green health", lambda: lab.try_status(config) == 0)
    assert up.stop() == 0, up.stderr()


def test_slots_that_are_removed_under_the_recorder_are_made_anew(lab):
    sim = lab.simulator("--rate", "1000", "--seed", "5")
    config = lab.configure(sim.port, EIGHT)
    recorder, connector = lab.recorder(config), lab.connector(config)
    lab.settle()
    for path in (lab.state / "log").glob("*.durable"):
        path.unlink()
    wait_for("the word", lambda: "was removed" in recorder.stderr())
    lab.settle()
    assert connector.stop() == 0 and recorder.stop() == 0, recorder.stderr()
    parts = {path.stem for path in (lab.state / "log").glob("*.log")}
    assert parts == {path.stem for path in (lab.state / "log").glob("*.durable")}
    assert ": sound: " in lab.ib_stream("verify", "--root", lab.root)


def test_roots_in_temporary_directories_are_warned_of(lab):
    config = lab.folder / "ib-stream.yaml"
    env = {name: value for name, value in os.environ.items() if not name.startswith("IB_STREAM_")}

    def check(root):
        config.write_text(f"root: {root}\ncontracts: [{{con_id: 1, symbol: X}}]\nwatchdog: {{http: '127.0.0.1:0'}}\n")
        result = subprocess.run([BIN / "ib-stream", "config", "check", config], capture_output=True, text=True, env=env)
        assert result.returncode == 0 and ": ok: " in result.stdout, result.stderr
        return result.stderr

    link = lab.folder / "link"
    link.symlink_to("/var/tmp")
    for root, place in [("/tmp/recording", "/tmp"), (f"{link}/recording", "/var/tmp"), ("/dev/shm/x", "/dev/shm"),
                        ("/var/tmp/../tmp/x", "/var/tmp")]:
        said = check(root)
        assert said.count("\n") == 1 and f" is below {place}, " in said and "--root" in said, said
    for root in ("/tmpfiles/recording", "/home/me/ib-stream"):
        assert check(root) == ""
