"""The ways in which a good file is damaged."""
import dataclasses
import random
import struct

import container
import forms


@dataclasses.dataclass
class Case:
    name: str
    data: bytes
    # The program must say that the file is damaged.
    must_fail: bool = False
    # The program must take it for what the good file is.
    must_equal: bool = False
    # What is left of each CPU's records is as in the good file: with --keep-going nothing else may come out.
    keeps_records: bool = False
    # A file in order with what is left of the good one: with --keep-going the report must be the report on it.
    part: bytes = None


def patched(data, offset, new):
    return data[:offset] + new + data[offset + len(new):]


def cuts(good, places, rng):
    def cut(what, place):
        whole = place >= places.end
        return Case(f"cut at {what}{place}", good[:place], must_fail=not whole, must_equal=whole, keeps_records=True)

    for place in sorted(places.boundaries - {0}):
        yield cut("the end of a part, ", place)
    for place in sorted(rng.sample(range(1, len(good)), min(1000, len(good) - 1))):
        yield cut("", place)
    yield Case("cut to nothing", b"", must_fail=True)


def parts(good, places, rng):
    """Cut behind whole sub-buffers: of version 7 the options, at its end, would be gone."""
    if places.compressed or places.version != 6:
        return
    for place in sorted(page for cpu in range(len(places.cpus)) for page in places.pages(cpu))[1:]:
        part = good
        for (offset, size), where in zip(places.cpus, places.cpu_places):
            part = patched(part, where + 8, struct.pack("<Q", min(size, max(0, place - offset))))
        yield Case(f"cut behind a sub-buffer, at {place}", good[:place], must_fail=True, keeps_records=True, part=part[:place])


def flips(good, places, rng):
    for place in range(min(4096, len(good))):
        yield Case(f"byte {place} inverted", patched(good, place, bytes([good[place] ^ 0xff])))


def sizes(good, places, rng):
    for offset, size, what in places.numbers:
        top = (1 << 8 * size) - 1
        now = int.from_bytes(good[offset:offset + size], "little")
        for value in {0, 1, top, top >> 1, (now + 1) & top, (now - 1) & top, len(good) & top} - {now}:
            yield Case(f"{what} at {offset}: {value} instead of {now}", patched(good, offset, value.to_bytes(size, "little")))


def subbuffers(good, places, rng):
    if places.compressed:
        return
    for cpu in range(len(places.cpus)):
        pages = places.pages(cpu)
        size = places.page_size
        content = [good[page:page + size] for page in pages]
        for first in range(len(pages) - 1):
            swapped = patched(patched(good, pages[first], content[first + 1]), pages[first + 1], content[first])
            yield Case(f"CPU {cpu}: sub-buffers {first} and {first + 1} swapped", swapped, must_fail=True, keeps_records=True)
            doubled = patched(good, pages[first + 1], content[first])
            yield Case(f"CPU {cpu}: sub-buffer {first} twice", doubled, must_fail=True, keeps_records=True)
        if len(pages) > 1:
            turned = good[:pages[0]] + b"".join(reversed(content)) + good[pages[-1] + size:]
            yield Case(f"CPU {cpu}: sub-buffers in reverse order", turned, must_fail=True, keeps_records=True)
        for number, page in enumerate(pages):
            time = container.page_time(good, page)
            if number > 0:
                earlier = container.page_time(good, pages[number - 1]) - 1
                yield Case(f"CPU {cpu}: time goes back at sub-buffer {number}", patched(good, page, struct.pack("<Q", earlier)), must_fail=True)
            yield Case(f"CPU {cpu}: sub-buffer {number} of the year 2554", patched(good, page, struct.pack("<Q", time | 1 << 63)))
            commit = struct.unpack_from("<Q", good, page + 8)[0] & 0xfffff
            for value in {0, 1, 3, commit - 1, commit + 4, size - 16, size - 15, size, 0xfffff, 1 << 27} - {commit}:
                flags = struct.unpack_from("<Q", good, page + 8)[0] & ~0xfffffff
                yield Case(f"CPU {cpu}: sub-buffer {number} with {value} bytes instead of {commit}", patched(good, page + 8, struct.pack("<Q", flags | value)))
            for _ in range(8):
                place = page + 16 + rng.randrange(max(commit, 1))
                yield Case(f"CPU {cpu}: byte {place - page} of sub-buffer {number} inverted", patched(good, place, bytes([good[place] ^ 0xff])))
            yield Case(f"CPU {cpu}: sub-buffer {number} full of 0xff", patched(good, page, b"\xff" * size), must_fail=True)


def overlaps(good, places, rng):
    if len(places.cpus) > 1:
        first, second = places.cpu_places[:2]
        yield Case("CPU 1 has CPU 0's data", patched(good, second, good[first:first + 16]), must_fail=True)
        beyond = struct.pack("<Q", places.cpus[0][0] + places.page_size)
        if not places.compressed:
            yield Case("CPU 1 begins within CPU 0's data", patched(good, second, beyond), must_fail=True)


def options(good, places, rng):
    terminator, size = places.options[-1]
    if places.version == 6:
        # All that lies behind moves, so the CPUs' data must be as far behind as the alignment leaves room.
        extra = struct.pack("<HI", 999, 10) + b"0123456789"
        end = places.cpu_places[-1] + 16
        start = places.cpus[0][0]
        if good[end:start].endswith(bytes(len(extra))):
            longer = good[:terminator] + extra + good[terminator:start - len(extra)] + good[start:]
            yield Case("an unknown option", longer, must_equal=True)
        yield Case("no terminator behind the options", patched(good, terminator, struct.pack("<H", 999)))
    else:
        yield Case("no terminator behind the options", patched(good, terminator, struct.pack("<H", 999)))
        # The same options once more at the end of the file, an unknown one and an unknown section among them.
        header = good.index(b"\0", 12 + 6) + 1
        header = good.index(b"\0", header) + 1
        first = struct.unpack_from("<Q", good, header)[0]
        body = good[places.options[0][0]:terminator]
        section = len(good)
        unknown = struct.pack("<HHIQ", 777, 0, 0, 4) + b"data"
        body += struct.pack("<HI", 999, 10) + b"0123456789" + struct.pack("<HIQ", 777, 8, section) + good[terminator:terminator + size]
        whole = good + unknown + struct.pack("<HHIQ", 0, 0, struct.unpack_from("<I", good, first + 4)[0], len(body)) + body
        yield Case("an unknown option and an unknown section", patched(whole, header, struct.pack("<Q", section + len(unknown))), must_equal=True)


FORMATS = [
    (b"next_pid;", b"next_pix;"), (b"prev_pid;", b"prev_pix;"), (b"prev_state;", b"prev_statf;"), (b"reason;", b"reasom;"), (b"pages;", b"pagez;"),
    (b"common_pid;", b"common_pix;"), (b"common_type;", b"common_typf;"), (b"name: sched_switch", b"name: sched_switcg"), (b"name: tlb_flush", b"name: tlb_flusg"),
    (b"offset:8;", b"offset:9;"), (b"offset:8;", b"offset:1;"), (b"size:16;", b"size:99;"), (b"size:4;", b"size:0;"), (b"size:4;", b"size:3;"), (b"size:4;", b"size:8;"),
    (b"ID: ", b"ID; "), (b"ID: ", b"ID: 9"), (b"field:", b"fieln:"), (b"format:", b"formaz:"), (b"signed:", b"sigmed:"), (b"int next_pid", b"int next[pi"),
    (b"char next_comm[16]", b"char next_comm[((("), (b"\toffset:", b"\toffse[:"),
]


def formats(good, places, rng):
    for old, new in FORMATS:
        at = -1
        while (at := good.find(old, at + 1)) >= 0:
            # Of the same length, whatever stands behind is overwritten.
            yield Case(f"{old.decode()!r} at {at} is {new.decode()!r}", patched(good, at, new))


def foreign(good, places, rng):
    yield Case("a text", b"This is no trace.\n" * 100, must_fail=True)
    yield Case("zeros", bytes(5000), must_fail=True)
    yield Case("version 5", patched(good, 10, b"5"), must_fail=True)
    yield Case("version 8", patched(good, 10, b"8"), must_fail=True)
    yield Case("of the other byte order", patched(good, 12, b"\1"), must_fail=True)
    yield Case("the file twice", good + good)
    for seed in range(200):
        noise = bytearray(good)
        for _ in range(rng.randrange(1, 20)):
            noise[rng.randrange(len(noise))] = rng.randrange(256)
        yield Case(f"noise {seed}", bytes(noise))


KINDS = {
    "cuts": cuts, "parts": parts, "flips": flips, "sizes": sizes, "subbuffers": subbuffers, "overlaps": overlaps, "options": options, "formats": formats, "foreign": foreign,
    # Of a text alone.
    "lines": lambda *_: (),
}


def cases(kind, good, seed):
    rng = random.Random(f"{seed} {kind}")
    if good.startswith(container.MAGIC):
        return KINDS[kind](good, container.map_of(good), rng)
    return forms.KINDS[kind](good, Case, rng) if kind in forms.KINDS else ()
