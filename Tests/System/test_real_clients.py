"""The simulator under the clients that people use: the official Python API and ib_async, values against its truth file.

Each kind of tick comes from another instrument, so that the same script also keeps IB's limits (`--enforce`).
"""

import csv
import decimal
import math
import threading

import ib_async
import pytest
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

import ibstream

MNQ, ES, AAPL, EUR = 711280073, 620731015, 265598, 12087792
TICKS = 60
PAST = 100
HEALED = 64

# con_id: (secType, symbol, exchange)
CONTRACTS = {
    MNQ: ("FUT", "MNQ", "CME"),
    ES: ("FUT", "ES", "CME"),
    AAPL: ("STK", "AAPL", "SMART"),
    EUR: ("CASH", "EUR", "IDEALPRO"),
}
# The API's word for a kind: (con_id, the stream's name)
LIVE = {"Last": (MNQ, "last"), "AllLast": (AAPL, "all_last"), "BidAsk": (ES, "bid_ask"), "MidPoint": (EUR, "mid_point")}
HISTORY = {"TRADES": (AAPL, "last"), "BID_ASK": (EUR, "bid_ask"), "MIDPOINT": (ES, "mid_point")}

both_ways = pytest.mark.parametrize("enforce", [False, True], ids=["free", "enforced"])


def start(lab, enforce):
    truth = lab.folder / "truth.csv"
    arguments = ["--truth", truth, "--history", lab.folder / "market.csv", "--seed", 11, "--rate", 400]
    return lab.simulator(*arguments, *(["--enforce"] if enforce else [])), truth


def rows_of(path):
    """Truth rows by (stream, from history?)."""
    rows = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            key = (row["stream"], bool(int(row["flags"]) & HEALED))
            rows.setdefault(key, []).append(row)
    return rows


def seconds(row):
    """Epoch seconds of a row's RFC 3339 time, whose nanoseconds must be zero."""
    import datetime

    text, fraction = row["ts_event"].removesuffix("Z").split(".")
    assert fraction == "000000000"
    return int(datetime.datetime.fromisoformat(text + "+00:00").timestamp())


def same(number, text):
    """A client's number and the exact decimal of the truth: doubles are the nearest one, decimals are equal."""
    if isinstance(number, decimal.Decimal):
        return number == decimal.Decimal(text)
    return math.isclose(number, float(text), rel_tol=1e-15)


def compare(rows, received, at_least, with_time=True):
    """`received` is the beginning of `rows` (a client that leaves may miss the last ones)."""
    assert at_least <= len(received) <= len(rows)
    for row, tick in zip(rows, received):
        assert int(row["flags"]) & 3 == tick["mask"], (row, tick)
        for column, value in tick["values"].items():
            if column in ("exchange", "conditions"):
                assert row[column] == value, (row, tick)
            else:
                assert same(value, row[column]), (row, tick)
        if with_time:
            assert seconds(row) == tick["time"], (row, tick)


def trade(time, price, size, attributes, exchange, conditions):
    mask = int(attributes.pastLimit) | int(attributes.unreported) << 1
    values = {"price": price, "size": size, "exchange": exchange, "conditions": conditions}
    return {"time": time, "mask": mask, "values": values}


def quote(time, bid, ask, bid_size, ask_size, attributes):
    mask = int(attributes.bidPastLow) | int(attributes.askPastHigh) << 1
    values = {"bid_price": bid, "ask_price": ask, "bid_size": bid_size, "ask_size": ask_size}
    return {"time": time, "mask": mask, "values": values}


def middle(time, price):
    return {"time": time, "mask": 0, "values": {"price": price}}


class Official(EWrapper, EClient):
    """The official API; everything that arrives is kept under a condition that the test waits on."""

    def __init__(self):
        EClient.__init__(self, self)
        self.changed = threading.Condition()
        self.got = {}
        self.errors = []

    def keep(self, key, *values):
        with self.changed:
            self.got.setdefault(key, []).extend(values)
            self.changed.notify_all()

    def wait(self, key, count=1):
        with self.changed:
            found = self.changed.wait_for(lambda: len(self.got.get(key, [])) >= count, ibstream.PATIENCE)
            assert found, f"{key}: {len(self.got.get(key, []))} of {count}, errors {self.errors}"
            return list(self.got[key])

    def error(self, reqId, errorTime, errorCode, errorString, advancedOrderRejectJson=""):
        if reqId == -1:
            self.keep("notices", errorCode)
        else:
            self.errors.append((reqId, errorCode, errorString))

    def nextValidId(self, orderId):
        self.keep("ready", orderId)

    def managedAccounts(self, accountsList):
        self.keep("accounts", accountsList)

    def contractDetails(self, reqId, contractDetails):
        self.keep(("details", reqId), contractDetails)

    def contractDetailsEnd(self, reqId):
        self.keep(("details end", reqId), True)

    def symbolSamples(self, reqId, contractDescriptions):
        self.keep(("samples", reqId), *contractDescriptions)

    def currentTime(self, time):
        self.keep("time", time)

    def currentTimeInMillis(self, timeInMillis):
        self.keep("milliseconds", timeInMillis)

    def tickPrice(self, reqId, tickType, price, attrib):
        self.keep(("price", reqId), (tickType, price))

    def tickByTickAllLast(self, reqId, tickType, time, price, size, tickAttribLast, exchange, specialConditions):
        self.keep(reqId, trade(time, price, size, tickAttribLast, exchange, specialConditions))

    def tickByTickBidAsk(self, reqId, time, bidPrice, askPrice, bidSize, askSize, tickAttribBidAsk):
        self.keep(reqId, quote(time, bidPrice, askPrice, bidSize, askSize, tickAttribBidAsk))

    def tickByTickMidPoint(self, reqId, time, midPoint):
        self.keep(reqId, middle(time, midPoint))

    def history(self, reqId, ticks, done):
        self.keep(reqId, *ticks)
        if done:
            self.keep(("done", reqId), True)

    def historicalTicks(self, reqId, ticks, done):
        self.history(reqId, [middle(t.time, t.price) for t in ticks], done)

    def historicalTicksBidAsk(self, reqId, ticks, done):
        self.history(
            reqId,
            [quote(t.time, t.priceBid, t.priceAsk, t.sizeBid, t.sizeAsk, t.tickAttribBidAsk) for t in ticks], done)

    def historicalTicksLast(self, reqId, ticks, done):
        self.history(
            reqId,
            [trade(t.time, t.price, t.size, t.tickAttribLast, t.exchange, t.specialConditions) for t in ticks], done)


def official_contract(con_id):
    contract = Contract()
    contract.conId = con_id
    contract.secType, contract.symbol, contract.exchange = CONTRACTS[con_id]
    contract.currency = "USD"
    return contract


@both_ways
def test_official_client(lab, enforce):
    simulator, truth = start(lab, enforce)
    client = Official()
    client.connect("127.0.0.1", simulator.port, 7)
    reader = threading.Thread(target=client.run, daemon=True)
    reader.start()
    client.wait("ready")
    assert client.serverVersion() == 200
    assert client.wait("accounts") == ["SIM000001"]
    assert 2158 in client.wait("notices", 5)

    client.reqContractDetails(100, official_contract(MNQ))
    client.wait(("details end", 100))
    (details,) = client.got[("details", 100)]
    assert details.contract.conId == MNQ and details.minTick == 0.25 and details.timeZoneId == "US/Central"
    assert details.contract.multiplier == "2" and details.contract.localSymbol.startswith("MNQ")
    assert len(details.tradingHours.split(";")) == 7
    client.reqMatchingSymbols(101, "AAPL")
    assert [s.contract.conId for s in client.wait(("samples", 101))] == [AAPL]
    client.reqCurrentTime()
    client.reqCurrentTimeInMillis()
    assert abs(client.wait("milliseconds")[0] // 1000 - client.wait("time")[0]) <= 1

    client.reqMktData(102, official_contract(AAPL), "233", False, False, [])
    live = dict(zip(LIVE, range(1, 5)))
    for word, request in live.items():
        client.reqTickByTickData(request, official_contract(LIVE[word][0]), word, 0, False)
    past = dict(zip(HISTORY, range(11, 14)))
    for what, request in past.items():
        contract = official_contract(HISTORY[what][0])
        client.reqHistoricalTicks(request, contract, "20200101-00:00:00", "", PAST, what, 0, False, [])
    for request in past.values():
        client.wait(("done", request))
    for request in live.values():
        client.wait(request, TICKS)
    assert {1, 2} <= {field for field, _ in client.wait(("price", 102), 2)}
    for request in live.values():
        client.cancelTickByTickData(request)
    client.cancelMktData(102)
    # The answer comes behind every tick of the cancelled subscriptions.
    client.reqContractDetails(103, official_contract(EUR))
    client.wait(("details end", 103))
    client.disconnect()
    reader.join(ibstream.PATIENCE)
    assert client.errors == []
    assert simulator.stop() == 0

    rows = rows_of(truth)
    for word, request in live.items():
        con_id, kind = LIVE[word]
        key = (f"{con_id}.{kind}", False)
        assert len(client.got[request]) == len(rows[key])
        compare(rows[key], client.got[request], TICKS)
    for what, request in past.items():
        con_id, kind = HISTORY[what]
        key = (f"{con_id}.{kind}", True)
        assert len(client.got[request]) == len(rows[key])
        compare(rows[key], client.got[request], PAST)


def async_contract(con_id):
    kind, symbol, exchange = CONTRACTS[con_id]
    return ib_async.Contract(conId=con_id, secType=kind, symbol=symbol, exchange=exchange, currency="USD")


def from_async(tick):
    """A live tick of ib_async; its time is when the client received it, so that it proves nothing."""
    if isinstance(tick, ib_async.TickByTickAllLast):
        return trade(None, tick.price, tick.size, tick.tickAttribLast, tick.exchange, tick.specialConditions)
    if isinstance(tick, ib_async.TickByTickBidAsk):
        return quote(None, tick.bidPrice, tick.askPrice, tick.bidSize, tick.askSize, tick.tickAttribBidAsk)
    return middle(None, tick.midPoint)


def from_async_history(tick):
    time = int(tick.time.timestamp())
    if isinstance(tick, ib_async.HistoricalTickLast):
        return trade(time, tick.price, tick.size, tick.tickAttribLast, tick.exchange, tick.specialConditions)
    if isinstance(tick, ib_async.HistoricalTickBidAsk):
        return quote(time, tick.priceBid, tick.priceAsk, tick.sizeBid, tick.sizeAsk, tick.tickAttribBidAsk)
    return middle(time, tick.price)


@both_ways
def test_ib_async(lab, enforce):
    simulator, truth = start(lab, enforce)
    ib = ib_async.IB()
    errors = []
    ib.errorEvent += lambda request, code, text, contract: errors.append((request, code, text)) if request > 0 else None
    ib.connect("127.0.0.1", simulator.port, clientId=3, timeout=ibstream.PATIENCE)
    try:
        assert ib.client.serverVersion() == 178
        assert ib.managedAccounts() == ["SIM000001"]
        (details,) = ib.reqContractDetails(async_contract(EUR))
        assert details.contract.localSymbol == "EUR.USD" and details.minTick == 0.00005
        assert details.tradingHours and details.timeZoneId == "US/Eastern"
        assert [m.contract.conId for m in ib.reqMatchingSymbols("APPLE")] == [AAPL]

        received = {word: [] for word in LIVE}
        for word, (con_id, _) in LIVE.items():
            ticker = ib.reqTickByTickData(async_contract(con_id), word)
            ticker.updateEvent += lambda t, word=word: received[word].extend(from_async(x) for x in t.tickByTicks)
        past = {
            what: ib.reqHistoricalTicks(async_contract(con_id), "20200101-00:00:00", "", PAST, what, useRth=False)
            for what, (con_id, _) in HISTORY.items()
        }
        quotes = ib.reqMktData(async_contract(AAPL))
        while min(map(len, received.values())) < TICKS or not quotes.hasBidAsk():
            assert ib.waitOnUpdate(ibstream.PATIENCE), f"silence: {({w: len(r) for w, r in received.items()})} {errors}"
    finally:
        ib.disconnect()
    assert errors == []
    assert simulator.stop() == 0

    rows = rows_of(truth)
    for word, (con_id, kind) in LIVE.items():
        compare(rows[(f"{con_id}.{kind}", False)], received[word], TICKS, with_time=False)
    for what, (con_id, kind) in HISTORY.items():
        compare(rows[(f"{con_id}.{kind}", True)], [from_async_history(t) for t in past[what]], PAST)
