"""Where the parts of a trace.dat file are: trace-cmd.dat.v6(5), trace-cmd.dat.v7(5). A reader of its own, for good files only; little-endian ones."""
import dataclasses
import struct


MAGIC = b"\x17\x08\x44tracing"


@dataclasses.dataclass
class Map:
    """The places in a file that damage aims at."""

    version: int
    # (offset, bytes, what) of every size, count and offset in the file.
    numbers: list = dataclasses.field(default_factory=list)
    # Where a part ends and the next one begins.
    boundaries: set = dataclasses.field(default_factory=set)
    # (offset, size) of each CPU's data, in the order of CPUs; of chunks in compressed files.
    cpus: list = dataclasses.field(default_factory=list)
    # Where what options lead to ends. trace-cmd puts the names of its sections behind, which nothing needs.
    end: int = 0
    # Where the offset of each CPU's data is written.
    cpu_places: list = dataclasses.field(default_factory=list)
    # (offset of the option, its size with its head), the last one the terminator.
    options: list = dataclasses.field(default_factory=list)
    page_size: int = 4096
    compressed: bool = False

    def pages(self, cpu):
        """Offsets of a CPU's sub-buffers."""
        start, size = self.cpus[cpu]
        return list(range(start, start + size, self.page_size))


class Reader:
    def __init__(self, data, found):
        self.data, self.found, self.at = data, found, 0

    def number(self, size, what=None):
        value = int.from_bytes(self.data[self.at:self.at + size], "little")
        if what:
            self.found.numbers.append((self.at, size, what))
        self.at += size
        self.found.boundaries.add(self.at)
        return value

    def skip(self, count):
        self.at += count
        self.found.boundaries.add(self.at)

    def string(self):
        end = self.data.index(b"\0", self.at)
        text = self.data[self.at:end].decode("latin-1")
        self.at = end + 1
        self.found.boundaries.add(self.at)
        return text

    def sized(self, what, size=8):
        self.skip(self.number(size, what))


def header_info(reader):
    for name in "header_page", "header_event":
        reader.string()
        reader.sized(f"size of {name}")


def ftrace_formats(reader):
    for _ in range(reader.number(4, "number of ftrace formats")):
        reader.sized("size of an ftrace format")


def event_formats(reader):
    for _ in range(reader.number(4, "number of systems")):
        reader.string()
        for _ in range(reader.number(4, "number of a system's events")):
            reader.sized("size of an event format")


def version6(reader, found):
    header_info(reader)
    ftrace_formats(reader)
    event_formats(reader)
    reader.sized("size of kallsyms", 4)
    reader.sized("size of the printk formats", 4)
    reader.sized("size of the command lines")
    cpus = reader.number(4, "number of CPUs")
    if reader.string().startswith("options"):
        while True:
            start = reader.at
            if reader.number(2, "id of an option") == 0:
                found.options.append((start, 2))
                break
            reader.sized("size of an option", 4)
            found.options.append((start, reader.at - start))
        reader.string()
    for _ in range(cpus):
        found.cpu_places.append(reader.at)
        found.cpus.append((reader.number(8, "offset of a CPU's data"), reader.number(8, "size of a CPU's data")))


SECTIONS = {16: header_info, 17: ftrace_formats, 18: event_formats}


def version7(reader, found):
    found.compressed = reader.string() != "none"
    reader.string()
    at = reader.number(8, "offset of the options")
    while at:
        reader.at = at
        reader.number(2, "id of the options section")
        flags = reader.number(2, "flags of the options section")
        assert not flags & 1, "compressed options"
        reader.number(4)
        size = reader.number(8, "size of the options section")
        end, at = reader.at + size, 0
        sections = []
        while reader.at < end:
            start = reader.at
            option = reader.number(2, "id of an option")
            length = reader.number(4, "size of an option")
            after = reader.at + length
            if option == 0:
                at = reader.number(8, "offset of the next options")
            elif option in range(16, 22):
                sections.append((option, reader.number(8, "offset of a section")))
            elif option == 3:
                reader.number(8, "offset of a buffer's section")
                reader.string(), reader.string()
                found.page_size = reader.number(4, "size of a sub-buffer")
                for _ in range(reader.number(4, "number of a buffer's CPUs")):
                    reader.number(4, "number of a CPU")
                    found.cpu_places.append(reader.at)
                    found.cpus.append((reader.number(8, "offset of a CPU's data"), reader.number(8, "size of a CPU's data")))
            reader.at = after
            found.boundaries.add(after)
            found.options.append((start, after - start))
        for option, offset in sections:
            section(reader, option, offset)
    for offset, size in found.cpus:
        if found.compressed and size:
            reader.at = offset
            for _ in range(reader.number(4, "number of chunks")):
                packed = reader.number(4, "packed size of a chunk")
                reader.number(4, "size of a chunk")
                reader.skip(packed)


def section(reader, option, offset):
    reader.at = offset
    reader.number(2, "id of a section")
    flags = reader.number(2, "flags of a section")
    reader.number(4)
    reader.number(8, "size of a section")
    if flags & 1:
        packed = reader.number(4, "packed size of a section")
        reader.number(4, "unpacked size of a section")
        reader.skip(packed)
    elif option in SECTIONS:
        SECTIONS[option](reader)


def map_of(data):
    assert data.startswith(MAGIC)
    found = Map(version=int(chr(data[10])))
    reader = Reader(data, found)
    reader.skip(12)
    reader.number(1), reader.number(1)
    found.page_size = reader.number(4, "page size")
    (version6 if found.version == 6 else version7)(reader, found)
    for offset, size in found.cpus:
        found.boundaries |= {offset, offset + size}
    found.end = max(found.boundaries)
    found.boundaries = {place for place in found.boundaries if place < len(data)}
    return found


def page_time(data, page):
    return struct.unpack_from("<Q", data, page)[0]
