"""A scripted gateway sends what a broken one might: the connector loses no good frame, never crashes, and says what was."""

import json
import random
import socket
import struct
import threading

import pytest

from ibstream import FULL, PATIENCE, body_u64, check_numbering, wait_for

CON_ID = 711280073
NOW = 1755030000


def frame(*fields):
    body = b"".join(str(f).encode() + b"\0" for f in fields)
    return struct.pack(">I", len(body)) + body


class ScriptedGateway:
    """Greets a client, answers its subscription, and then runs a script with the open socket."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.connections = 0
        self.stopped = False
        self.script = None
        self.faults = []
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def start(self, script):
        """`script(connection number, send, request id of the stream)`; the socket is closed when it returns False."""
        self.script = script
        self.thread.start()
        return self

    def serve(self):
        while not self.stopped:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                self.talk(client, self.connections)
            except (ConnectionError, OSError):
                pass
            finally:
                client.close()

    def talk(self, client, number):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        incoming = client.makefile("rb")
        assert incoming.read(4) == b"API\0"
        self.read_frame(incoming)
        client.sendall(frame(187, "20250812 20:11:34 US/Central"))
        request = None
        while request is None:
            fields = self.read_frame(incoming).split(b"\0")
            if fields[0] == b"71":
                client.sendall(frame(15, 1, "SIM000001") + frame(9, 1, 1))
            elif fields[0] == b"97":
                request = int(fields[1])
        if self.script(number, client.sendall, request) is not False:
            # Keep the session until the client goes; answer its questions for the time.
            while data := self.read_frame(incoming):
                if data.startswith(b"49\0"):
                    client.sendall(frame(49, 1, NOW))

    @staticmethod
    def read_frame(incoming):
        head = incoming.read(4)
        if len(head) < 4:
            return b""
        return incoming.read(struct.unpack(">I", head)[0])

    def stop(self):
        self.stopped = True
        self.listener.close()


@pytest.fixture
def gateway():
    gateway = ScriptedGateway()
    yield gateway
    gateway.stop()


def start(lab, gateway):
    config = lab.configure(gateway.port, {CON_ID: ("MNQ", ["last"])})
    config.write_text(config.read_text().replace("symbol: MNQ", "symbol: MNQ\n    exchange: CME"))
    return lab.recorder(config), lab.connector(config)


def trade(request, number):
    return frame(99, request, 1, NOW + number // 1000, 20000 + number, 1, 0, "CME", "")


def recorded_prices(lab):
    records = lab.records(f"{CON_ID}.last")
    check_numbering(records)
    return (body_u64(records[records["kind"] == 1], 0) // 10**9 - 20000).tolist()


def settle_at(lab, count):
    def numbers():
        status = lab.control("connector", "status")
        return status["ticks"] >= count
    wait_for(f"{count} ticks", numbers)
    lab.settle()


def test_frames_cut_at_every_byte_position_arrive_whole(lab, gateway):
    """Each message of a stream is split once at each of its bytes, in the length too."""
    sent = []
    done = threading.Event()

    def script(number, send, request):
        length = len(trade(request, 0))
        for cut in range(1, length):
            piece = trade(request, len(sent))
            sent.append(len(sent))
            send(piece[:cut])
            send(piece[cut:])
        # And two messages in one piece, cut in the middle of the second.
        pair = trade(request, len(sent)) + trade(request, len(sent) + 1)
        sent.extend([len(sent), len(sent) + 1])
        for at in range(0, len(pair), 7):
            send(pair[at:at + 7])
        done.set()

    recorder, connector = start(lab, gateway.start(script))
    assert done.wait(PATIENCE)
    settle_at(lab, len(sent))
    assert recorded_prices(lab) == sent


def test_bursts_of_4096_bytes_followed_by_silence_lose_nothing(lab, gateway):
    """The read size at which the official Python client throws its buffer away."""
    sent = []

    def script(number, send, request):
        burst = b""
        while len(burst) + len(trade(request, len(sent))) <= 4096:
            burst += trade(request, len(sent))
            sent.append(len(sent))
        # Filled up to 4,096 bytes exactly with a message of unknown id.
        rest = 4096 - len(burst)
        if rest:
            while rest < 8:
                burst = burst[:-len(trade(request, len(sent) - 1))]
                sent.pop()
                rest = 4096 - len(burst)
            burst += struct.pack(">I", rest - 4) + b"900\0" + b"x" * (rest - 4 - 5) + b"\0"
        assert len(burst) == 4096
        send(burst)
        done.set()

    done = threading.Event()
    recorder, connector = start(lab, gateway.start(script))
    assert done.wait(PATIENCE) and len(sent) > 50
    settle_at(lab, len(sent))
    assert recorded_prices(lab) == sent
    assert lab.control("connector", "status")["unknown_messages"] >= 1


@pytest.mark.parametrize("name,broken,counter", [
    ("zero length", struct.pack(">I", 0), "framing_faults"),
    ("huge length", struct.pack(">I", 0xFFFFFFFF) + b"x" * 100, "framing_faults"),
    ("length above the limit", struct.pack(">I", 0x1000000) + b"x" * 100, "framing_faults"),
])
def test_lost_framing_ends_the_connection_and_nothing_else(lab, gateway, name, broken, counter):
    good = []

    def script(number, send, request):
        for _ in range(50):
            send(trade(request, len(good)))
            good.append(len(good))
        if number == 1:
            send(broken)

    recorder, connector = start(lab, gateway.start(script))
    wait_for("the second connection", lambda: len(good) >= 100)
    settle_at(lab, 100)
    assert recorded_prices(lab) == good
    status = lab.control("connector", "status")
    assert status[counter] == 1 and status["disconnects"] == 1
    assert "TWS disconnection detected, clearing active streams" in connector.stderr()
    markers = lab.records(f"{CON_ID}.last")
    events = ((body_u64(markers[markers["kind"] == 255], 0) >> 8) & 0xFF).tolist()
    assert events == [15, 1, 2, 1, 3], "epoch_begun, subscribed, gap_opened, subscribed, gap_closed"
    assert connector.running() and connector.stop() == 0


def test_random_bytes_never_crash_it_and_good_frames_before_them_count(lab, gateway):
    seeds = 200 if FULL else 40
    good = []

    def script(number, send, request):
        generator = random.Random(number)
        send(trade(request, len(good)))
        good.append(len(good))
        if number <= seeds:
            kind = number % 3
            noise = generator.randbytes(generator.randrange(1, 3000))
            if kind == 1:
                noise = struct.pack(">I", len(noise)) + noise
            elif kind == 2:
                # A real message with one byte changed.
                bytes_ = bytearray(frame(10, 8, 5, "MNQ", "FUT", "20250919", 0, "", "CME", "USD") + trade(request, 7))
                bytes_[generator.randrange(len(bytes_))] = generator.randrange(256)
                noise = bytes(bytes_)
            send(noise)
            return False

    recorder, connector = start(lab, gateway.start(script))
    wait_for(f"{seeds} broken sessions", lambda: len(good) > seeds, 20 + seeds * 6)
    settle_at(lab, 1)
    assert connector.running()
    prices = recorded_prices(lab)
    # A changed byte may make a tick of its own; what was sent in good order is all there.
    assert [p for p in prices if p in set(good)][:1] == good[:1]
    assert set(good) <= set(prices)
    assert connector.stop() == 0


def test_a_long_exchange_name_and_an_inexact_price_are_kept_whole(lab, gateway):
    def script(number, send, request):
        send(frame(99, request, 1, NOW, "1.23456789012345", "0.001", 0, "A-VERY-LONG-EXCHANGE-NAME", " O X LONG"))

    recorder, connector = start(lab, gateway.start(script))
    settle_at(lab, 1)
    line = lab.ib_stream("cat", f"{CON_ID}.last", "--root", lab.root, "--format", "json")
    ticks = [json.loads(text) for text in line.splitlines()]
    tick = next(t for t in ticks if t.get("exchange"))
    assert tick["exchange"] == "A-VERY-LONG-EXCHANGE-NAME"
    assert tick["conditions"] == " O X LONG"
    assert str(tick["price"]) == "1.23456789012345"
    assert str(tick["size"]) == "0.001"


def unended(*fields):
    body = frame(*fields)[4:-1]
    return struct.pack(">I", len(body)) + body


POISON = {
    "a price that is no number": lambda request: frame(99, request, 1, NOW, "nan", 1, 0, "CME", ""),
    "a size that is no number": lambda request: frame(99, request, 1, NOW, 5, "inf", 0, "CME", ""),
    "a time beyond range": lambda request: frame(99, request, 1, 10**15, 5, 1, 0, "CME", ""),
    "a time that is no number": lambda request: frame(99, request, 1, "soon", 5, 1, 0, "CME", ""),
    "a tick of another kind": lambda request: frame(99, request, 4, NOW, 5),
    "a kind that nobody knows": lambda request: frame(99, request, 7, NOW, 5),
    "a tick cut short": lambda request: frame(99, request, 1, NOW, 5),
    "a tick without an end": lambda request: unended(99, request, 1, NOW),
    "no number as message id": lambda request: frame("x7", 1),
    "a message without an end": lambda request: struct.pack(">I", 4) + b"15\0001",
    "an account list without its field": lambda request: frame(15),
    "an error without a code": lambda request: frame(4, 2, request, "many", "text"),
    "a history with a count that can't be": lambda request: frame(98, 4711, 999, NOW),
    "escapes for a terminal": lambda request: frame(99, request, 1, NOW, "\x1b[2Jx", 1, 0, "CME", ""),
}


@pytest.mark.parametrize("name", POISON)
def test_a_message_that_can_not_be_decoded_costs_itself(lab, gateway, name):
    good = []
    is_tick = name.startswith(("a price", "a size", "a time", "a tick", "a kind", "escapes"))

    def script(number, send, request):
        for at in range(60):
            send(trade(request, len(good)))
            good.append(len(good))
            if at % 20 == 19:
                send(POISON[name](request))

    recorder, connector = start(lab, gateway.start(script))
    wait_for("the ticks", lambda: len(good) >= 60)
    settle_at(lab, 60)
    assert recorded_prices(lab) == good
    status = lab.control("connector", "status")
    assert status["disconnects"] == 0 and status["decode_faults"] == 3
    assert gateway.connections == 1
    log = connector.stderr()
    assert log.count("a message that can't be decoded is set aside") == 1, "said once a minute"
    assert "\x1b" not in log
    records = lab.records(f"{CON_ID}.last")
    markers = records[records["kind"] == 255]
    events = ((body_u64(markers, 0) >> 8) & 0xFF).tolist()
    if is_tick:
        assert events == [15, 1, 2, 12, 3, 2, 12, 3, 2, 12], "each has its marker, and opens a gap"
        told = json.loads(lab.ib_stream("gaps", "--json", "--root", lab.root, check=1))["gaps"]
        assert [gap["cause"] for gap in told] == ["undecodable"] * 3, told
        assert lab.control("connector", "streams")["streams"][f"{CON_ID}.last"]["undecodable"] == 3
    elif name == "an error without a code":
        assert events == [15, 1, 12, 12, 12], "no tick was lost with it"


def test_a_connection_out_of_step_is_dropped_though_its_frames_can_be_told_apart(lab, gateway):
    good = []

    def script(number, send, request):
        for _ in range(50):
            send(trade(request, len(good)))
            good.append(len(good))
        if number == 1:
            send(frame("x7", 1) * 200)
            threading.Event().wait(1.2)
            send(trade(request, len(good)))
            good.append(len(good))

    recorder, connector = start(lab, gateway.start(script))
    wait_for("the second connection", lambda: len(good) >= 101)
    settle_at(lab, 101)
    assert recorded_prices(lab) == good
    status = lab.control("connector", "status")
    assert status["disconnects"] == 1 and status["decode_faults"] == 200
    assert "too many messages that can't be decoded" in connector.stderr()
