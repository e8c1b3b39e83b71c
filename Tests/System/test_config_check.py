"""`ib-stream config check`, `ib-stream up` and the services give one answer for every configuration."""

import socket
import subprocess

import pytest

from ibstream import BIN, PATIENCE, SANITIZED, quiet_port, wait_for

CONTRACT = "contracts: [{con_id: 711280073, symbol: MNQ, ticks: [bid_ask]}]\n"


def tcp(endpoint, more=""):
    return f"publish: {{tcp: [{{endpoint: '{endpoint}', insecure: true{more}}}]}}\n"


# What is written, and words of the one line that it is refused with.
REFUSED = {
    "empty": ("", "c.yaml: no contract to record"),
    "comment": ("# nothing\n", "c.yaml: no contract to record"),
    "no contracts": ("tws: {client_id: 5}\n", "c.yaml: no contract to record"),
    "replay": (CONTRACT + tcp("tcp://127.0.0.1:5555", ", replay: 'tcp://127.0.0.1:5556'"), "not built yet"),
    "history": (CONTRACT + tcp("tcp://127.0.0.1:5555", ", history: 'tcp://127.0.0.1:5556'"), "not built yet"),
    "curve": (CONTRACT + tcp("tcp://127.0.0.1:5555", ", curve: /etc/keys"), "not built yet"),
    "localhost": (CONTRACT + tcp("tcp://localhost:5555"), "can be bound"),
    "a name like an address": (CONTRACT + tcp("tcp://127.0.0.1.example.com:5555"), "can be bound"),
    "the same without a word": (CONTRACT + tcp("tcp://127.0.0.1.example.com:5555").replace(", insecure: true", ""),
                                "can be bound"),
    "interface": (CONTRACT + tcp("tcp://lo:5555"), "can be bound"),
    "no port": (CONTRACT + tcp("tcp://127.0.0.1"), "can be bound"),
    "port 0": (CONTRACT + tcp("tcp://127.0.0.1:0"), "can be bound"),
    "open": (CONTRACT + tcp("tcp://*:5555").replace(", insecure: true", ""), "open to everybody"),
    "open IPv6": (CONTRACT + tcp("tcp://[::]:5555").replace(", insecure: true", ""), "open to everybody"),
    "twice": (CONTRACT + "publish: {tcp: [{endpoint: 'tcp://127.0.0.1:5555'}, {endpoint: 'tcp://127.0.0.1:5555'}]}\n",
              "can't both have port 5555"),
    "http open": (CONTRACT + "watchdog: {http: '0.0.0.0:8851'}\n", "http_open: true"),
    "http star": (CONTRACT + "watchdog: {http: '*:8851'}\n", "no address with a port"),
    "http without port": (CONTRACT + "watchdog: {http: '127.0.0.1'}\n", "no address with a port"),
    "journal in a file": (CONTRACT + "connector: {journal_dir: /dev/null/journal}\n", "journal_dir"),
    "journal nowhere": (CONTRACT + "connector: {journal_dir: /proc/journal}\n", "journal_dir"),
    "gateway with port": (CONTRACT + "tws: {host: 'gw:4002'}\n", "no host name"),
    "too many lines": (CONTRACT + "tws: {on_excess: refuse, tick_by_tick_lines: 0}\n", "tick-by-tick lines"),
    "zone that is none": (CONTRACT + "tws: {maintenance: ['daily 00:15-01:45 America/New_Yrok']}\n", "America/New_Yrok"),
    "alert without address": (CONTRACT + "alerts: [{type: slack}]\n", "url"),
}


def run(lab, *arguments):
    return subprocess.run([BIN / arguments[0], *map(str, arguments[1:])], capture_output=True, text=True, timeout=PATIENCE,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(lab.folder)})


@pytest.mark.skipif(bool(SANITIZED), reason="one flavour is enough")
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_check_refuses_everybody_refuses(lab, name):
    text, words = REFUSED[name]
    file = lab.folder / "c.yaml"
    file.write_text(text)
    check = run(lab, "ib-stream", "config", "check", file, "--root", lab.root)
    assert check.returncode == 78 and words in check.stderr and check.stdout == "", check.stderr
    up = run(lab, "ib-stream", "up", "--config", file, "--root", lab.root)
    assert (up.returncode, up.stderr) == (78, check.stderr), "and nothing was started"
    # The connector is where most of it is used; what only it uses does not keep the others.
    programs = ["ib-connector"] if "journal" in name else ["ib-connector", "ib-recorder", "ib-watchdog"]
    for program in programs:
        service = run(lab, program, "--config", file, "--root", lab.root)
        assert service.returncode == 78, (program, service.stderr)
        assert service.stderr == check.stderr.replace("ib-stream: ", f"{program}: ", 1)


@pytest.mark.skipif(bool(SANITIZED), reason="one flavour is enough")
def test_what_the_check_accepts_runs(lab):
    """Wildcard, IPv6 and loopback endpoints, open pages, alerts that nobody gets: said, and running."""
    ports = quiet_port(), quiet_port()
    sim = lab.simulator("--rate", "200")
    config = lab.configure(sim.port, {711280073: ("MNQ", ["bid_ask"])}, more=(
        f"publish: {{tcp: [{{endpoint: 'tcp://*:{ports[0]}', insecure: true}}, {{endpoint: 'tcp://[::1]:{ports[1]}'}}]}}\n"
        "alerts: [{type: sendmail, command: nobody}]\n"))
    config.write_text(config.read_text().replace("http: 127.0.0.1:0", "http: '[::]:0'\n  http_open: true"))
    check = run(lab, "ib-stream", "config", "check", config)
    assert check.returncode == 0 and "ALERTS ARE NOT BUILT YET" in check.stderr, check.stderr
    up = lab.start("ib-stream", "up", "--config", config)
    wait_for("health", lambda: run(lab, "ib-stream", "status", "--config", config).returncode == 0)
    # By `up` itself, and in the log of each service.
    assert up.stderr().count("ALERTS ARE NOT BUILT YET") == 4
    for port, host in ((ports[0], "127.0.0.1"), (ports[1], "::1")):
        socket.create_connection((host, port), timeout=PATIENCE).close()
    # A running system has its own ports: the check is about the file.
    assert run(lab, "ib-stream", "config", "check", config).returncode == 0
    assert up.stop() == 0, up.stderr()


def test_a_port_of_the_feed_that_is_taken_ends_up_at_its_start_and_nothing_later(lab):
    port = quiet_port()
    with socket.create_server(("127.0.0.1", port)):
        sim = lab.simulator("--rate", "200")
        config = lab.configure(sim.port, {711280073: ("MNQ", ["bid_ask"])},
                               more=f"publish: {{tcp: [{{endpoint: 'tcp://127.0.0.1:{port}'}}]}}\n")
        refused = run(lab, "ib-stream", "up", "--config", config)
        assert refused.returncode == 78 and str(port) in refused.stderr and "in use" in refused.stderr, refused.stderr
        # Somebody may have it when the connector starts again alone: it records all the same, and health says so.
        recorder, connector = lab.recorder(config), lab.connector(config)
        lab.settle()
        wait_for("the word", lambda: f"tcp://127.0.0.1:{port}" in connector.stderr() and "can't be bound" in connector.stderr())
    wait_for("the feed", lambda: "the feed is offered" in connector.stderr())
    sub = lab.subscribe("ticks.sock", "tick.")
    tcp_sub = lab.zmq.socket(2)
    tcp_sub.subscribe("tick.")
    tcp_sub.connect(f"tcp://127.0.0.1:{port}")
    assert tcp_sub.poll(PATIENCE * 1000) and sub.poll(PATIENCE * 1000)
    tcp_sub.close(), sub.close()
    assert connector.stop() == 0 and recorder.stop() == 0


@pytest.mark.skipif(bool(SANITIZED), reason="one flavour is enough")
def test_a_service_that_refuses_at_the_first_start_ends_up(lab):
    """What only the recorder can find out: the directory holds real ticks, and these are simulated ones."""
    state = lab.state / "simulated"
    state.mkdir(parents=True)
    (state / "origin").write_text("live\n")
    up = lab.start("ib-stream", "up", "--simulate", "--root", lab.root, env={"IB_STREAM_WATCHDOG_HTTP": "127.0.0.1:0"})
    assert up.wait() == 78, up.stderr()
    assert "ib-recorder refuses to start" in up.stderr() and "refused: use another --root" in up.stderr()


@pytest.mark.skipif(bool(SANITIZED), reason="one flavour is enough")
def test_up_for_a_while_without_health_ends_with_1_and_says_why(lab):
    config = lab.configure(1, {711280073: ("MNQ", ["bid_ask"])})
    up = lab.start("ib-stream", "up", "--config", config, "--for", "4s")
    assert up.wait() == 1, up.stderr()
    # How far it came in that time, and so what was wrong at the end, is the machine's affair.
    [line] = [l for l in up.stderr().splitlines() if l.startswith("ib-stream: up: the system was never healthy, ")]
    assert "and at the end " in line


def test_directories_where_others_could_plant_files_are_refused_before_anything_is_written(lab):
    """Beneath the root, as an earlier owner may have left them; a journal directory that is open to all."""
    config = lab.configure(1, {711280073: ("MNQ", ["bid_ask"])})
    open_to_all = lab.folder / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    lab.state.mkdir(parents=True)
    (lab.state / "log").symlink_to(open_to_all)
    for program in (["ib-recorder"], ["ib-stream", "up"], ["ib-stream", "config", "check"]):
        refused = run(lab, *program, "--config", config)
        assert refused.returncode == 78 and f"everybody can write to {open_to_all}" in refused.stderr, refused.stderr
    (lab.state / "log").unlink()
    config.write_text(config.read_text() + f"connector: {{journal_dir: {open_to_all}}}\n")
    for program in (["ib-connector"], ["ib-stream", "up"], ["ib-stream", "config", "check"]):
        refused = run(lab, *program, "--config", config)
        assert refused.returncode == 78 and "'connector.journal_dir' can't be used: everybody" in refused.stderr, refused.stderr
    assert list(open_to_all.iterdir()) == []
    config.write_text(config.read_text().replace(f"connector: {{journal_dir: {open_to_all}}}\n", ""))
    (lab.folder / "f").touch()
    for root in ("/proc/ib", "/dev/null/ib", lab.folder / "f" / "ib"):
        refused = run(lab, "ib-stream", "config", "check", config, "--root", root)
        assert refused.returncode == 78 and f"directory {root}/state can't be used" in refused.stderr, refused.stderr
        assert run(lab, "ib-stream", "up", "--config", config, "--root", root).returncode in (74, 78)
