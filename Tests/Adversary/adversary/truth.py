"""What really happened, tick by tick: `market.csv` has all that the markets did, `sent.csv` what was put on sockets."""

import csv
import json

from .market import ALL_LAST, BID_ASK, LAST, MID_POINT

VALUES = {
    LAST: ["price", "size", "exchange", "conditions"], ALL_LAST: ["price", "size", "exchange", "conditions"],
    BID_ASK: ["bid_price", "ask_price", "bid_size", "ask_size"], MID_POINT: ["price"],
}
FIELDS = ["price", "size", "exchange", "conditions", "bid_price", "ask_price", "bid_size", "ask_size"]
MARKET = ["con_id", "route", "kind", "index", "time", "second", "mask", *FIELDS, "live", "history"]
SENT = ["wall", "session", "request", "con_id", "route", "kind", "index", "second", "mask", *FIELDS, "note"]
LEVEL1 = ["wall", "session", "request", "con_id", "field", "value", "size", "mask"]


def columns(kind, values):
    """Values of a tick under the names of the columns."""
    row = dict.fromkeys(FIELDS, "")
    row.update(zip(VALUES[kind], values))
    return [row[name] for name in FIELDS]


class Truth:
    """The files of one gateway. Their rows are in the order in which things happened."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.files = []
        self.market = self._open("market.csv", MARKET)
        self.sent = self._open("sent.csv", SENT)
        self.level1 = self._open("level1.csv", LEVEL1)
        self.events = open(folder / "events.jsonl", "w")
        self.files.append(self.events)

    def _open(self, name, header):
        file = open(self.folder / name, "w", newline="")
        self.files.append(file)
        writer = csv.writer(file)
        writer.writerow(header)
        return writer

    def happened(self, instrument, kind, tick):
        self.market.writerow([
            instrument.con_id, instrument.exchange, kind, tick.index, tick.time, tick.second, tick.mask,
            *columns(kind, tick.values), int(tick.live), int(tick.history)])

    def put(self, wall, session, request, con_id, route, kind, index, second, mask, values, note=""):
        """A tick that was put on a socket. `index` is empty for one that the market never made."""
        self.sent.writerow([
            wall, session, request, con_id, route, kind, index, second, mask, *columns(kind, values), note])

    def put_level1(self, wall, session, request, con_id, field, value, size, mask):
        self.level1.writerow([wall, session, request, con_id, field, value, size, mask])

    def event(self, wall, what, **more):
        """What was asked, answered and done to clients, one JSON object a line."""
        if not self.events.closed:  # a socket may close behind the end
            self.events.write(json.dumps({"wall": wall, "what": what, **more}) + "\n")

    def flush(self):
        for file in self.files:
            file.flush()

    def close(self):
        for file in self.files:
            file.close()
