"""Frames and fields of the text protocol: bytes to lists of texts and back, and the reading of requests."""

import dataclasses
import struct

LONGEST_FRAME = 0xFFFFFF
MIN_VERSION, MAX_VERSION = 137, 200
CONTRACT = ["con_id", "symbol", "sec_type", "last_trade_date", "strike", "right", "multiplier", "exchange",
            "primary_exchange", "currency", "local_symbol", "trading_class"]


class WireError(Exception):
    """Bytes that are no frame, or a request that can't be read."""


def frame(*fields):
    """One frame: every field, also the last, ends with a NUL."""
    body = b"".join(text(field) + b"\0" for field in fields)
    return struct.pack(">I", len(body)) + body


def text(field):
    if isinstance(field, bytes):
        return field
    if isinstance(field, bool):
        return b"1" if field else b"0"
    return str(field).encode()


class FrameBuffer:
    """Collects bytes and cuts them into frames, wherever TCP has split them."""

    def __init__(self):
        self.data = bytearray()

    def feed(self, data):
        self.data += data

    def take(self, count):
        """The next bytes without a frame around them, or None while there are too few."""
        if len(self.data) < count:
            return None
        taken = bytes(self.data[:count])
        del self.data[:count]
        return taken

    def next(self):
        """The next frame's body, or None."""
        if len(self.data) < 4:
            return None
        [length] = struct.unpack_from(">I", self.data)
        if not 0 < length <= LONGEST_FRAME:
            raise WireError(f"a frame of {length} bytes")
        if len(self.data) < 4 + length:
            return None
        body = bytes(self.data[4:4 + length])
        del self.data[:4 + length]
        return body


def negotiate(offer, own):
    """The server version for an offer such as `v100..200 +PACEAPI`; None when the ranges do not overlap."""
    words = offer.decode("ascii", "replace").split(" ")
    if not words[0].startswith("v"):
        raise WireError(f"no version range: {offer[:40]!r}")
    low, _, high = words[0][1:].partition("..")
    try:
        low, high = int(low), int(high or low)
    except ValueError:
        raise WireError(f"no version range: {offer[:40]!r}") from None
    version = min(own, high)
    return version if version >= max(low, MIN_VERSION) else None


@dataclasses.dataclass(frozen=True)
class Contract:
    """The twelve fields by which a request names an instrument."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    last_trade_date: str = ""
    strike: str = ""
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""


class Fields:
    """The fields of one request, read from left to right."""

    def __init__(self, body):
        pieces = body.split(b"\0")
        if pieces[-1] != b"":
            raise WireError(f"a last field without NUL: {body[:60]!r}")
        self.rest = [piece.decode("utf-8", "replace") for piece in pieces[:-1]]
        self.all = list(self.rest)

    def text(self):
        if not self.rest:
            raise WireError(f"too few fields: {self.all}")
        return self.rest.pop(0)

    def int(self):
        word = self.text()
        try:
            return int(word) if word else 0
        except ValueError:
            raise WireError(f"{word!r} is no integer: {self.all}") from None

    def bool(self):
        return self.int() != 0

    def contract(self):
        words = [self.text() for _ in CONTRACT]
        try:
            words[0] = int(words[0]) if words[0] else 0
        except ValueError:
            raise WireError(f"{words[0]!r} is no contract id: {self.all}") from None
        return Contract(*words)
