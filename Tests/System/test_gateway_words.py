"""What a gateway says beside ticks: definitions, accounts, codes. A scripted one says what real ones have said."""

import os
import socket
import struct
import subprocess
import threading
import time

import pytest

from ibstream import BIN, PATIENCE, body_u64, check_numbering, wait_for
from test_gateway_frames import NOW, frame

MNQ, AAPL, ODD = 711280073, 265598, 7777


def definition(request, con_id, symbol, sec_type="STK", magnifier="1", min_tick="0.01", hours="20991127:0000-20991128:0000"):
    """`contractData` of version 200."""
    return frame(10, request, symbol, sec_type, "", "", 0, "", "SMART", "USD", symbol, symbol, symbol, con_id, min_tick, "",
                 "LMT,MKT", "SMART", magnifier, 0, symbol + " Inc", "SMART", "", "", "", "", "UTC", hours, hours, "", "", 0,
                 1, "", "", 26, "", "", 1, 1, 1, 0)


class TalkingGateway:
    """A gateway of version 200 that streams a trade for every subscription, ten times a second.

    `answer(fields, send)` sees each request first; when it returns True nothing else is done with it.
    """

    def __init__(self, answer=lambda fields, send: False, accounts="SIM000001", version=200, greets=True):
        self.answer, self.accounts, self.version, self.greets = answer, accounts, version, greets
        self.muted = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        # Request id -> [con_id, kind, prices sent]
        self.streams = {}
        self.requests = []
        self.sent = {}
        self.lock = threading.Lock()
        self.client = None
        self.stopped = False
        threading.Thread(target=self.serve, daemon=True).start()
        threading.Thread(target=self.stream, daemon=True).start()

    def serve(self):
        while not self.stopped:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                self.talk(client)
            except (ConnectionError, OSError, struct.error):
                pass
            finally:
                with self.lock:
                    self.client = None
                    self.streams.clear()
                self.incoming.close()
                client.close()

    def talk(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.incoming = client.makefile("rb")
        assert self.incoming.read(4) == b"API\0"
        self.read_frame()
        if not self.greets:
            return
        client.sendall(frame(self.version, "20250812 20:11:34 US/Central"))
        with self.lock:
            self.client = client
        while data := self.read_frame():
            fields = [field.decode() for field in data.split(b"\0")[:-1]]
            self.requests.append(fields)
            if not self.answer(fields, self.send):
                self.answer_as_usual(fields)

    def answer_as_usual(self, fields):
        if fields[0] == "71":
            self.send(frame(15, 1, self.accounts) + frame(9, 1, 1))
        elif fields[0] == "49":
            self.send(frame(49, 1, int(time.time())))
        elif fields[0] == "9":
            con_id = int(fields[3])
            self.send(definition(fields[2], con_id, f"S{con_id}") + frame(52, 1, fields[2]))
        elif fields[0] == "97":
            with self.lock:
                self.streams[int(fields[1])] = int(fields[2])
        elif fields[0] == "98":
            with self.lock:
                self.streams.pop(int(fields[1]), None)
        elif fields[0] == "96":
            self.send(frame(4, fields[1], 162, "HMDS query returned no data", "", 0))

    def send(self, data):
        with self.lock:
            if self.client:
                self.client.sendall(data)

    def stream(self):
        while not self.stopped:
            time.sleep(0.1)
            if self.muted:
                continue
            with self.lock:
                try:
                    for request, con_id in self.streams.items():
                        number = len(self.sent.setdefault(con_id, []))
                        self.client.sendall(frame(99, request, 1, NOW + number, 100 + number, 1, 0, "CME", ""))
                        self.sent[con_id].append(100 + number)
                except (OSError, AttributeError):
                    pass

    def read_frame(self):
        head = self.incoming.read(4)
        return self.incoming.read(struct.unpack(">I", head)[0]) if len(head) == 4 else b""

    def pause(self):
        """No more ticks; what was sent stays."""
        with self.lock:
            self.streams.clear()

    def stop(self):
        self.stopped = True
        self.listener.close()


@pytest.fixture
def talking():
    made = []

    def make(*arguments, **more):
        made.append(TalkingGateway(*arguments, **more))
        return made[-1]

    yield make
    for gateway in made:
        gateway.stop()


def trades(lab, con_id):
    records = lab.records(f"{con_id}.last")
    check_numbering(records)
    return (body_u64(records[records["kind"] == 1], 0) // 10**9).tolist()


def events(lab, con_id):
    records = lab.records(f"{con_id}.last")
    markers = records[records["kind"] == 255]
    return ((body_u64(markers, 0) >> 8) & 0xFF).tolist()


def streams(lab):
    return lab.control("connector", "streams")["streams"]


def test_a_definition_that_can_not_be_decoded_costs_its_request_alone(lab, talking):
    asked = []

    def answer(fields, send):
        if fields[0] == "9" and fields[3] == str(ODD):
            asked.append(fields)
            send(definition(fields[2], ODD, "ODD", magnifier="0.01") + frame(52, 1, fields[2]))
            return True
        return False

    gateway = talking(answer)
    config = lab.configure(gateway.port, {c: (f"S{c}", ["last"]) for c in (ODD, MNQ, AAPL)})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks of all three", lambda: all(len(gateway.sent.get(c, [])) >= 20 for c in (ODD, MNQ, AAPL)))
    gateway.pause()
    lab.settle()
    for con_id in (ODD, MNQ, AAPL):
        assert trades(lab, con_id) == gateway.sent[con_id]
        assert events(lab, con_id) == [15, 1]
    assert len(asked) == 1 and gateway.connections == 1
    said = [line for line in connector.stderr().splitlines() if "can't be decoded" in line]
    assert len(said) == 1 and f"S{ODD} ({ODD})" in said[0] and "field 18 (priceMagnifier)" in said[0]
    assert lab.control("connector", "status")["disconnects"] == 0


REFUSALS = {
    1001: (200, "No security definition has been found for the request", "not_subscribed"),
    1002: (322, "Max number of tick-by-tick requests has been reached.", "no_line"),
    1003: (309, "Max number (3) of market depth requests has been reached", "no_line"),
    1004: (10346, "The data can not be delivered", "no_permission"),
    1005: (354, "Requested market data is not subscribed.", "no_permission"),
}


def test_health_shows_what_the_table_says_of_a_code_in_the_gateways_words(lab, talking):
    def answer(fields, send):
        if fields[0] == "97" and int(fields[2]) in REFUSALS:
            code, text, _ = REFUSALS[int(fields[2])]
            send(frame(4, fields[1], code, text, "", 0))
            return True
        return False

    gateway = talking(answer)
    config = lab.configure(gateway.port, {c: (f"S{c}", ["last"]) for c in (MNQ, *REFUSALS)})
    lab.start("ib-stream", "up", "--config", config)

    def shown():
        if not (lab.run / "watchdog.sock").exists():
            return False
        found = lab.control("watchdog", "status")["streams"]
        return found if all(found.get(f"{c}.last", {}).get("state") == REFUSALS[c][2] for c in REFUSALS) else False

    found = wait_for("the states", shown, every=0.2)
    for con_id, (code, text, _) in REFUSALS.items():
        assert found[f"{con_id}.last"]["reason"].startswith(f"TWS says {code}: {text}"), found[f"{con_id}.last"]
    assert "lookup" in found["1001.last"]["reason"], "what a person can do"
    reasons = lab.control("watchdog", "status")["reasons"]
    assert any("1001.last is not_subscribed: TWS says 200" in reason for reason in reasons)


def test_a_lookup_that_finds_nothing_is_no_error_in_the_log(lab, talking):
    def answer(fields, send):
        if fields[0] == "9" and fields[3] == "0":
            send(frame(4, fields[2], 200, "No security definition has been found for the request", "", 0))
            return True
        return False

    gateway = talking(answer)
    connector = lab.connector(lab.configure(gateway.port, {MNQ: ("MNQ", ["last"])}))
    wait_for("ticks", lambda: len(gateway.sent.get(MNQ, [])) > 2)
    said = lab.failure("lookup", "AAPLE", "--type", "STK", "--root", lab.root, check=1)
    assert "No security definition" in said
    wait_for("the code in the log", lambda: "code=200" in connector.stderr())
    line = next(line for line in connector.stderr().splitlines() if "code=200" in line)
    assert "ERROR" not in line and "INFO" in line, line


def test_who_may_not_use_the_sockets_is_told_so_at_once(lab, talking):
    if os.geteuid() != 0:
        pytest.skip("needs another user")
    gateway = talking()
    config = lab.configure(gateway.port, {MNQ: ("MNQ", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: len(gateway.sent.get(MNQ, [])) > 2)
    lab.settle()
    for command in (["status"], ["tail"], ["tail", "--since", "1h"], ["lookup", "AAPL"], ["gaps"], ["seal"],
                    ["audit"], ["verify"], ["verify", lab.root], ["verify", lab.state], ["ls"], ["cat", f"{MNQ}.last"],
                    ["export", "--format", "csv", "--out", "/nowhere"], ["explain", f"{MNQ}.last", "1m"], ["repair"]):
        result = subprocess.run(
            [str(BIN / "ib-stream"), *map(str, command), "--root", str(lab.root)], capture_output=True, timeout=PATIENCE,
            text=True, user=65534, group=65534, extra_groups=[])
        assert result.returncode == 77, (command, result)
        assert "ermission denied: become a member of the group ib-stream" in result.stderr, (command, result.stderr)
    # Whoever may look into the directory, but not use the sockets in it, is told the same.
    for folder in (lab.folder, lab.root, lab.run, lab.state):
        folder.chmod(0o755)
    for part in lab.folder.parents:
        if part.stat().st_mode & 0o001 == 0:
            break
    else:
        result = subprocess.run(
            [str(BIN / "ib-stream"), "lookup", "AAPL", "--root", str(lab.root)], capture_output=True, timeout=PATIENCE,
            text=True, user=65534, group=65534, extra_groups=[])
        assert result.returncode == 77 and ".sock: permission denied" in result.stderr, result.stderr


def test_an_empty_account_list_on_a_reconnect_is_no_other_account(lab, talking):
    lists = ["DU1", "", " , ", "DU1"]

    def answer(fields, send):
        if fields[0] != "71":
            return False
        send(frame(15, 1, lists[min(gateway.connections, len(lists)) - 1]) + frame(9, 1, 1))
        return True

    gateway = talking(answer)
    recorder, connector = (lambda config: (lab.recorder(config), lab.connector(config)))(
        lab.configure(gateway.port, {MNQ: ("MNQ", ["last"])}))
    for number in range(1, len(lists) + 1):
        before = len(gateway.sent.get(MNQ, []))
        wait_for(f"ticks of connection {number}", lambda: gateway.connections >= number and len(
            gateway.sent.get(MNQ, [])) > before + 3)
        if number < len(lists):
            lab.control("connector", "reconnect")
            wait_for("the next connection", lambda: gateway.connections > number)
    gateway.pause()
    lab.settle()
    assert gateway.connections == len(lists), "none was refused"
    assert lab.control("connector", "status")["accounts"] == ["DU1"]
    assert "must not take the place" not in connector.stderr()


@pytest.mark.parametrize("first", [2147483647, 0, -7])
def test_whatever_the_next_id_is_requests_have_ids_of_their_own(lab, talking, first):
    def answer(fields, send):
        if fields[0] == "71":
            send(frame(15, 1, "DU1") + frame(9, 1, first))
        return fields[0] == "71"

    gateway = talking(answer)
    config = lab.configure(gateway.port, {MNQ: ("MNQ", ["last"]), AAPL: ("AAPL", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks of both", lambda: all(len(gateway.sent.get(c, [])) > 3 for c in (MNQ, AAPL)))
    ids = [int(fields[2 if fields[0] == "9" else 1]) for fields in gateway.requests if fields[0] in ("9", "97")]
    assert len(set(ids)) == len(ids) >= 4 and all(0 < request < 2**31 for request in ids), ids
    gateway.pause()
    lab.settle()
    assert trades(lab, MNQ) == gateway.sent[MNQ]


def test_a_gateway_that_moves_to_another_port_is_followed(lab, talking):
    """1300 names the port; the configuration does not."""
    old, new = talking(), talking()
    config = lab.configure(old.port, {MNQ: ("MNQ", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: len(old.sent.get(MNQ, [])) > 3)
    old.stop()
    old.send(frame(4, -1, 1300, "TWS socket port has been reset and this connection is being dropped. "
                   f"Please reconnect on the new port - {new.port}", "", 0))
    wait_for("ticks from there", lambda: len(new.sent.get(MNQ, [])) > 3)
    new.pause()
    lab.settle()
    assert trades(lab, MNQ) == old.sent[MNQ] + new.sent[MNQ]
    assert lab.control("connector", "status")["port"] == new.port


BOND = ("IBCID15960357", "BOND", "912828C57", 2.25, "20310331", "20140331", "", "", "", 0, 0, 0, "", "SMART", "USD", "TREAS",
        "TREAS", 15960357, "0.0001", "LMT", "SMART", "", "", 0, "", "US Treasury", "US/Eastern", "20991127:0800-20991127:1700",
        "20991127:0900-20991127:1600", "", 0, 1, "CUSIP", "912828C57", 4, 1910, 1, 1, 1)


def test_a_bond_is_found_and_its_hours_are_known(lab, talking):
    def answer(fields, send):
        if fields[0] != "9":
            return False
        send(frame(18, fields[2], *BOND) + frame(52, 1, fields[2]))
        return True

    gateway = talking(answer)
    config = lab.configure(gateway.port, {15960357: ("T", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks", lambda: len(gateway.sent.get(15960357, [])) > 2)
    wait_for("the session in the status", lambda: lab.control("connector", "status")["connected"])
    found = lab.ib_stream("lookup", "912828C57", "--type", "BOND", "--root", lab.root)
    assert "15960357  IBCID15960357 BOND" in found and "20991127:0800-20991127:1700" in found
    path = lab.state / "definitions" / "15960357.json"
    wait_for("the kept definition", path.exists)
    assert "20991127:0800-20991127:1700" in path.read_text() and "US/Eastern" in path.read_text()


def test_a_contract_for_difference_is_recorded_from_its_underlying_and_marked(lab, talking):
    cfd, asked = 5555, []

    def answer(fields, send):
        if fields[0] == "97":
            asked.append(int(fields[2]))
            if int(fields[2]) == cfd:
                send(frame(91, fields[1], AAPL, "SMART"))
                return True
        return False

    gateway = talking(answer)
    config = lab.configure(gateway.port, {cfd: ("AAPL", ["last"]), MNQ: ("MNQ", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks of the underlying", lambda: len(gateway.sent.get(AAPL, [])) > 5)
    gateway.pause()
    lab.settle()
    assert sorted(asked) == sorted([cfd, AAPL, MNQ])
    assert trades(lab, cfd) == gateway.sent[AAPL] and trades(lab, MNQ) == gateway.sent[MNQ]
    assert events(lab, cfd) == [15, 1, 1, 13]
    state = streams(lab)[f"{cfd}.last"]
    assert state["state"] == "subscribed" and str(AAPL) in state["reason"]


def test_a_reason_has_the_gateways_last_code_beside_what_is_told_of_the_contract(lab, talking):
    cfd = 5555

    def answer(fields, send):
        if fields[0] == "97" and int(fields[2]) == cfd:
            send(frame(91, fields[1], AAPL, "SMART"))
            return True
        return False

    gateway = talking(answer)
    config = lab.configure(gateway.port, {cfd: ("AAPL", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks of the underlying", lambda: len(gateway.sent.get(AAPL, [])) > 5)
    gateway.muted = True
    with gateway.lock:
        [request] = gateway.streams
    # A tick that was on its way shows that nobody has taken the data.
    time.sleep(0.5)
    gateway.send(frame(4, request, 10197, "No market data during competing live session", "", 0))
    reason = wait_for("the code", lambda: "10197" in (r := streams(lab)[f"{cfd}.last"]["reason"]) and r)
    assert "log it off there" in reason and str(AAPL) in reason, reason
    assert streams(lab)[f"{cfd}.last"]["state"] == "competing_session"


def test_a_circle_of_reroutes_is_said_and_not_followed(lab, talking):
    cfd, asked = 5555, []

    def answer(fields, send):
        if fields[0] == "97" and int(fields[2]) != MNQ:
            asked.append(int(fields[2]))
            send(frame(91, fields[1], AAPL if int(fields[2]) == cfd else cfd, "SMART"))
            return True
        return False

    gateway = talking(answer)
    config = lab.configure(gateway.port, {cfd: ("AAPL", ["last"]), MNQ: ("MNQ", ["last"])})
    recorder, connector = lab.recorder(config), lab.connector(config)
    wait_for("ticks of the other", lambda: len(gateway.sent.get(MNQ, [])) > 20)
    assert asked == [cfd, AAPL]
    state = streams(lab)[f"{cfd}.last"]
    assert state["state"] == "not_subscribed" and "rerouted to contract 5555 on SMART" in state["reason"]
    assert "in a circle" in connector.stderr()


@pytest.mark.parametrize("more,words", [
    ({"greets": False}, ["without a greeting", "trusted IPs"]),
    ({"version": 142}, ["server version 142 is not one of", "too old"]),
])
def test_health_says_why_there_is_no_session_and_what_to_do(lab, talking, more, words):
    gateway = talking(**more)
    config = lab.configure(gateway.port, {MNQ: ("MNQ", ["last"])})
    lab.start("ib-stream", "up", "--config", config)

    def reasons():
        if not (lab.run / "watchdog.sock").exists():
            return []
        return [r for r in lab.control("watchdog", "status")["reasons"] if "no session with the gateway" in r]

    wait_for("the reason", lambda: any(all(word in reason for word in words) for reason in reasons()), every=0.2)
    assert "trusted" not in words[-1] or gateway.connections > 0
