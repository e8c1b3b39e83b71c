"""What a gateway says of requests, farms and its own link, and what is asked, cancelled and told of it."""

import json
import urllib.error
import urllib.request

import pytest

from ibstream import wait_for
from test_gateway_frames import frame
from test_gateway_words import AAPL, MNQ, TalkingGateway, definition, streams, talking, trades


def said(code, text, request=-1):
    return frame(4, request, code, text, "", 0)


class StrictGateway(TalkingGateway):
    """One tick-by-tick line for each contract, and nothing is forgotten that was not cancelled."""

    def __init__(self, answer=lambda fields, send: False, **more):
        self.cancelled = []
        super().__init__(self.strictly(answer), **more)

    def strictly(self, answer):
        def decide(fields, send):
            if answer(fields, send):
                return True
            if fields[0] == "98":
                self.cancelled.append(int(fields[1]))
            elif fields[0] == "97" and int(fields[2]) in self.streams.values():
                send(said(10190, "Max number of tick-by-tick requests has been reached.", fields[1]))
                return True
            return False
        return decide

    def asked(self, con_id=None):
        return [int(f[1]) for f in self.requests if f[0] == "97" and con_id in (None, int(f[2]))]

    def forget(self, con_id):
        """The subscription is gone, and nobody is told."""
        with self.lock:
            for request in [r for r, c in self.streams.items() if c == con_id]:
                del self.streams[request]


@pytest.fixture
def strict(talking):
    made = []

    def make(*arguments, **more):
        made.append(StrictGateway(*arguments, **more))
        return made[-1]

    yield make
    for gateway in made:
        gateway.stop()


def start(lab, gateway, contracts=(MNQ, AAPL)):
    config = lab.configure(gateway.port, {c: (f"S{c}", ["last"]) for c in contracts})
    system = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: all(len(gateway.sent.get(c, [])) >= 10 for c in contracts))
    return config, *system


def more_ticks(gateway, con_id, count=5):
    before = len(gateway.sent.get(con_id, []))
    wait_for(f"ticks of {con_id}", lambda: len(gateway.sent[con_id]) >= before + count)


def all_there(lab, gateway, *contracts):
    gateway.pause()
    lab.settle()
    for con_id in contracts:
        assert trades(lab, con_id) == gateway.sent[con_id]


def health(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_what_is_given_up_is_cancelled_before_it_is_asked_for_again(lab, strict):
    """The gateway keeps the line of a request that it complained of: the next one must not meet it."""
    gateway = strict()
    start(lab, gateway, [MNQ])
    first = gateway.asked(MNQ)[0]
    gateway.send(said(10182, "Failed to request live updates (disconnected).", first))
    wait_for("the next request", lambda: len(gateway.asked(MNQ)) == 2)
    more_ticks(gateway, MNQ)
    assert gateway.cancelled == [first]
    assert list(gateway.streams) == [gateway.asked(MNQ)[1]]
    wait_for("the state", lambda: streams(lab)[f"{MNQ}.last"]["state"] == "subscribed")
    assert "code=10190" not in lab.processes[-1].stderr()


def test_a_warning_in_front_of_contract_data_costs_neither_definition_nor_lookup(lab, strict):
    def answer(fields, send):
        if fields[0] == "9":
            send(said(2176, "Warning: size rules have changed", fields[2]) + said(77777, "something", fields[2])
                 + definition(fields[2], MNQ, "MNQ") + frame(52, 1, fields[2]))
        return fields[0] == "9"

    gateway = strict(answer)
    config, *_ = start(lab, gateway, [MNQ])
    found = lab.ib_stream("lookup", "MNQ", "--type", "FUT", "--config", config)
    assert str(MNQ) in found
    definitions = lab.subscribe("ticks.sock", "definition.")
    assert definitions.poll(60_000)
    assert json.loads(definitions.recv_multipart()[1])["con_id"] == MNQ
    definitions.close()


def test_a_lost_link_that_the_gateway_says_nothing_more_of_ends_with_ticks_and_drops_nothing(lab, strict):
    """1100 and no 1101 or 1102; the only working connection is kept, and what was forgotten is asked for again."""
    gateway = strict()
    start(lab, gateway)

    def session():
        return lab.control("connector", "status")["session"]

    gateway.send(said(1100, "Connectivity between IBKR and Trader Workstation has been lost."))
    wait_for("the word to arrive", lambda: "code=1100" in lab.processes[-1].stderr())
    wait_for("the end of the state", lambda: session() == "ready")
    assert "ticks come although" in lab.processes[-1].stderr()
    # First, so that no later tick ends the state before it is seen.
    gateway.forget(MNQ)
    gateway.forget(AAPL)
    gateway.send(said(2110, "Connectivity between Trader Workstation and server is broken. It will be restored automatically."))
    wait_for("the state", lambda: session() == "degraded")
    gateway.send(said(2103, "Market data farm connection is broken:usfarm"))
    gateway.send(said(2104, "Market data farm connection is OK:usfarm"))
    for con_id in (MNQ, AAPL):
        wait_for("the next request", lambda: len(gateway.asked(con_id)) == 2)
        more_ticks(gateway, con_id)
    wait_for("the end of the state", lambda: session() == "ready")
    all_there(lab, gateway, MNQ, AAPL)
    assert gateway.connections == 1


def test_health_names_the_lost_link_and_the_healing_that_waits(lab, strict):
    def answer(fields, send):
        # The burst behind the greeting.
        if fields[0] == "71":
            send(said(2104, "Market data farm connection is OK:usfarm")
                 + said(2106, "HMDS data farm connection is OK:ushmds")
                 + said(2105, "HMDS data farm connection is broken:fundfarm"))
        return False

    gateway = strict(answer)
    config = lab.configure(gateway.port, {MNQ: ("MNQ", ["last"])})
    lab.start("ib-stream", "up", "--config", config)
    wait_for("the watchdog", lambda: (lab.run / "watchdog.sock").exists())
    url = "http://" + lab.control("watchdog", "status")["http"] + "/health"
    wait_for("health", lambda: health(url)[0] == 200)
    # A gap: healing has something to wait for.
    lab.control("connector", "resubscribe")
    reason = wait_for("the reason", lambda: [r for r in health(url)[1]["reasons"] if "healing is on hold" in r])[0]
    assert "history farms: fundfarm down since 20" in reason
    # What was on its way when the stream was asked for anew is not there.
    assert health(url)[0] == 503
    gateway.forget(MNQ)
    gateway.send(said(1100, "Connectivity between IBKR and Trader Workstation has been lost."))
    code, page = wait_for("the code", lambda: (
        lambda h: any("TWS 1100 since 20" in r for r in h[1]["reasons"]) and h)(health(url)))
    assert code == 503 and not any("no session" in r for r in page["reasons"]), page


def test_a_client_id_left_behind_is_left_alone_and_taken_again_when_it_is_free(lab, strict):
    ids = []

    def answer(fields, send):
        if fields[0] == "71":
            ids.append(int(fields[2]))
            if len(ids) <= 2:
                send(said(326, "Unable to connect as the client id is already in use. Retry with a unique client id."))
                return True
        return False

    gateway = strict(answer)
    _, _, connector = start(lab, gateway, [MNQ])
    assert ids == [851, 852, 853]
    assert "the client id is in use, trying another" in connector.stderr()
    assert lab.control("connector", "status")["client_id"] == 853
    lab.control("connector", "reconnect")
    wait_for("the next session", lambda: len(ids) == 4)
    assert ids[3] == 851


def test_definitions_are_asked_for_again_when_their_farm_is_back(lab, strict):
    away = [True]

    def answer(fields, send):
        if fields[0] == "9" and away[0]:
            send(said(2157, "Sec-def data farm connection is broken:secdefil")
                 + said(200, "No security definition has been found for the request", fields[2]))
            return True
        return False

    gateway = strict(answer)
    config = lab.configure(gateway.port, {MNQ: ("MNQ", ["last"])})
    lab.recorder(config), lab.connector(config)
    wait_for("the first request", lambda: any(f[0] == "9" for f in gateway.requests))
    away[0] = False
    gateway.send(said(2158, "Sec-def data farm connection is OK:secdefil"))
    wait_for("the next request", lambda: sum(f[0] == "9" for f in gateway.requests) == 2, seconds=30)
