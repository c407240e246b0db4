"""The ways in which a good text of ftrace, or a good perf.data, is damaged."""
import struct

PERF = b"PERFILE2"


def patched(data, offset, new):
    return data[:offset] + new + data[offset + len(new):]


def perf_records(good):
    """Offset and size of the records in a perf.data's data section, which tools/perf/Documentation/perf.data-file-format.txt describes."""
    start, size = struct.unpack_from("<QQ", good, 40)
    at = start
    while at + 8 <= start + size:
        length = struct.unpack_from("<H", good, at + 6)[0]
        yield at, length
        at += length


def cuts(good, case, rng):
    boundaries = set()
    if good.startswith(PERF):
        end = sum(struct.unpack_from("<QQ", good, 40))
        boundaries = {at for at, _ in perf_records(good)} | {104, end}
    places = sorted(rng.sample(range(1, len(good)), min(1000, len(good) - 1)) + rng.sample(sorted(boundaries), min(300, len(boundaries))))
    for place in places:
        # A text that ends with a line is one. What stands behind the data of a perf.data is needed, but for the last bytes.
        fails = place < end if good.startswith(PERF) else good[place - 1:place] != b"\n"
        yield case(f"cut at {place}", good[:place], must_fail=fails, keeps_records=True)
    yield case("cut to nothing", b"", must_fail=True)


def flips(good, case, rng):
    for place in range(min(4096, len(good))):
        yield case(f"byte {place} inverted", patched(good, place, bytes([good[place] ^ 0xff])))


def sizes(good, case, rng):
    if not good.startswith(PERF):
        return
    numbers = [(place, 8, "a number of the header") for place in range(8, 104, 8)]
    records = list(perf_records(good))
    numbers += [(at + 6, 2, "size of a record") for at, _ in rng.sample(records, min(60, len(records)))]
    numbers += [(at, 4, "type of a record") for at, _ in rng.sample(records, min(60, len(records)))]
    for offset, size, what in numbers:
        top = (1 << 8 * size) - 1
        now = int.from_bytes(good[offset:offset + size], "little")
        # Another type that perf has makes another record of it, and nobody can tell.
        values = {0, top, top >> 1, len(good) & top} if "type" in what else {0, 1, top, top >> 1, (now + 1) & top, (now - 1) & top, len(good) & top}
        for value in values - {now}:
            yield case(f"{what} at {offset}: {value} instead of {now}", patched(good, offset, value.to_bytes(size, "little")))


def lines(good, case, rng):
    if good.startswith(PERF):
        return
    whole = good.splitlines(keepends=True)
    body = [number for number, line in enumerate(whole) if not line.startswith(b"#")]
    for number in rng.sample(body, min(200, len(body))):
        line = whole[number]
        before, after = whole[:number], whole[number + 1:]
        yield case(f"line {number + 1} cut in its middle", b"".join(before + [line[:len(line) // 2] + b"\n"] + after))
        yield case(f"line {number + 1} without its end", b"".join(before + [line.rstrip(b"\n")] + after))
        yield case(f"line {number + 1} is noise", b"".join(before + [bytes(rng.randrange(256) for _ in range(80)) + b"\n"] + after))
        yield case(f"line {number + 1} has a time of before", b"".join(before + [line.replace(line[49:50], b"0", 1)] + after))


def foreign(good, case, rng):
    for seed in range(200):
        noise = bytearray(good)
        for _ in range(rng.randrange(1, 20)):
            noise[rng.randrange(len(noise))] = rng.randrange(256)
        yield case(f"noise {seed}", bytes(noise))


KINDS = {"cuts": cuts, "flips": flips, "sizes": sizes, "lines": lines, "foreign": foreign}
