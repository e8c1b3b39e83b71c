"""What users and machines get wrong: one clear line, the designed exit status, nothing damaged."""

import contextlib
import os
import signal
import socket
import subprocess

import pytest

from ibstream import BIN, wait_for

STREAMS = {711280073: ("MNQ", ["bid_ask"])}


def refused(lab, program, *arguments, status, says, **more):
    """The program ends with that status and one line on standard error that has these words."""
    process = lab.start(program, *arguments, **more)
    assert process.wait() == status, process.stderr()
    lines = [l for l in process.stderr().splitlines() if "task" not in l]
    assert any(all(word in line for word in says) for line in lines), process.stderr()
    return process


@pytest.mark.parametrize("program", ["ib-connector", "ib-recorder", "ib-watchdog"])
def test_a_missing_configuration_is_78(lab, program):
    missing = lab.folder / "missing.yaml"
    process = refused(lab, program, "--config", missing, status=78, says=[str(missing)])
    assert len(process.stderr().splitlines()) == 1


@pytest.mark.parametrize("text,says", [
    ("contracts: [\n", ["bad.yaml:"]),
    ("tws:\n  port: [4002]\ncontracts:\n  - con_id: 1\n    symbol: A\n", ["bad.yaml:2:", "port", "ports"]),
    ("tws:\n  ports: [70000]\ncontracts:\n  - con_id: 1\n    symbol: A\n", ["bad.yaml:2:", "70000"]),
    ("contracts:\n  - con_id: one\n    symbol: A\n", ["bad.yaml:2:", "con_id"]),
    ("contracts:\n  - con_id: 1\n    symbol: A\n    ticks: [bid-ask]\n", ["bad.yaml:4:", "bid_ask"]),
    ("contracts:\n  - con_id: 1\n    symbol: A\n    ticks: [depth]\n", ["bad.yaml:4:", "not built yet"]),
    ("contracts:\n  - con_id: 1\n    symbol: null\n", ["bad.yaml:3:", "contracts[0].symbol", "no value", "take the key out"]),
    ("contracts:\n  - con_id: 1\n    symbol:\n", ["bad.yaml:3:", "contracts[0].symbol", "no value", "take the key out"]),
    ("contracts:\n  - con_id: 1\n    symbol: !!str 5\n", ["bad.yaml:3:", "!!str", "write the value alone"]),
    ("tws:\n  host: '[::1]:4002'\ncontracts:\n  - con_id: 1\n    symbol: A\n", ["bad.yaml:2:", "write ::1, and 4002"]),
])
def test_a_malformed_configuration_names_line_and_column(lab, text, says):
    path = lab.folder / "bad.yaml"
    path.write_text(text)
    refused(lab, "ib-recorder", "--config", path, "--root", lab.root, status=78, says=says)
    result = subprocess.run([BIN / "ib-stream", "config", "check", path], capture_output=True, text=True)
    assert result.returncode == 78 and all(word in result.stderr for word in says), result.stderr


def test_brackets_around_a_gateways_address_mean_the_address(lab):
    """And it is connected to."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this host has no ::1")
    with listener:
        config = lab.configure(listener.getsockname()[1], STREAMS, tws=["host: '[::1]'"])
        shown = subprocess.run([BIN / "ib-stream", "config", "show", "--config", config], capture_output=True, text=True)
        assert "::1" in shown.stdout and "[::1]" not in shown.stdout, shown.stdout + shown.stderr
        connector = lab.connector(config)
        listener.settimeout(60)
        connection, _ = listener.accept()
        connection.close()
        assert connector.running()


def test_empty_variables_count_as_not_set(lab):
    """Each of them would be an error, or change something, if its emptiness were taken for a value."""
    sim = lab.simulator("--rate", "100")
    config = lab.configure(sim.port, STREAMS)
    names = ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM", "HOME", "TZ"]
    names += ["IB_STREAM_" + n for n in ("ROOT", "HOST", "TWS_HOST", "TWS_PORTS", "CONTRACTS", "TRACKED_CONTRACTS", "LIFELINE",
                                         "RUNNING", "FAULT", "LOG_LEVEL", "STORAGE_KEEP_DAYS", "NO_SUCH", "BATCH_SIZE")]
    empty = {name: "" for name in names}
    for program in ("ib-recorder", "ib-connector"):
        lab.start(program, "--config", config, env=empty)
    lab.settle()
    checked = subprocess.run([BIN / "ib-stream", "config", "check", config], capture_output=True, text=True,
                             env={**{k: v for k, v in os.environ.items() if not k.startswith("IB_STREAM_")}, **empty})
    assert checked.returncode == 0 and "IB_STREAM" not in checked.stderr, checked.stderr


def test_no_contract_is_78(lab):
    path = lab.folder / "empty.yaml"
    path.write_text("tws:\n  client_id: 5\n")
    refused(lab, "ib-recorder", "--config", path, "--root", lab.root, status=78, says=["contract"])


def test_a_second_instance_is_78_and_the_first_goes_on(lab):
    config = lab.configure(1, STREAMS)
    first = lab.recorder(config)
    wait_for("the recorder", lambda: (lab.run / "recorder.sock").exists())
    refused(lab, "ib-recorder", "--config", config, status=78, says=["ib-recorder", str(first.pid)])
    assert lab.control("recorder", "ping", nonce="x")["nonce"] == "x"
    assert first.stop() == 0


def test_a_port_in_use_ends_up_and_not_the_watchdog(lab):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = lab.configure(1, STREAMS)
        config.write_text(config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}"))
        # Whoever starts the system can choose another address.
        process = refused(lab, "ib-stream", "up", "--config", config, status=78, says=[str(port), "in use", "watchdog.http"])
        assert len(process.stderr().splitlines()) == 1 and not (lab.run / "ib-watchdog.lock").exists()
        # Nobody may be there when a watchdog starts: it does its work without the pages, and says so.
        watchdog = lab.start("ib-watchdog", "--config", config)
        wait_for("a word on the port", lambda: str(port) in watchdog.stderr() and "in use" in watchdog.stderr())
        wait_for("the services", lambda: (lab.run / "recorder.sock").exists() and (lab.run / "connector.sock").exists())
        assert watchdog.running()
        watchdog.end()
        # Its own end leaves the services alone.
        for name in ("ib-connector", "ib-recorder"):
            os.kill(int((lab.run / f"{name}.lock").read_text().split()[0]), signal.SIGKILL)
        process = lab.start("ib-simulator", "--port", port)
        assert process.wait() == 74, process.stderr()
        assert str(port) in process.stderr()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")
def test_a_directory_that_can_not_be_entered_is_74(lab):
    """As a made user: root may do everything."""
    user = "ibtest"
    subprocess.run(["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", user], check=False)
    try:
        closed = lab.folder / "closed"
        closed.mkdir(mode=0o700)
        # The user gets to the folder's door, and no further.
        for parent in [lab.folder, *lab.folder.parents]:
            if str(parent).startswith("/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o011)
        config = lab.configure(1, STREAMS)
        config.chmod(0o644)
        result = subprocess.run(
            ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups", BIN / "ib-recorder", "--config", config,
             "--root", closed / "root"], capture_output=True, text=True, timeout=60)
        assert result.returncode == 74, result.stderr
        assert len(result.stderr.splitlines()) == 1 and "ermission denied" in result.stderr, result.stderr
        config.chmod(0o600)
        result = subprocess.run(
            ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups", BIN / "ib-recorder", "--config", config],
            capture_output=True, text=True, timeout=60)
        assert result.returncode == 78 and "ermission denied" in result.stderr, result.stderr
    finally:
        subprocess.run(["userdel", user], check=False, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a small disk")
def test_a_disk_that_is_full_at_the_start_is_waited_for(lab):
    """The recorder lives, says why it does not record, and records everything once there is room."""
    sim = lab.simulator("--rate", "200")
    config = lab.configure(sim.port, STREAMS)
    lab.state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "tmpfs", lab.state], check=True)
    try:
        filler = lab.state / "filler"
        connector = lab.connector(config)
        wait_for("the epoch", lambda: (lab.state / "epoch").exists())
        file = os.open(filler, os.O_CREAT | os.O_WRONLY)
        with contextlib.suppress(OSError):
            while os.write(file, b"x" * 4096):
                pass
        os.close(file)
        recorder = lab.recorder(config)
        wait_for("the fault", lambda: recorder.running() and "o space left" in recorder.stderr() or not recorder.running())
        if recorder.running():
            wait_for("failing", lambda: lab.control("recorder", "status")["disk"] == "failing")
            filler.unlink()
        else:
            assert recorder.wait() == 74, recorder.stderr()
            filler.unlink()
            recorder = lab.recorder(config)
        lab.settle()
        assert lab.control("recorder", "status")["lost_ranges"] == 0
        assert recorder.stop() == 0 and connector.stop() == 0
        lab.ib_stream("verify", "--root", lab.root)
    finally:
        for process in lab.processes:
            process.end()
        subprocess.run(["umount", "-l", lab.state], check=True)


def test_simulated_ticks_are_refused_in_a_real_root(lab):
    sim = lab.simulator("--rate", "200")
    config = lab.configure(sim.port, STREAMS)
    lab.state.mkdir(parents=True)
    (lab.state / "origin").write_text("live\n")
    connector = lab.connector(config)
    process = refused(lab, "ib-recorder", "--config", config, status=78, says=["simulated", "real", str(lab.state)])
    assert not [p for p in (lab.state / "log").glob("*.log") if b"IBTB" in p.read_bytes()[64:]], "nothing was written"
    assert (lab.state / "origin").read_text() == "live\n"
    assert connector.stop() == 0


def test_a_path_too_long_for_a_socket_is_78(lab):
    root = lab.folder / ("x" * 100)
    config = lab.configure(1, STREAMS)
    refused(lab, "ib-recorder", "--config", config, "--root", root, status=78, says=["107"])


@pytest.mark.parametrize("arguments,status,says", [
    ((), 64, "ib-stream --help"),
    (("statsu",), 64, "status"),
    (("status", "--jsn"), 64, "--json"),
    (("cat",), 64, ""),
    (("cat", "711280073.trades"), 64, ""),
    (("gaps", "--wait", "soon"), 64, "not a duration"),
    (("explain", "711280073.bid_ask", "noon"), 64, "no time"),
    (("doctor",), 64, "not built yet"),
    (("repair",), 66, "nothing is recorded"),
    (("lookup", ""), 64, "the symbol is empty"),
    (("export", "--format", "parquet", "--out", "/tmp/x"), 64, "not built yet"),
    (("tail", "--since", "2h"), 69, "is not running"),
])
def test_the_command_says_in_one_line_what_is_wrong(lab, arguments, status, says):
    result = subprocess.run([BIN / "ib-stream", *arguments, *(["--root", str(lab.root)] if arguments else [])],
                            capture_output=True, text=True, timeout=60)
    assert result.returncode == status, result.stderr
    assert len(result.stderr.splitlines()) == 1 and says in result.stderr, result.stderr
    assert result.stdout == ""


def test_a_lookup_without_a_gateway_says_what_to_do(lab):
    config = lab.configure(1, STREAMS)
    connector = lab.connector(config)
    wait_for("the connector", lambda: (lab.run / "connector.sock").exists())
    error = lab.failure("lookup", "AAPL", "--config", config, check=69)
    assert "no session with the gateway" in error and "log in to IB Gateway or TWS" in error, error
    assert connector.stop() == 0


def test_commands_without_a_running_system_say_so(lab):
    for arguments, status in ((("status",), 2), (("tail",), 69), (("lookup", "MNQ"), 69)):
        result = subprocess.run([BIN / "ib-stream", *arguments, "--root", str(lab.root)], capture_output=True, text=True,
                                timeout=60)
        assert result.returncode == status, (arguments, result.stdout, result.stderr)


def test_tail_refuses_what_no_stream_begins_with(lab):
    sim = lab.simulator("--rate", "200")
    config = lab.configure(sim.port, STREAMS)
    assert lab.simulator_says("refuse").startswith("ok")
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("the connector's streams", lambda: (lab.run / "connector.sock").exists()
             and lab.control("connector", "streams")["streams"])
    for word in ("nosuch", "711280073.trades", "711280073.bid_askx"):
        for since in ((), ("--since", "1h")):
            error = lab.failure("tail", word, *since, "--config", config, check=66)
            assert len(error.splitlines()) == 1 and word in error and "711280073.bid_ask" in error, error
    # Another configuration than the connector's does not matter, nor does it that there is no session yet: that is said.
    tail = lab.start("ib-stream", "tail", "711280073.", "--root", lab.root, "--count", "3")
    wait_for("a word on the session", lambda: "no session with the gateway" in tail.stderr())
    assert tail.running() and len(tail.stderr().splitlines()) == 1
    assert lab.simulator_says("accept").startswith("ok")
    assert tail.wait() == 0 and len(tail.stdout().splitlines()) == 3
    # A command's stream is one too, and what is recorded stays one.
    lab.control("connector", "subscribe", con_id=711280073, ticks=["level1"])
    lab.ib_stream("tail", "711280073.level1", "--root", lab.root, "--count", "1")
    lab.settle()
    assert connector.stop() == 0
    config.write_text(config.read_text().replace("711280073", "265598").replace("MNQ", "AAPL"))
    connector = lab.connector(config)
    wait_for("the other stream", lambda: (lab.run / "connector.sock").exists()
             and "265598.bid_ask" in lab.control("connector", "streams")["streams"])
    recorded = lab.ib_stream("tail", "711280073.bid", "--since", "1h", "--config", config, "--count", "1")
    assert "711280073.bid_ask" in recorded
    assert "265598.bid_ask 711280073.bid_ask 711280073.level1" in lab.failure("tail", "nosuch", "--config", config, check=66)
    assert recorder.stop() == 0
    # What can't be read may have any stream.
    (lab.state / "log").rename(lab.state / "away")
    (lab.state / "log").write_text("no directory")
    tail = lab.start("ib-stream", "tail", "nosuch", "--config", config)
    wait_for("a word on the recording", lambda: "what is recorded can't be read" in tail.stderr())
    assert tail.running()
    tail.send(signal.SIGTERM)
    tail.wait()
    assert connector.stop() == 0
