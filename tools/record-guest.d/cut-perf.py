#!/usr/bin/env python3
"""Leaves those samples in a perf.data that a trace.dat of the same time has too, so that both hold the same recording.

    cut-perf.py PERF.DATA TRACE.DAT OUTPUT

ftrace and perf get an event one after the other, in the same order on each CPU, but are not switched on and off at the same moment. Each CPU's records in the
trace are looked for among its samples, as `trace-cmd report -R` prints them; if they are not all there, in their order, the cut is refused.
"""
import collections
import re
import struct
import subprocess
import sys

IDENTIFIER, IP, TID, TIME, ADDR, ID, STREAM_ID, CPU, PERIOD, RAW = 1 << 16, 1, 2, 4, 8, 64, 512, 128, 256, 1024


def samples(data, start, size, kind):
    """(offset, size, cpu, time, raw) of each sample; a record of another type has no cpu."""
    at = start
    while at < start + size:
        number, _, length = struct.unpack_from("<IHH", data, at)
        if number != 9:
            yield at, length, None, None, None
            at += length
            continue
        place = at + 8
        cpu = time = None
        for bit in IDENTIFIER, IP, TID, TIME, ADDR, ID, STREAM_ID, CPU, PERIOD:
            if kind & bit:
                if bit == TIME:
                    time, = struct.unpack_from("<Q", data, place)
                if bit == CPU:
                    cpu, = struct.unpack_from("<I", data, place)
                place += 8
        length_of_raw, = struct.unpack_from("<I", data, place)
        yield at, length, cpu, time, data[place + 4:place + 4 + length_of_raw]
        at += length


def main(perf, trace, output):
    data = open(perf, "rb").read()
    assert data[:8] == b"PERFILE2", "not a little-endian perf.data"
    _, attr_size, attrs, attrs_size, start, size = struct.unpack_from("<6Q", data, 8)
    # Of tracepoints (PERF_TYPE_TRACEPOINT); perf adds an event for its own housekeeping that has no samples.
    kinds = {struct.unpack_from("<Q", data, at + 24)[0] for at in range(attrs, attrs + attrs_size, attr_size) if data[at] == 2}
    assert len(kinds) == 1, "events with different samples"
    kind, = kinds
    assert kind & RAW and kind & TIME and kind & CPU and not kind & ~(IDENTIFIER | IP | TID | TIME | ADDR | ID | STREAM_ID | CPU | PERIOD | RAW)

    # The pid and the time of each record of the trace; its fields follow from the payload in the same way for both.
    wanted = collections.defaultdict(list)
    for line in subprocess.run(["trace-cmd", "report", "-R", "-t", trace], stdout=subprocess.PIPE, check=True, text=True, errors="replace").stdout.splitlines():
        match = re.match(r".*?-(\d+)\s+\[(\d+)\]\s+(\d+)\.(\d+):", line)
        if match:
            wanted[int(match[2])].append((int(match[1]), int(match[3]) * 10**9 + int(match[4])))
    have = collections.defaultdict(list)
    for at, length, cpu, time, raw in samples(data, start, size, kind):
        if cpu is not None:
            have[cpu].append((struct.unpack_from("<i", raw, 4)[0], time, at))
    keep = set()
    for cpu, records in wanted.items():
        ours = sorted(have[cpu], key=lambda sample: sample[1])
        first = min(range(len(ours) - len(records) + 1), key=lambda index: abs(ours[index][1] - records[0][1]))
        part = ours[first:first + len(records)]
        assert [sample[0] for sample in part] == [record[0] for record in records], f"CPU {cpu}: the samples are not the trace's records"
        # Between the two handlers the machine may have been away for a while, but seldom.
        apart = sorted(abs(sample[1] - record[1]) for sample, record in zip(part, records))
        assert apart[len(apart) * 99 // 100] < 10**6, f"CPU {cpu}: one in a hundred times differs by over 1 ms"
        keep |= {sample[2] for sample in part}
    body = b"".join(data[at:at + length] for at, length, cpu, _, _ in samples(data, start, size, kind) if cpu is None or at in keep)

    # What lies behind the samples moves up: the feature sections, and the table of them that follows the samples.
    removed = size - len(body)
    head = bytearray(data[:start])
    struct.pack_into("<Q", head, 48, len(body))
    tail = bytearray(data[start + size:])
    features = sum(bin(word).count("1") for word in struct.unpack_from("<4Q", data, 72))
    for number in range(features):
        offset, = struct.unpack_from("<Q", tail, number * 16)
        struct.pack_into("<Q", tail, number * 16, offset - removed)
    with open(output, "wb") as file:
        file.write(head + body + tail)
    print(f"{sum(map(len, wanted.values()))} of {sum(map(len, have.values()))} samples")


main(*sys.argv[1:])
