"""docs/feed-protocol.md against running services: every documented shape is the one they send."""

import json
import re
import time

import pytest
import zmq

import test_healing
from ibstream import PATIENCE, REPOSITORY, wait_for
from test_gaps import asked
from test_up import healthy, up

TEXT = (REPOSITORY / "docs/feed-protocol.md").read_text()
STREAM = "711280073.bid_ask"


def examples(text):
    """{name: [JSON value]} of the fenced blocks, by the comment above each."""
    found = {}
    for name, block in re.findall(r"<!-- example: (.*?) -->\n```json\n(.*?)```", text, re.S):
        found.setdefault(name, []).append(json.loads(block))
    return found


EXAMPLES = examples(TEXT)


def shape(value, path=""):
    """What a value is made of: names and types, the first member standing for all where names are streams or services."""
    if isinstance(value, dict):
        if value and all(re.match(r"^\d+\.\w+(@\d+)?$|^ib-(connector|recorder)$", name) for name in value):
            return {"*": shape(next(iter(value.values())), path)}
        return {name: shape(member, f"{path}.{name}") for name, member in value.items()}
    if isinstance(value, list):
        return [shape(value[0], path)] if value else []
    return "number" if type(value) in (int, float) else type(value).__name__


def assert_alike(actual, documented, path="result"):
    """Names are the same; types too, except where either side is null or an empty list."""
    if isinstance(documented, dict) and isinstance(actual, dict):
        assert actual.keys() == documented.keys(), f"{path}: {sorted(actual.keys() ^ documented.keys())} differ"
        for name in documented:
            assert_alike(actual[name], documented[name], f"{path}.{name}")
    elif isinstance(documented, list) and isinstance(actual, list):
        if documented and actual:
            assert_alike(actual[0], documented[0], f"{path}[]")
    elif "NoneType" not in (actual, documented):
        assert actual == documented, f"{path}: {actual} is documented as {documented}"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    import ibstream

    lab = ibstream.Lab(tmp_path_factory.mktemp("feed"))
    up(lab)
    healthy(lab)
    yield lab
    lab.end()


def ask(lab, service, command, kind=zmq.DEALER, **members):
    socket = lab.zmq.socket(kind)
    socket.set(zmq.LINGER, 0)
    socket.connect(f"ipc://{lab.simulated_run}/{service}.sock")
    try:
        socket.send_json({"id": 7, "command": command, **members})
        assert socket.poll(PATIENCE * 1000), f"{service} did not answer {command}"
        answer = socket.recv_json()
        assert answer["id"] == 7
        return answer
    finally:
        socket.close()


@pytest.mark.parametrize("name, members", [
    ("connector status", {}), ("connector streams", {}),
    ("connector lookup", {"symbol": "MNQ", "type": "FUT"}),
    ("connector resubscribe", {"stream": STREAM}), ("connector renumber", {"above": 1}), ("recorder status", {}),
    ("recorder streams", {}), ("recorder seal", {}), ("watchdog status", {}),
])
def test_results_have_the_documented_shape(system, name, members):
    service, command = name.split()
    answer = ask(system, service, command, **members)
    assert answer["ok"], answer
    [documented] = EXAMPLES[f"result {name}"]
    assert_alike(shape(answer["result"]), shape(documented))


@pytest.mark.parametrize("service", ["connector", "recorder", "watchdog"])
def test_every_service_answers_a_ping_and_refuses_what_it_does_not_know(system, service):
    assert ask(system, service, "ping", nonce="a81f")["result"] == EXAMPLES["result ping"][0]
    assert ask(system, service, "ping", kind=zmq.REQ, nonce="a81f")["result"] == EXAMPLES["result ping"][0]
    answer = ask(system, service, "dance")
    assert answer["ok"] is False and "dance" in answer["error"]


@pytest.mark.parametrize("socket_name, topic", [("ticks", "definition"), ("ticks", "watermark"), ("durable", "durable")])
def test_topics_carry_the_documented_shape(system, socket_name, topic):
    sub = system.zmq.socket(zmq.SUB)
    sub.connect(f"ipc://{system.simulated_run}/{socket_name}.sock")
    sub.subscribe(topic)
    try:
        assert sub.poll(PATIENCE * 1000), f"nothing on {topic}"
        received, payload = sub.recv_multipart()
    finally:
        sub.close()
    assert received.decode().split(".")[0] == topic
    assert_alike(shape(json.loads(payload)), shape(EXAMPLES[topic][0]))


def test_events_carry_the_documented_members(system):
    sub = system.zmq.socket(zmq.SUB)
    sub.connect(f"ipc://{system.simulated_run}/ticks.sock")
    sub.subscribe("")
    seen = set()
    try:
        # Something has come: the subscription stands, so that no event of the reconnection is missed.
        assert sub.poll(PATIENCE * 1000), "nothing on the feed"
        assert ask(system, "connector", "reconnect")["ok"]
        while not seen >= {"tws_disconnected", "tws_connected"}:
            assert sub.poll(PATIENCE * 1000), f"only {seen}"
            topic, payload = sub.recv_multipart()
            if topic != b"event":
                continue
            event = json.loads(payload)
            seen.add(event["event"])
            assert event.keys() <= EXAMPLES["event"][0].keys() and {"time", "event", "text"} <= event.keys()
            assert f"`{event['event']}`" in TEXT, f"{event['event']} is not documented"
    finally:
        sub.close()


def test_the_table_of_events_has_every_event_and_no_other():
    """Most of them need trouble to happen: what the connector's source publishes is what there is."""
    sources = "\n".join(path.read_text() for path in sorted((REPOSITORY / "Sources").rglob("*.swift")))
    # A name that is not written out where it is published would not be found.
    published = re.findall(r'\bpublishEvent\(\s*"(\w+)"', sources)
    assert len(published) == len(re.findall(r"(?<!func )\bpublishEvent\(", sources)) > 0
    assert len(re.findall(r"\bFeedEvent\(timeNanos", sources)) == 1, "events are made in one place"
    [table] = re.findall(r"^\| event \| when \|\n\|---\|---\|\n((?:\|.*\n)+)", TEXT, re.M)
    documented = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(documented) == sorted(set(published))


def words(first, last):
    """The words in backticks of the document between two phrases."""
    return set(re.findall(r"`(\w+)`", TEXT.split(first)[1].split(last)[0]))


def test_gaps_and_heals_have_the_documented_shape(lab):
    system = test_healing.System(lab, streams={265598: ("AAPL", ["bid_ask"])}, rate=200)
    [stream] = system.names
    lab.simulator_says("history silent")
    lab.simulator_says("refuse")
    lab.simulator_says("drop")
    time.sleep(5)  # longer than what a new subscription brings of the past: the gap has to wait for history
    lab.simulator_says("accept")
    system.wait_ticks(20)

    heals = wait_for("a gap that waits for history", lambda: lab.control("connector", "heals")["heals"])
    assert_alike(shape({"heals": heals}), shape(EXAMPLES["result connector heals"][0]))
    assert heals[0]["state"] in words("`state` is `asking`", "Once healed") | {"asking"}

    states = words("- `state`: ", "\n")
    [documented] = EXAMPLES["gaps"]
    pending = asked(lab, stream)
    assert_alike(shape(pending), shape(documented))
    assert pending["gaps"][0]["state"] == "pending" and pending["gaps"][0]["key"] == heals[0]["gap"]
    assert pending["gaps"][0]["state"] in states

    lab.simulator_says("history ok")
    system.wait_healed()
    assert lab.control("connector", "heals") == {"heals": []}
    healed = asked(lab, stream)
    assert_alike(shape(healed), shape(documented))
    [gap] = [gap for gap in healed["gaps"] if gap["key"] == pending["gaps"][0]["key"]]
    assert gap["state"] in states and gap["before"] and gap["after"] and gap["runs"]
    for run in gap["runs"]:
        assert [type(part) for part in run] == [type(part) for part in documented["gaps"][0]["runs"][0]]
        first, last, ticks, start, end, outcome = run
        assert first < last and ticks <= last - first - 1 and start < end
        assert outcome in states | {"more", "torn"}
    assert healed["last"] >= gap["runs"][-1][1] > gap["last_marker"] >= gap["key"] > gap["before"]["key"]


def test_the_documents_python_programs_run(system, capsys):
    healthy(system)
    programs = re.findall(r"^```python\n(.*?)^```", TEXT, re.M | re.S)
    assert len(programs) == 3
    names = {}
    # The third one never ends: test_late_join.py runs it.
    exec("\n".join(programs[:2]).replace("/run/ib-stream", str(system.simulated_run)), names)
    assert names["next_key"] >> 32 == int(names["ticks"]["key"][-1]) >> 32
    assert len(capsys.readouterr().out.splitlines()) > 0


def test_a_stream_comes_and_goes_by_command(system):
    answer = ask(system, "connector", "subscribe", con_id=265598, ticks=["mid_point"])
    assert answer["ok"], answer
    assert_alike(shape(answer["result"]), shape(EXAMPLES["result connector subscribe"][0]))
    assert ask(system, "connector", "unsubscribe", stream="265598.mid_point") == {"id": 7, "ok": True, "result": {}}
