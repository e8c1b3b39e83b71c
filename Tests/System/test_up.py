"""`ib-stream up --simulate`: what `make run` starts, as a newcomer meets it."""

import json
import os
import signal
import subprocess
import urllib.error
import urllib.request

import pytest

from ibstream import BIN, PATIENCE, SANITIZED, wait_for


def up(lab, *arguments):
    """Starts the whole simulated system on an HTTP port of its own; returns process and base URL."""
    env = {"IB_STREAM_WATCHDOG_HTTP": "127.0.0.1:0"}
    process = lab.start("ib-stream", "up", "--simulate", "--root", lab.root, *arguments, env=env)
    return process


def status(lab, *arguments):
    result = subprocess.run([BIN / "ib-stream", "status", "--simulate", "--root", lab.root, *arguments],
                            capture_output=True, text=True, timeout=PATIENCE)
    return result.returncode, result.stdout


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def children(pid, name):
    """The pids of the children of that name."""
    found = subprocess.run(["pgrep", "-P", str(pid), "-x", name], capture_output=True, text=True).stdout
    return [int(text) for text in found.split()]


def healthy(lab):
    wait_for("a healthy system", lambda: status(lab)[0] == 0)
    return json.loads(status(lab, "--json")[1])


@pytest.mark.sanitized
def test_a_newcomer_sees_live_ticks_and_a_healthy_system(lab):
    process = up(lab)
    facts = healthy(lab)
    base = f"http://{facts['http']}"
    code, health = get(base + "/health")
    assert code == 200 and health["status"] == "healthy"
    assert health["background_streaming"] == {
        "enabled": True, "tracked_contracts": 4, "status": "running", "data_flowing": True}
    code, background = get(base + "/background/status")
    assert code == 200 and background["enabled"] is True
    seed = background["status"]
    assert seed["running"] and seed["tws_connected"] and seed["total_contracts"] == 4
    mnq = seed["contracts"]["711280073"]
    assert mnq["symbol"] == "MNQ" and sorted(mnq["expected_tick_types"]) == ["bid_ask", "last"]
    assert sorted(mnq["active_tick_types"]) == ["bid_ask", "last"] and mnq["stream_count"] == 2
    assert set(background["config"]) >= {"max_tracked_contracts", "tracked_contracts_count"}
    assert get(base + "/live")[0] == 200
    tail = subprocess.run(
        [BIN / "ib-stream", "tail", "711280073.", "--simulate", "--root", lab.root, "--format", "csv", "--count", "20"],
        capture_output=True, text=True, timeout=PATIENCE)
    assert tail.returncode == 0, tail.stderr
    lines = tail.stdout.splitlines()
    assert lines[0].startswith("stream,epoch,seq,ts_event") and len(lines) == 21
    lookup = subprocess.run(
        [BIN / "ib-stream", "lookup", "MNQ", "--type", "FUT", "--simulate", "--root", lab.root, "--json"],
        capture_output=True, text=True, timeout=PATIENCE)
    assert lookup.returncode == 0, lookup.stderr
    contracts = json.loads(lookup.stdout)["contracts"]
    assert any(c["con_id"] == 711280073 and c["exchange"] == "CME" and c["trading_hours"] for c in contracts)
    process.send(signal.SIGINT)
    assert process.wait() == 0, process.stderr()
    assert status(lab)[0] == 2
    left = subprocess.run(["pgrep", "-af", str(lab.root)], capture_output=True, text=True).stdout
    assert left == "", f"nothing stays behind: {left}"


@pytest.mark.skipif(bool(SANITIZED), reason="times of a sanitizer build say nothing")
def test_up_for_a_while_ends_by_itself_with_what_health_told(lab):
    process = up(lab, "--for", "15s")
    process.wait()
    complaints = [line for line in process.stderr().splitlines() if line.startswith("ib-stream: up: the system was ")]
    # A machine that is slow at this very moment is told so; 0 is healthy and stopped in order, and nothing else is.
    assert (process.wait(), len(complaints)) in ((0, 0), (1, 1)), process.stderr()
    assert process.stdout().splitlines()[-1].endswith(" stopped"), process.stdout()
    result = subprocess.run([BIN / "ib-stream", "verify", "--simulate", "--root", lab.root], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.skipif(bool(SANITIZED), reason="one flavour is enough")
def test_a_frozen_gateway_turns_health_red_and_a_thawed_one_green(lab):
    """Healthy means durable: sockets stay open, processes live, and yet the answer is 503."""
    process = up(lab)
    facts = healthy(lab)
    base = f"http://{facts['http']}"
    [simulator] = children(process.pid, "ib-simulator")
    os.kill(simulator, signal.SIGSTOP)
    try:
        wait_for("health to turn red", lambda: get(base + "/health")[0] == 503, 60)
        assert status(lab)[0] in (1, 2)
    finally:
        os.kill(simulator, signal.SIGCONT)
    wait_for("health to turn green", lambda: get(base + "/health")[0] == 200, 90)
    assert process.stop() == 0, process.stderr()


def test_health_is_red_until_what_was_sent_to_a_lost_connection_is_on_disk(lab):
    simulator = lab.simulator("--rate", "200", "--warm-up", "2")
    config = lab.configure(
        simulator.port, {711280073: ("MNQ", ["bid_ask", "last"])},
        more="heal:\n  requests_per_10min: 6000\n  identical: 0s\n  per_contract_2s: 100\n")
    up = lab.start("ib-stream", "up", "--config", config)
    wait_for("the watchdog", lambda: (lab.run / "watchdog.sock").exists())
    url = "http://" + wait_for("its page", lambda: lab.control("watchdog", "status").get("http")) + "/health"
    wait_for("health", lambda: get(url)[0] == 200)
    # History keeps silent: what was on its way can't be fetched yet, and new ticks are recorded.
    lab.simulator_says("history silent")
    lab.simulator_says("drop reset")

    def healing():
        code, page = get(url)
        ticking = [s for s in page["streams"].values() if s["state"] == "healing" and s["silent_millis"] < 2000]
        return len(ticking) == 2 and (code, page)

    code, page = wait_for("live streams that lack something", healing)
    assert code == 503 and page["background_streaming"]["status"] == "running", page
    assert all("that the gateway may have sent are not on disk yet" in s["reason"] or "being looked for" in s["reason"]
               for s in page["streams"].values()), page
    # As long as that lasts.
    for _ in range(20):
        assert get(url)[0] == 503
    lab.simulator_says("history ok")
    wait_for("health to turn green", lambda: get(url)[0] == 200, 150)
    gaps = json.loads(lab.ib_stream("gaps", "--config", config, "--all", "--json", check=None))["gaps"]
    assert {gap["state"] for gap in gaps} == {"healed"}, gaps
    assert up.stop() == 0, up.stderr()
