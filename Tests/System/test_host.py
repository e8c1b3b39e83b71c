"""What the host is taken for: a place with /proc, time zones and a sane umask, whose language and time zone nobody asks."""

import os
import shlex
import stat
import subprocess

import pytest

from against_adversary import Run
from ibstream import BIN, PATIENCE, wait_for

NEAR = {711280073: ("MNQ", ["bid_ask", "last"])}


def elsewhere(script, *command):
    """Runs a command in a mount namespace of its own, behind a script that changes it."""
    user = [] if os.geteuid() == 0 else ["-Ur"]
    words = " ".join(shlex.quote(str(word)) for word in command)
    return ["/usr/bin/unshare", *user, "-m", "sh", "-c", f"{script} && exec {words}"]


def outcome(*command, **more):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE, **more)


@pytest.mark.parametrize("program", ["ib-recorder", "ib-connector", "ib-watchdog", "ib-stream", "ib-simulator"])
def test_without_proc_no_program_goes_on_as_if_it_had_no_arguments(lab, program):
    """They are read from there: a recorder that saw none would take the configuration in /etc."""
    arguments = ["up", "--root", lab.root] if program == "ib-stream" else ["--no-such-flag"]
    result = outcome(*elsewhere("mount -t tmpfs none /proc", BIN / program, *arguments))
    assert result.returncode == 74 and "/proc is not there" in result.stderr, result
    assert len(result.stderr.splitlines()) == 1 and not lab.root.exists()


def test_a_host_without_time_zones_is_said_and_records_all_the_same(lab):
    sim = lab.simulator("--rate", "200")
    config = lab.configure(sim.port, NEAR)
    config.write_text(config.read_text().replace("maintenance: []", "maintenance: ['daily 00:15-01:45 America/New_York']"))
    (lab.folder / "none").mkdir()
    script = f"mount --bind {lab.folder}/none /usr/share/zoneinfo"
    checked = outcome(*elsewhere(script, BIN / "ib-stream", "config", "check", config))
    assert checked.returncode == 0 and "install tzdata" in checked.stderr, checked
    up = lab.start(*elsewhere(script, BIN / "ib-stream", "up", "--config", config))
    wait_for("health", lambda: lab.try_status(config) == 0, every=0.3)
    assert "install tzdata" in up.stderr() + up.stdout()
    assert up.stop() == 0, up.stderr()


def test_language_and_time_zone_of_whoever_looks_change_nothing(lab):
    sim = lab.simulator("--rate", "400")
    config = lab.configure(sim.port, NEAR)
    env = {"TZ": "Pacific/Chatham", "LC_ALL": "de_DE.UTF-8", "LANG": "de_DE.UTF-8"}
    recorder, connector = lab.recorder(config, env=env), lab.connector(config, env=env)
    wait_for("ticks", lambda: lab.control("connector", "status")["ticks"] > 200)
    lab.settle()
    assert connector.stop() == 0 and recorder.stop() == 0
    plain = {k: v for k, v in os.environ.items() if k not in ("TZ", "LANG") and not k.startswith(("LC_", "IB_STREAM_"))}
    for command in (["cat", "711280073.last", "--format", "csv"], ["ls"], ["gaps", "--to", "2099-01-01"], ["verify"],
                    ["cat", "711280073.bid_ask", "--from", "2026-01-01", "--format", "json"]):
        one, other = (outcome(BIN / "ib-stream", *command, "--root", lab.root, env={**plain, **more}) for more in ({}, env))
        assert one.stdout == other.stdout and one.stderr == other.stderr, command
        assert one.stdout and one.returncode == other.returncode in (0, 1)


@pytest.mark.parametrize("umask", ["000", "777"])
def test_directories_and_files_have_their_rights_whatever_the_umask(lab, umask):
    sim = lab.simulator("--rate", "400")
    config = lab.configure(sim.port, NEAR)
    up = lab.start("/bin/sh", "-c", f"umask {umask}; exec {BIN}/ib-stream up --config {config}")
    wait_for("health", lambda: lab.try_status(config) == 0, every=0.3)
    seen = 0
    for folder, _, files in os.walk(lab.root):
        for path in [folder, *(os.path.join(folder, name) for name in files)]:
            mode = os.lstat(path).st_mode
            assert not mode & 0o027 or stat.S_ISSOCK(mode) and not mode & 0o007, f"{mode:o} {path}"
            assert mode & stat.S_IRUSR, f"{mode:o} {path}"
            seen += 1
    assert seen > 15
    assert up.stop() == 0, up.stderr()


def test_a_journal_of_another_run_of_the_machine_is_not_believed_to_be_whole(lab):
    """Its directory may be on a disk: what was numbered last may not have got there."""
    run = Run(lab)
    assert run.connector.stop() == 0
    boot = lab.run / "journal" / "boot"
    boot.write_text("00000000-0000-0000-0000-000000000000\n")
    run.start("connector")
    run.wait_ticks()
    assert boot.read_text() != "00000000-0000-0000-0000-000000000000\n"
    run.wait_healed(1)
    run.check()
