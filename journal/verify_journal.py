#!/usr/bin/env python3
"""Checks a Selvedge journal, from FORMAT.md alone. Exit: 0 sound, 1 torn tail, 2 damaged.

Needs only the standard library; with the module blake3 the hash chain is checked too.
"""
import os
import re
import struct
import sys

try:
    from blake3 import blake3
except ImportError:
    blake3 = None

TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def without(data, *ranges):
    """The bytes with these ranges taken as zero."""
    copy = bytearray(data)
    for start, end in ranges:
        copy[start:end] = bytes(end - start)
    return bytes(copy)


class Bad(Exception):
    def __init__(self, text, torn=False):
        super().__init__(text)
        self.torn = torn


def need(holds, text, torn=False):
    if not holds:
        raise Bad(text, torn)


FIELDS = "kind flags size number segment offset first last time0 time1 frames crc durable".split()


def block_at(data, at, align, segment):
    """The whole block at an offset, checked by itself: its fields, payload, previous and own hash."""
    need(data[at:at + 8] == b"SELVBLCK" and len(data) >= at + 192, "no block begins here", True)
    block = dict(zip(FIELDS, struct.unpack_from("<HHIQQQQQQQIIQ", data, at + 8)))
    end = at + 192 + block["size"]
    block["end"] = at + -(-(192 + block["size"]) // align) * align
    need(block["end"] - at <= 32 << 20 and block["end"] <= len(data), "the block is cut short", True)
    need(crc32c(without(data[at:end], (76, 80))) == block["crc"], "CRC32C does not match", True)
    block["previous"], block["hash"] = data[at + 128:at + 160], data[at + 160:at + 192]
    if blake3:
        need(blake3(without(data[at:end], (76, 80), (160, 192))).digest() == block["hash"], "BLAKE3 does not match")
    need(not any(data[end:block["end"]]), "padding is not zero")
    need((block["segment"], block["offset"], block["flags"]) == (segment, at, 0), "the block belongs elsewhere")
    need(1 <= block["kind"] <= 9 or block["kind"] >= 0x8000, "unknown kind of block")
    need((block["kind"] == 1) == (block["frames"] > 0), "wrong number of frames")
    gap = block["kind"] == 8 and block["last"] >= block["first"]
    need(gap or block["last"] == block["first"] + block["frames"] - 1, "sequences contradict the number of frames")
    block["marks"] = data[at + 96:at + 128]
    block["payload"] = data[at + 192:end]
    return block


def frames(block):
    """Checks every frame of a Frames block."""
    payload, at, sequence, time = block["payload"], 0, block["first"], block["time0"]
    marks, due = b"", 0
    while at < len(payload):
        if at >= due:
            marks += struct.pack("<II", at, sequence - block["first"])
            due = (at // 4096 + 1) * 4096
        need(at + 32 <= len(payload), "a frame's header is cut short")
        word0, stamp, _, descriptor = struct.unpack_from("<QQQQ", payload, at)
        length = descriptor & 0xFFFFFF
        end = at + 32 + (length + 7) // 8 * 8
        need(end <= len(payload), "a frame is cut short")
        need(word0 & (1 << 48) - 1 == sequence, "a gap in the sequence")
        need(stamp >= time and not descriptor >> 24 & 1, "a frame's time stamp or flag is wrong")
        need(not any(payload[at + 32 + length:end]), "a frame's padding is not zero")
        at, sequence, time = end, sequence + 1, stamp
    need(sequence == block["last"] + 1 and time == block["time1"], "frames and block header differ")
    need(not blake3 or blake3(marks).digest() == block["marks"], "the hash of the marks is wrong")


def merkle(leaves):
    if len(leaves) == 1:
        return blake3(b"\0" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return blake3(b"\1" + merkle(leaves[:split]) + merkle(leaves[split:])).digest()


def segment(data, name, state, last):
    """Checks a segment that follows on `state`; returns how it ends: sealed, open, or torn."""
    need(len(data) >= 4096 and data[:8] == b"SELVJRNL", "not a segment")
    major, _, page, align, crc = struct.unpack_from("<HHIII", data, 8)
    need(crc32c(without(data[:4096], (20, 24))) == crc, "CRC32C of the header page does not match")
    need(major == 1 and page == 4096 and not any(data[112:120]), "another version of the format")
    life, number, first, _, block_number = struct.unpack_from("<QQQQQ", data, 40)
    need((number, first) == name, "header page and file name differ")
    if state:
        need(number == state["segment"] + 1, "a segment is missing or there twice")
        need(first == state["sequence"] and block_number == state["block"], "the segment does not follow")
        need(data[24:40] == state["fabric"] and life >= state["life"], "of another fabric or life")
        need(data[80:112] == state["hash"], "the chain is broken")
    else:
        need(number != 1 or (not any(data[80:112]) and block_number == 0), "segment 1 is not the first")
        state.update(time=0, frames=0, first=first)
    state.update(segment=number, sequence=first, block=block_number, fabric=data[24:40], life=life)
    state["hash"] = blake3(data[:4096]).digest() if blake3 else None
    at, entries, leaves, index_at, count = 4096, [], [], None, 0
    while True:
        try:
            block = block_at(data, at, align, number)
            need((block["number"], block["first"]) == (state["block"], state["sequence"]), "a block is missing")
            need(block["time0"] >= state["time"], "time goes back")
            need(state["hash"] in (None, block["previous"]), "the chain is broken")
        except Bad as bad:
            bad.args = (f"block {state['block']} at byte {at}, sequence {state['sequence']} on: {bad}",)
            if not last or not entries or not bad.torn:
                raise
            if not any(data[at:]):
                return "open"
            for place in range(at + align, len(data), align):
                try:
                    later = block_at(data, place, align, number)
                except Bad:
                    continue
                if later["durable"] > state["block"] or later["number"] < state["block"]:
                    raise bad
            return f"torn ({bad})"
        need(entries or block["kind"] == 2, "the segment does not begin with a Dictionary block")
        if block["kind"] == 1:
            frames(block)
            count += block["frames"]
        elif block["kind"] == 6:
            need(block["payload"] == b"".join(entries), "the index does not match the blocks")
            index_at = at
        state.update(block=block["number"] + 1, sequence=block["last"] + 1, time=block["time1"], hash=block["hash"])
        at = block["end"]
        if block["kind"] == 7:
            seal = struct.unpack_from("<QQQQQQQQ", block["payload"])
            need(seal[0] == count and seal[1] == first and seal[2] == block["last"], "the seal is wrong")
            need(seal[5] == len(leaves) and seal[6] == index_at, "the seal does not match the blocks")
            need(not blake3 or merkle(leaves) == block["payload"][64:96], "the Merkle root is wrong")
            root, before, chained = (block["payload"][at:at + 32] for at in (64, 96, 128))
            need(state.get("root", before) == before, "the chain of roots is broken")
            need(number != 1 or not any(before), "the first root has one before it")
            need(not blake3 or blake3(b"\2" + before + root).digest() == chained, "the chained root is wrong")
            state["root"] = chained
            need(not any(data[at:]), "bytes follow the seal")
            state["frames"] += count
            return "sealed"
        entries.append(struct.pack("<QQQIHH", block["first"], block["time0"], block["offset"], block["frames"], block["kind"], 0))
        leaves.append(block["hash"])


def main(directory):
    names = sorted(name for name in os.listdir(directory) if re.fullmatch(r"\d{10}-\d{15}\.segment", name))
    if not names:
        print(f"{directory}: no segments")
        return 2
    state, end = {}, ""
    for place, name in enumerate(names):
        with open(os.path.join(directory, name), "rb") as file:
            data = file.read()
        try:
            end = segment(data, (int(name[:10]), int(name[11:26])), state, place + 1 == len(names))
        except Bad as bad:
            print(f"DAMAGED {name}: {bad}")
            return 2
    hashes = "hashes checked" if blake3 else "HASHES NOT CHECKED (no module blake3): CRCs and structure only"
    print(f"{end}: {len(names)} segments, sequences {state['first']} to {state['sequence'] - 1}; {hashes}")
    return 1 if end.startswith("torn") else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} DIRECTORY")
    sys.exit(main(sys.argv[1]))
