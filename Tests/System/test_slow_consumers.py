"""Consumers that are stopped, dead, deaf or mad: the services' memory stays bounded, and nobody else feels them."""

import contextlib
import json
import resource
import signal
import socket
import sys
import threading
import time

import numpy as np
import pytest
import zmq

from ibstream import FULL, PATIENCE, wait_for
from test_pipeline import EIGHT, start, ticks_numbered

RATE = 20_000
SECONDS = 300 if FULL else 15
# Of the time before, and of the first of two stretches that are compared with it. The stopped are dropped after 15 s of no
# answer to a heartbeat: a stall while they are still held would not show in the p99 of five minutes.
HELD_SECONDS = 20
BEFORE_SECONDS = HELD_SECONDS if FULL else 1
MNQ = "711280073.bid_ask"

# What the services keep, by docs/feed-protocol.md. A subscriber's queue: 8,192 messages of at most 16 KiB, which would be 128
# MiB; how large they really are depends on the rate, so the healthy subscriber weighs them. To each libzmq adds its own
# record of the two frames and the allocator a header: 256 bytes are enough.
QUEUE_MESSAGES = 8_192
MESSAGE_BYTES = 256
# A client that asks for pages and never reads: 640 messages of 16 KiB, 10 MiB, and as many records of them.
PAGES_MIB = 640 * (16_384 + MESSAGE_BYTES) / 2**20
# Buffers that are made when the first page or command is asked for, and what the allocator does not give back. In eleven
# minutes with two such crowds, a queue weighing 31 MiB, the connector grew by 37 MiB and the recorder by 12.
CONSTANT_MIB = 16


def anonymous_mib(process):
    """Memory of its own, without the journal's pages and the program's."""
    with open(f"/proc/{process.pid}/status") as status:
        [line] = [line for line in status if line.startswith("RssAnon")]
    return int(line.split()[1]) / 1024


class Latencies(threading.Thread):
    """A subscriber that measures: receive time in the connector to its own, of each message's last record; and sizes."""

    def __init__(self, lab):
        super().__init__(daemon=True)
        self.lab = lab
        self.millis = []
        self.sizes = []
        self.ends = False

    def run(self):
        sub = self.lab.subscribe("ticks.sock", "tick.")
        while not self.ends:
            if sub.poll(100):
                payload = sub.recv_multipart()[1]
                self.sizes.append(len(payload))
                self.millis.append((time.time_ns() - int.from_bytes(payload[-48:-40], "little")) / 1e6)
        sub.close()

    def take(self):
        """Percentiles of what came since the last call."""
        taken, self.millis = np.array(self.millis), []
        return {"messages": len(taken), "p50": float(np.percentile(taken, 50)), "p99": float(np.percentile(taken, 99)),
                "max": float(taken.max())}

    def queue_mib(self):
        """The most that a queue which was full of messages one behind the other can have held."""
        sizes = np.concatenate([[0], np.cumsum(self.sizes)])
        count = min(QUEUE_MESSAGES, len(self.sizes))
        return (float((sizes[count:] - sizes[:-count]).max()) + QUEUE_MESSAGES * MESSAGE_BYTES) / 2**20

    def end(self):
        self.ends = True
        if self.ident:
            self.join(PATIENCE)


def subscriber(lab, name):
    """A process that subscribes to everything on a socket and says so when the first message came."""
    child = lab.start(sys.executable, "-uc", f"""
import zmq
sub = zmq.Context().socket(zmq.SUB)
sub.rcvhwm = 8192
sub.subscribe("")
sub.connect("ipc://{lab.run}/{name}.sock")
sub.recv_multipart()
print("subscribed")
while True:
    sub.recv_multipart()
""")
    wait_for(f"a subscriber of {name}", lambda: "subscribed" in child.stdout())
    return child


def deaf(lab, kind, name):
    """A client that never reads: its own queue holds a message or two."""
    client = lab.zmq.socket(kind)
    client.set(zmq.LINGER, 0)
    client.set(zmq.RCVHWM, 1)
    client.connect(f"ipc://{lab.run}/{name}.sock")
    return client


def ask_on_and_on(client, request, times):
    for number in range(times):
        with contextlib.suppress(zmq.Again):
            client.send(json.dumps({"id": number, **request}).encode(), zmq.DONTWAIT)


@pytest.fixture
def healthy_subscriber(lab):
    healthy = Latencies(lab)
    yield healthy
    healthy.end()


class Crowd:
    """Consumers that will be stopped, killed and deaf: two queues that nobody reads at each feed, and askers that never
    read."""

    def __init__(self, lab):
        self.lab = lab
        self.stopped = [subscriber(lab, "ticks"), subscriber(lab, "durable")]
        self.killed = subscriber(lab, "ticks")
        self.never_read = []

    def fall(self):
        for child in self.stopped:
            child.send(signal.SIGSTOP)
        self.killed.send(signal.SIGKILL)
        for name in ("ticks", "durable"):
            sub = deaf(self.lab, zmq.SUB, name)
            sub.subscribe("")
            self.never_read.append(sub)
        page = {"stream": MNQ, "from": 0}
        for name, request in (("replay", page), ("history", page), ("connector", {"command": "streams"}),
                              ("recorder", {"command": "streams"})):
            client = deaf(self.lab, zmq.DEALER, name)
            ask_on_and_on(client, request, 300)
            self.never_read.append(client)

    def end(self):
        for client in self.never_read:
            client.close()
        for child in self.stopped:
            child.send(signal.SIGCONT)
            child.send(signal.SIGTERM)
            child.wait()


def undisturbed(before, stretch):
    """True when the healthy subscriber did not feel the crowd."""
    if FULL:
        return stretch["p99"] <= 2 * before["p99"] + 5 and stretch["max"] < 2_000
    # In a quick run only a feed that stands still is found: it shares the machine with others.
    return stretch["p99"] <= before["p99"] + 2_000


def test_stopped_dead_and_deaf_consumers_cost_a_bounded_amount_and_disturb_nobody(lab, healthy_subscriber):
    sim, recorder, connector, config = start(lab, "--rate", str(RATE), "--seed", "31")
    wait_for("five seconds of ticks", lambda: ticks_numbered(lab) > 5 * RATE, every=0.2)
    healthy = healthy_subscriber
    healthy.start()
    wait_for("messages", lambda: healthy.millis)
    memory = {process.name: anonymous_mib(process) for process in (connector, recorder)}
    peak = dict(memory)

    def watch(seconds):
        """What the healthy subscriber measures in this time."""
        healthy.millis = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            time.sleep(0.5)
            for process in (connector, recorder):
                assert process.running(), process.stderr()
                peak[process.name] = max(peak[process.name], anonymous_mib(process))
        return {"seconds": seconds, **healthy.take()}

    # A machine that is busy with something else for a moment looks the same: once more before that counts.
    for attempt in range(2):
        crowd = Crowd(lab)
        before = watch(BEFORE_SECONDS)
        crowd.fall()
        during = [watch(seconds) for seconds in ((HELD_SECONDS, SECONDS - HELD_SECONDS) if FULL else (SECONDS,))]
        status = lab.control("recorder", "status")
        print(f"before {before}, with the crowd {during}; {status}")
        crowd.end()
        if all(undisturbed(before, stretch) for stretch in during):
            break
    queue = healthy.queue_mib()
    print(f"MiB before {memory}, at most {peak}; a queue {queue:.1f}")
    assert all(undisturbed(before, stretch) for stretch in during), (before, during)
    assert all(stretch["messages"] > stretch["seconds"] for stretch in during), during
    # Two subscribers that do not read, and an asker of pages. Of `durable` 64 reports are kept.
    assert peak["ib-connector"] - memory["ib-connector"] < 2 * queue + PAGES_MIB + CONSTANT_MIB, (memory, peak, queue)
    assert peak["ib-recorder"] - memory["ib-recorder"] < PAGES_MIB + CONSTANT_MIB, (memory, peak)
    assert status["lost_ranges"] == 0 and status["disk"] == "ok"
    lab.settle()
    # Those that asked honestly all the time still get answers.
    assert lab.control("connector", "ping", nonce="a")["nonce"] == "a"
    lab.ib_stream("verify", "--root", lab.root)


@pytest.fixture
def small(lab):
    """Services that may open few descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    few = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))}
    sim = lab.simulator("--rate", "1000", "--seed", "32")
    config = lab.configure(sim.port, EIGHT)
    lab.services = {"recorder": lab.recorder(config, **few), "connector": lab.connector(config, **few)}
    wait_for("ticks", lambda: ticks_numbered(lab) > 500)
    yield lab
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def goes_on(lab):
    """The feed and the recording move on, and both services run."""
    numbered = ticks_numbered(lab)
    wait_for("more ticks", lambda: ticks_numbered(lab) > numbered)
    lab.settle()
    for process in lab.services.values():
        assert process.running(), process.stderr()


@pytest.mark.parametrize("service, names", [("connector", ("ticks", "replay", "connector")),
                                            ("recorder", ("durable", "history", "recorder"))])
def test_connections_beyond_the_limit_of_descriptors_are_closed(small, service, names):
    """libzmq ends the process when accept has no descriptor left: ours closes the connection instead."""
    lab = small
    ping = lab.subscribe("ticks.sock", "tick.")
    opened = []
    for number in range(900):
        one = socket.socket(socket.AF_UNIX)
        one.setblocking(False)
        path = str(lab.run / f"{names[number % 3]}.sock")
        # EAGAIN: a hundred wait to be accepted.
        wait_for("a place in the queue", lambda: one.connect_ex(path) == 0, every=0.001)
        opened.append(one)
    # Those who were there before go on.
    assert ping.poll(PATIENCE * 1000)
    assert all(process.running() for process in lab.services.values())
    for one in opened:
        one.close()
    goes_on(lab)
    ping.close()


@pytest.mark.parametrize("service, name", [("connector", "ticks"), ("recorder", "durable")])
def test_thousands_of_subscriptions_leave_the_feed_alone(small, service, name):
    lab = small
    memory = anonymous_mib(lab.services[service])
    clients = [lab.zmq.socket(zmq.SUB) for _ in range(4)]
    for index, client in enumerate(clients):
        client.set(zmq.SNDHWM, 0)
        client.connect(f"ipc://{lab.run}/{name}.sock")
        for number in range(2_500):
            client.subscribe(f"tick.{number * 4 + index}.bid_ask")
    # One that sends a prefix which no topic has room for is cut off.
    mad = lab.zmq.socket(zmq.SUB)
    mad.connect(f"ipc://{lab.run}/{name}.sock")
    mad.subscribe(b"x" * 4_000)
    goes_on(lab)
    print(f"10,000 subscriptions: {anonymous_mib(lab.services[service]) - memory:.1f} MiB")
    assert anonymous_mib(lab.services[service]) - memory < 48
    # The same ones on and on: what is not taken from libzmq stays there, 13 MiB each time. The first time shows how much
    # is on its way when the machine is busy.
    for _ in range(2):
        memory = anonymous_mib(lab.services[service])
        for number in range(400_000):
            (clients[0].subscribe if number % 2 else clients[0].unsubscribe)(f"tick.{number % 100}.last")
        goes_on(lab)
        print(f"400,000 changes: {anonymous_mib(lab.services[service]) - memory:.1f} MiB")
    assert anonymous_mib(lab.services[service]) - memory < 8
    for client in (*clients, mad):
        client.close(0)
    goes_on(lab)


def test_messages_without_an_end_and_noise_are_cut_off(small):
    """Bytes that are no ZMTP, a greeting that never ends, and frames longer than any request."""
    lab = small
    for name in ("ticks", "replay", "connector", "durable", "history", "recorder"):
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" + b"\0" * 8, bytes(range(256)) * 64):
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(str(lab.run / f"{name}.sock"))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    one.sendall(noise)
        dealer = lab.zmq.socket(zmq.DEALER)
        dealer.set(zmq.LINGER, 0)
        # A socket of another kind hangs up at once: then there is nobody to send to.
        dealer.set(zmq.SNDTIMEO, 1000)
        dealer.connect(f"ipc://{lab.run}/{name}.sock")
        with contextlib.suppress(zmq.Again):
            dealer.send(b"x" * (1 << 20))
        dealer.close()
    goes_on(lab)
