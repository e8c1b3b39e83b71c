"""docs/json.md against a running system: every documented page and command prints the documented shape."""

import json
import re
import subprocess

import pytest

import test_healing
from ibstream import BIN, PATIENCE, REPOSITORY
from test_feed_protocol import assert_alike, examples, shape, system  # noqa: F401 (a fixture)
from test_up import get, healthy

TEXT = (REPOSITORY / "docs/json.md").read_text()
EXAMPLES = {name: example for name, [example] in examples(TEXT).items()}
# Members whose names are data: contracts, kinds of ticks, paths.
NAMES = re.compile(r"\d+|bid_ask|last|all_last|mid_point|/.*")


def general(value):
    """Puts one name in the place of names that are data, so that `shape` sees the same members everywhere."""
    if isinstance(value, list):
        return [general(member) for member in value]
    if not isinstance(value, dict):
        return value
    if value and all(NAMES.fullmatch(name) for name in value):
        return {"NAME": general(next(iter(value.values())))}
    return {name: general(member) for name, member in value.items()}


def assert_documented(name, actual):
    assert_alike(shape(general(actual)), shape(general(EXAMPLES[name])), name)


def run(lab, *arguments):
    result = subprocess.run([BIN / "ib-stream", *arguments, "--json", "--simulate", "--root", lab.root],
                            capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode in (0, 1), result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("page", [name for name in EXAMPLES if name.startswith("/")])
def test_pages_have_the_documented_shape(system, page):  # noqa: F811
    facts = healthy(system)
    assert page in TEXT.split("## Commands")[0].split("```sh")[0], "it stands in the table"
    code, body = get(f"http://{facts['http']}{page}")
    assert code == 200
    assert_documented(page, body)


@pytest.mark.parametrize("command", ["status", "ls", "verify", "audit"])
def test_commands_print_the_documented_shape(system, command):  # noqa: F811
    assert_documented(command, run(system, command))


def test_states_are_the_documented_ones(system):  # noqa: F811
    facts = healthy(system)
    of_service, of_stream = re.findall(r"^\| `state` \| (.*) \|$", TEXT, re.M)
    assert {service["state"] for service in facts["services"].values()} <= set(re.findall(r"`(\w+)`", of_service))
    # Those of the code, of which a healthy system shows few.
    source = (REPOSITORY / "Sources/Supervision/StreamState.swift").read_text().split("public var health")[0]
    states = {raw or name for name, raw in re.findall(r"^    case (\w+)(?: = \"(\w+)\")?$", source, re.M)}
    assert len(states) > 10 and states == set(re.findall(r"`(\w+)`", of_stream))


def test_gaps_and_explain_print_the_documented_shape(lab):
    recorded = test_healing.System(lab, streams={265598: ("AAPL", ["bid_ask"])}, rate=200)
    [stream] = recorded.names
    lab.simulator_says("drop")
    recorded.wait_ticks(20)
    recorded.kill("connector")
    recorded.start("connector")
    recorded.wait_ticks(20)
    recorded.wait_healed(2)
    lab.settle()

    def told(*arguments):
        return json.loads(lab.ib_stream(*arguments, "--json", "--config", recorded.config))

    found = told("gaps", "--all")
    assert len(found["gaps"]) >= 2
    assert_documented("gaps", found)
    assert found["counts"].keys() == EXAMPLES["gaps"]["counts"].keys()

    explained = told("explain", stream, "1s")
    events = explained.pop("events")
    documented = EXAMPLES["explain"].copy()
    by_kind = {event["event"] if "code" not in event else "marker": event for event in documented.pop("events")}
    assert by_kind.keys() == {"gap", "marker", "silence", "epoch"}
    assert_alike(shape(explained), shape(documented), "explain")
    kinds = set()
    for event in events:
        kind = event["event"] if "code" not in event else "marker"
        kinds.add(kind)
        assert_alike(shape(event), shape(by_kind[kind]), f"event {kind}")
    assert kinds >= {"gap", "marker", "epoch"}, events
