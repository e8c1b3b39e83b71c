"""What the system tests share: starting the real programs, waiting for events, reading files with NumPy."""

import contextlib
import json
import os
import pathlib
import random
import select
import signal
import socket
import subprocess
import time

import numpy as np
import zmq

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
BIN = pathlib.Path(os.environ.get("IB_STREAM_BIN", REPOSITORY / ".build/release")).resolve()
DATA = REPOSITORY.parent / "shared" / "data"
FULL = os.environ.get("IB_STREAM_FULL") == "1"
SANITIZED = os.environ.get("IB_STREAM_SANITIZED")

# The record, as docs/file-format.md gives it.
TICK = np.dtype(
    [
        ("seq", "<u4"), ("epoch", "<u4"), ("ts_event", "<i8"), ("ts_recv", "<i8"), ("con_id", "<i4"),
        ("kind", "u1"), ("source", "u1"), ("flags", "<u2"), ("body", "V32"),
    ]
)
KINDS = {1: "last", 2: "all_last", 3: "bid_ask", 4: "mid_point", 5: "level1", 254: "more", 255: "marker"}
LOST = 11
EPOCH_BEGUN = 15

# A shell that runs us in its background has SIGINT ignored, and what we start would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every wait has a deadline that no healthy machine comes near; a sanitizer build is an order of magnitude slower.
PATIENCE = 300 if SANITIZED else 60


def wait_for(what, condition, seconds=PATIENCE, every=0.02):
    """Polls `condition` until it is true; fails with `what` when it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(every)


QUIET_PORTS = set()


def quiet_port():
    """A free port that nobody gets who does not ask for it by its number: below those that the system picks. Another one each time."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(max(1024, first - 12_000), first), 100):
        if port in QUIET_PORTS:
            continue
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            QUIET_PORTS.add(port)
            return port
    raise AssertionError("no free port")


class Process:
    """A program that a test started: its output goes to files, and it is ended with the test."""

    def __init__(self, folder, name, *arguments, env=None, **more):
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.out_path = folder / f"{pathlib.Path(name).name}.{time.monotonic_ns()}.out"
        self.err_path = self.out_path.with_suffix(".err")
        self.out = open(self.out_path, "wb")
        self.err = open(self.err_path, "wb")
        environment = {k: v for k, v in os.environ.items() if not k.startswith("IB_STREAM_") and k != "NOTIFY_SOCKET"}
        environment.update(env or {})
        self.child = subprocess.Popen(
            [str(BIN / name), *map(str, arguments)], stdout=self.out, stderr=self.err, stdin=subprocess.DEVNULL,
            env=environment, **more)

    @property
    def pid(self):
        return self.child.pid

    def stdout(self):
        return self.out_path.read_text(errors="replace")

    def stderr(self):
        return self.err_path.read_text(errors="replace")

    def send(self, number):
        self.child.send_signal(number)

    def running(self):
        return self.child.poll() is None

    def wait(self, seconds=PATIENCE):
        return self.child.wait(seconds)

    def stop(self, seconds=PATIENCE):
        """SIGTERM and the exit status."""
        if self.running():
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
        return self.wait(seconds)

    def end(self):
        if self.running():
            with contextlib.suppress(ProcessLookupError):
                self.send(signal.SIGCONT)
                self.send(signal.SIGTERM)
            try:
                self.wait(20)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.wait(20)
        self.out.close()
        self.err.close()


class Lab:
    """A folder with a root, and the programs that run in it."""

    def __init__(self, folder):
        self.folder = folder
        self.root = folder / "root"
        self.logs = folder / "logs"
        self.processes = []
        self.zmq = zmq.Context()

    @property
    def run(self):
        return self.root / "run"

    @property
    def simulated_run(self):
        """The runtime directory of a system that runs with --simulate."""
        return self.root / "run" / "simulated"

    @property
    def state(self):
        return self.root / "state"

    @property
    def where(self):
        """What tells the operator's command where the recording is."""
        return ["--root", self.root]

    def start(self, name, *arguments, **more):
        process = Process(self.logs, name, *arguments, **more)
        self.processes.append(process)
        return process

    def simulator(self, *arguments, **more):
        """Starts ib-simulator on a port of the system's choice and returns it with `.port`."""
        process = self.start("ib-simulator", "--port", "0", "--control", self.folder / "sim.sock", *arguments, **more)
        wait_for("the simulator's port", lambda: "\n" in process.stdout() or not process.running())
        line = process.stdout().splitlines()[0] if process.stdout() else ""
        assert line.startswith("listening on "), f"{line!r} {process.stderr()}"
        process.port = int(line.rsplit(":", 1)[1])
        return process

    def simulator_says(self, command):
        """One line to the simulator's control socket, and its answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.settimeout(PATIENCE)
            s.connect(str(self.folder / "sim.sock"))
            s.sendall(command.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                piece = s.recv(4096)
                assert piece, "the simulator closed its control socket"
                answer += piece
        return answer.decode().strip()

    def configure(self, port, streams, tws=(), more=""):
        """Writes a configuration for `streams` ({con_id: (symbol, [kinds])}) and returns its path."""
        kinds = sum(len(k) for _, k in streams.values())
        lines = [f"root: {self.root}", "tws:", f"  ports: [{port}]", f"  tick_by_tick_lines: {kinds}",
                 # The simulated broker has no maintenance, whatever the time of day at which the tests run.
                 "  tick_by_tick_spacing: 0s", "  maintenance: []", f"  market_data_lines: {max(100, kinds * 20)}"]
        lines += [f"  {line}" for line in tws]
        lines += ["watchdog:", "  http: 127.0.0.1:0", "contracts:"]
        for con_id, (symbol, ticks) in streams.items():
            lines += [f"  - con_id: {con_id}", f"    symbol: {symbol}", f"    ticks: [{', '.join(ticks)}]"]
        path = self.folder / "ib-stream.yaml"
        path.write_text("\n".join(lines) + "\n" + more)
        return path

    def connector(self, config, **more):
        return self.start("ib-connector", "--config", config, **more)

    def recorder(self, config, **more):
        return self.start("ib-recorder", "--config", config, **more)

    def ib_stream(self, *arguments, check=0, timeout=PATIENCE, **more):
        """Runs the operator's command and returns its standard output (text)."""
        result = subprocess.run(
            [str(BIN / "ib-stream"), *map(str, arguments)], capture_output=True, timeout=timeout, **more)
        if check is not None:
            assert result.returncode == check, (
                f"ib-stream {arguments}: exit {result.returncode}\n{result.stdout.decode()}{result.stderr.decode()}")
        return result.stdout.decode()

    def try_status(self, config):
        """The exit status of `ib-stream status`: 0 healthy, 1 degraded, 2 down."""
        return subprocess.run(
            [str(BIN / "ib-stream"), "status", "--config", str(config)], capture_output=True,
            timeout=PATIENCE).returncode

    def failure(self, *arguments, check):
        """Runs the operator's command, which ends with this status, and returns its standard error."""
        result = subprocess.run(
            [str(BIN / "ib-stream"), *map(str, arguments)], capture_output=True, timeout=PATIENCE, text=True)
        assert result.returncode == check, f"ib-stream {arguments}: exit {result.returncode}\n{result.stderr}"
        return result.stderr

    def subscribe(self, socket_name, *topics):
        """A SUB socket on one of the system's ipc endpoints."""
        sub = self.zmq.socket(zmq.SUB)
        sub.set(zmq.RCVHWM, 8192)
        for topic in topics:
            sub.subscribe(topic)
        sub.connect(f"ipc://{self.run}/{socket_name}")
        return sub

    def control(self, service, command, **members):
        """One command to a service's control socket; returns the result."""
        dealer = self.zmq.socket(zmq.DEALER)
        dealer.set(zmq.LINGER, 0)
        dealer.connect(f"ipc://{self.run}/{service}.sock")
        try:
            dealer.send(json.dumps({"id": 1, "command": command, **members}).encode())
            assert dealer.poll(PATIENCE * 1000), f"{service} did not answer {command}"
            answer = json.loads(dealer.recv())
            assert answer["ok"], answer
            return answer["result"]
        finally:
            dealer.close()

    def numbering(self):
        """The connector's newest number of every stream: (epoch, {stream: seq})."""
        sub = self.subscribe("ticks.sock", "watermark")
        try:
            assert sub.poll(PATIENCE * 1000), "no watermark"
            mark = json.loads(sub.recv_multipart()[1])
            return mark["epoch"], mark["streams"]
        finally:
            sub.close()

    def wait_durable(self, epoch, seqs, seconds=PATIENCE):
        """Waits until every stream is durable up to these numbers (or a later epoch)."""
        sub = self.subscribe("durable.sock", "durable")
        done = {}
        deadline = time.monotonic() + seconds
        try:
            while any(done.get(s, (0, 0)) < (epoch, seq) for s, seq in seqs.items() if seq):
                left = deadline - time.monotonic()
                missing = {s: (epoch, q, done.get(s)) for s, q in seqs.items() if q and done.get(s, (0, 0)) < (epoch, q)}
                assert left > 0 and sub.poll(left * 1000), f"not durable: {missing}"
                for stream, value in json.loads(sub.recv_multipart()[1])["streams"].items():
                    done[stream] = tuple(value[:2])
        finally:
            sub.close()
        return done

    def settle(self):
        """Waits until all that the connector has numbered so far is durable."""
        epoch, seqs = self.numbering()
        self.wait_durable(epoch, seqs)
        return epoch, seqs

    def records(self, stream=None):
        """Recorded records as a NumPy array, through `ib-stream cat --format raw`."""
        arguments = ["cat", stream] if stream else ["cat"]
        result = subprocess.run(
            [str(BIN / "ib-stream"), *arguments, *map(str, self.where), "--format", "raw", "--order", "arrival"],
            capture_output=True, timeout=PATIENCE)
        assert result.returncode == 0, result.stderr.decode()
        return np.frombuffer(result.stdout, TICK)

    def end(self):
        for process in reversed(self.processes):
            process.end()
        self.zmq.destroy(linger=0)


def keys(records):
    return records["epoch"].astype("u8") << 32 | records["seq"]


def body_u64(records, word):
    return np.frombuffer(records["body"].tobytes(), "<u8").reshape(-1, 4)[:, word]


def lost_ranges(records):
    """[(first, last)] of the keys that `lost` records cover."""
    marker = records[records["kind"] == 255]
    event = (body_u64(marker, 0) >> 8) & 0xFF
    lost = marker[event == LOST]
    return list(zip(body_u64(lost, 1).tolist(), keys(lost).tolist()))


def epochs_begun(records):
    """{key of the first record of an epoch: the last key before it, as that record names it}."""
    marker = records[records["kind"] == 255]
    begun = marker[(body_u64(marker, 0) >> 8) & 0xFF == EPOCH_BEGUN]
    return dict(zip(keys(begun).tolist(), body_u64(begun, 1).tolist()))


def check_numbering(records):
    """Each key is one record or in one `lost` range: no hole, no repeat, in order, from 1 in each epoch, and nothing is missing of
    what the first record of an epoch names as the last one before it."""
    lost = {last: first for first, last in lost_ranges(records)}
    chain = epochs_begun(records)
    expected = {}
    before = 0
    for key in keys(records).tolist():
        assert key > before, f"key {key >> 32}:{key & 0xFFFFFFFF} does not rise"
        first = lost.get(key, key)
        epoch = first >> 32
        if epoch != before >> 32:
            assert first & 0xFFFFFFFF == 1, f"epoch {epoch} begins with {first & 0xFFFFFFFF}"
            previous = chain.get(key, 0)
            assert before == 0 or previous <= before, f"epoch {epoch} follows {previous >> 32}:{previous & 0xFFFFFFFF}"
        else:
            assert first == before + 1, f"hole between {before >> 32}:{before & 0xFFFFFFFF} and {first & 0xFFFFFFFF}"
        before = key
    return lost
