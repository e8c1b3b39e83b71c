"""What health said during a run, and what the recorder had made durable by then: heard from outside, judged afterwards."""

import json
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import zmq

POLL_SECONDS = 0.25
# No tick that the gateway sent may be without a durable copy for longer, while health is 200.
LATE_SECONDS = 7
# What a busy machine may add between four processes and this one.
MACHINE_SECONDS = 3


class Witness:
    """Listens to `durable.sock` and asks for `/health`, each in a thread, until it is stopped."""

    def __init__(self, lab):
        self.lab = lab
        self.reports = {}  # stream: [(when it was heard, key)]
        self.pages = []  # (when it was asked for, HTTP status)
        self.over = threading.Event()
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self.listen, self.ask)]
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def listen(self):
        sub = self.lab.subscribe("durable.sock", "durable")
        while not self.over.is_set():
            if not sub.poll(100):
                continue
            told = json.loads(sub.recv_multipart()[1])
            now = time.time()
            for stream, (epoch, seq, *_) in told["streams"].items():
                self.reports.setdefault(stream, []).append((now, epoch << 32 | seq))
        sub.close()

    def ask(self):
        while not self.over.wait(POLL_SECONDS):
            asked = time.time()
            address = self.address()
            if address is None:
                continue
            try:
                with urllib.request.urlopen(f"http://{address}/health", timeout=2) as answer:
                    self.pages.append((asked, answer.status))
            except urllib.error.HTTPError as error:
                self.pages.append((asked, error.code))
            except OSError:
                # No watchdog, which is no 200 either.
                continue

    def address(self):
        """Where the present watchdog's pages are; its port is another one after each start."""
        dealer = self.lab.zmq.socket(zmq.DEALER)
        dealer.set(zmq.LINGER, 0)
        dealer.connect(f"ipc://{self.lab.run}/watchdog.sock")
        try:
            dealer.send(json.dumps({"id": 1, "command": "status"}).encode())
            return json.loads(dealer.recv())["result"]["http"] if dealer.poll(1000) else None
        finally:
            dealer.close()


def late(pages, reports, keys, received):
    """The worst moment at which health was 200 although a tick had been waiting for too long: (moment, seconds), or None.

    `reports` are those of one stream; `keys` and `received` (Unix seconds) its recorded ticks, in the order of their keys."""
    if not reports:
        return None
    heard = np.array([moment for moment, _ in reports])
    durable = np.maximum.accumulate(np.array([key for _, key in reports], "u8"))
    worst = None
    for moment, status in pages:
        index = np.searchsorted(heard, moment, side="right")
        # Before the first report this witness knows nothing.
        if status != 200 or index == 0:
            continue
        oldest = np.searchsorted(keys, durable[index - 1], side="right")
        if oldest == len(keys):
            continue
        waited = moment - received[oldest]
        if waited > LATE_SECONDS + MACHINE_SECONDS and (worst is None or waited > worst[1]):
            worst = (moment, waited)
    return worst
