"""What the gateway sends, apart from definitions: values to frames."""

from .market import BID_ASK, MID_POINT
from .wire import frame

LIVE_KINDS = {"Last": "last", "AllLast": "all_last", "BidAsk": "bid_ask", "MidPoint": "mid_point"}
NUMBERS = {"last": 1, "all_last": 2, "bid_ask": 3, "mid_point": 4}
FIELD_OF = {
    "last": ["time", "price", "size", "mask", "exchange", "conditions"],
    "all_last": ["time", "price", "size", "mask", "exchange", "conditions"],
    "bid_ask": ["time", "bid", "ask", "bid_size", "ask_size", "mask"], "mid_point": ["time", "price"],
}
TEXTS = {
    1100: "Connectivity between IBKR and Trader Workstation has been lost.",
    1101: "Connectivity between IBKR and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IBKR and Trader Workstation has been restored - data maintained.",
    2103: "Market data farm connection is broken:{farm}", 2104: "Market data farm connection is OK:{farm}",
    2105: "HMDS data farm connection is broken:{farm}", 2106: "HMDS data farm connection is OK:{farm}",
    2107: "HMDS data farm connection is inactive but should be available upon demand.{farm}",
    2108: "Market data farm connection is inactive but should be available upon demand.{farm}",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
    2119: "Market data farm is connecting:{farm}", 2157: "Sec-def data farm connection is broken:{farm}",
    2158: "Sec-def data farm connection is OK:{farm}",
    2188: "Up-to-the-second historical data requires additional subscription for the API.",
    200: "No security definition has been found for the request", 300: "Can't find EId with tickerId:{req_id}",
    322: "Error processing request.-'bO' : cause - Duplicate ticker id",
    326: "Unable to connect as the client id is already in use. Retry with a unique client id.",
    100: "Max rate of messages per second has been exceeded:max={limit} rec={count} (1)",
    162: "Historical Market Data Service error message:Historical data request pacing violation",
    10189: "Failed to request tick-by-tick data.{kind} tick-by-tick requests are not supported for {symbol}",
    10190: "Max number of tick-by-tick requests has been reached.",
    10197: "No market data during competing live session",
}
LOCAL = {2103: "Marktdatenfarm getrennt f\xfcr:{farm}", 2104: "Verbindung zur Marktdatenfarm ist OK:{farm}",
         2105: "HMDS-Datenfarm unterbrochen:{farm}", 2106: "HMDS-Datenfarm ist OK:{farm}"}


def error(version, req_id, code, text, millis, extra=()):
    raw = text if isinstance(text, bytes) else text.encode()
    if version >= 194:
        return frame(4, req_id, code, raw, "", millis, *extra)
    return frame(4, 2, req_id, code, raw, *([""] if version >= 166 else []), *extra)


def live_fields(kind, second, mask, values):
    """The fields of message 99 behind the kind's number."""
    if kind == BID_ASK:
        return [second, *values, mask]
    if kind == MID_POINT:
        return [second, *values]
    price, size, exchange, conditions = values
    return [second, price, size, mask, exchange, conditions]


def live(req_id, kind, fields):
    return frame(99, req_id, NUMBERS[kind], *fields)


def swapped(mask):
    """Message 97 has the two bits of a quote's mask the other way round than message 99."""
    return (mask & 1) << 1 | (mask & 2) >> 1


def past(req_id, kind, ticks, done):
    """Messages 96, 97, 98."""
    fields = []
    for t in ticks:
        if kind == BID_ASK:
            bid, ask, bid_size, ask_size = t.values
            fields += [t.second, swapped(t.mask), bid, ask, bid_size, ask_size]
        elif kind == MID_POINT:
            fields += [t.second, 0, t.values[0], 0]
        else:
            price, size, exchange, conditions = t.values
            fields += [t.second, t.mask, price, size, exchange, conditions]
    number = {BID_ASK: 97, MID_POINT: 96}.get(kind, 98)
    return frame(number, req_id, len(ticks), *fields, int(done))
