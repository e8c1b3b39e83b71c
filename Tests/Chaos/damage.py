"""Destroys what was durable in front of an epoch's first record, where nothing behind it in the file tells what there was."""

import collections
import struct

import numpy as np

import truth
from ibstream import EPOCH_BEGUN, KINDS, TICK, body_u64, keys
from witness import durable_to

BLOCK = struct.Struct("<4sHHIIQII")  # docs/file-format.md, "The tick log"
MARKER, MORE = 255, 254

# One block of records: its part's path, where its payload begins, and the records.
Block = collections.namedtuple("Block", "part at records")


def blocks(part):
    """The durable blocks of records of one part, in their order."""
    data, end, at = part.read_bytes(), durable_to(part.with_suffix(".durable")), 0
    while at + BLOCK.size <= min(end, len(data)):
        magic, _, codec, _, length, *_ = BLOCK.unpack_from(data, at)
        if magic != b"IBTB":
            break
        if codec == 0:
            yield Block(part, at + BLOCK.size, np.frombuffer(data, TICK, length // TICK.itemsize, at + BLOCK.size))
        at += (BLOCK.size + length + 31) // 32 * 32


def begins_epoch(block):
    markers = block.records[block.records["kind"] == MARKER]
    return bool(((body_u64(markers, 0) >> 8 & 0xFF) == EPOCH_BEGUN).any())


def find(state, place, count):
    """The last `count` blocks of a connector's life: the newest one's ("end": what is numbered next is the next epoch's
    first record) or those in front of the newest epoch's first record in the log ("edge")."""
    parts = sorted((state / "log").glob("*.log"), key=lambda path: int(path.name.split(".")[1]))
    found = [block for part in parts for block in blocks(part)]
    if place == "edge":
        first = max((at for at, block in enumerate(found) if begins_epoch(block)), default=0)
        # Streams get their first records in one block or in several.
        while first and begins_epoch(found[first - 1]):
            first -= 1
        found = found[:first]
    return found[-count:]


def overwrite(found):
    """Each byte of the records and half of the header's is another one then."""
    for block in found:
        with open(block.part, "r+b") as file:
            file.seek(block.at - BLOCK.size // 2)
            data = file.read(BLOCK.size // 2 + block.records.nbytes)
            file.seek(block.at - BLOCK.size // 2)
            file.write(bytes(byte ^ 0xA5 for byte in data))


def rows_of(lab, found):
    """{stream: {(second, text): keys}} of the ticks in these blocks, as an export tells them."""
    records = np.concatenate([block.records for block in found])
    ticks = records[(records["kind"] != MARKER) & (records["kind"] != MORE)]
    if not len(ticks):
        return {}
    wanted = collections.defaultdict(set)
    for con_id, kind, key in zip(ticks["con_id"].tolist(), ticks["kind"].tolist(), keys(ticks).tolist()):
        wanted[f"{con_id}.{KINDS[kind]}"].add(key)
    destroyed = {stream: {} for stream in wanted}
    path = lab.folder / "destroyed.csv"
    for part in {block.part for block in found}:
        path.write_text(lab.ib_stream("cat", part, "--format", "csv", "--order", "arrival", timeout=300))
        for stream, rows in truth.read_rows(path, set(wanted)).keys.items():
            for what, there in rows.items():
                if kept := [key for key in there if key in wanted[stream]]:
                    destroyed[stream].setdefault(what, []).extend(kept)
    path.unlink(missing_ok=True)
    return destroyed


def repair(lab):
    """What an operator does at a stop. Its last line; what it could not mend is a fault."""
    text = lab.ib_stream("repair", *lab.where, check=None, timeout=300)
    last = (text.strip().splitlines() or [""])[-1]
    assert ": sound: " in last, f"repair did not make the recording sound: {text[-1500:]}"
    return last.split(": sound: ", 1)[1]
