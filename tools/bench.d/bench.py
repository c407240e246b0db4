"""usage: tools/bench [options]

Measures lazytlb beside the tools that others read trace.dat files with, on the same synthetic recording in one run: a loop over all records
with libtraceevent's kbuffer in C (the floor, one core), libtracecmd's merged iteration, trace-cmd report. docs/performance.md explains the
columns.

  --events N        records of the recording (default: 25000000), which has 4 CPUs
  --runs N          timed runs of each, in turns; the medians count (default: 5). The slow ones, trace-cmd report, run once
  --quick           leave trace-cmd report out
  --patience N      stop trace-cmd report, and libtracecmd on the compressed file, after so many seconds (default: 240)
  --scale           instead, check that time grows linearly with events, and no worse than logarithmically with CPUs, and the memory
  --most N          with --scale: records of the largest recording (default: 250000000, some 12 GB, for a moment twice that)
  --cache FOLDER    where the recordings are kept (default: .build/bench)
  --write           put the table into docs/performance.md
  --help            show this

Exit status: 0 fine, 1 with --scale if a bound does not hold, 2 if a command fails.
"""
import argparse
import math
import os
import pathlib
import re
import subprocess
import sys

from files import Cache
from measure import MIB, Failed, Measurement, measure

# What a report may have beyond the mapped file, bytes, and how much more for each task.
MEMORY_BOUND = 64 * MIB
MEMORY_PER_TASK = 1024
# By how much the time per event may differ between recordings of different length.
LINEARITY = 0.10


def progress(text):
    if sys.stderr.isatty():
        print(f"bench: {text}", file=sys.stderr)


def parse():
    parser = argparse.ArgumentParser(add_help=False, usage=argparse.SUPPRESS)
    parser.add_argument("--events", type=int, default=25_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--patience", type=float, default=240)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--most", type=int, default=250_000_000)
    parser.add_argument("--cache")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--help", action="store_true")
    for name in ("root", "lazytlb", "synth", "helpers"):
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.help:
        print(__doc__.strip())
        sys.exit(0)
    return arguments


def has_option(lazytlb, command, option):
    output = subprocess.run([lazytlb, command, "--help"], capture_output=True, text=True).stdout
    return re.search(rf"(^|\s|\[){re.escape(option)}\b", output) is not None


def million(count):
    return f"{count / 1e6:.1f}" if count < 100e6 else f"{count / 1e6:.0f}"


def mebibytes(count):
    return "" if count is None else f"{count / MIB:.0f}"


def ratio(one, other):
    """How many times as long as the other it takes; a bound, if one of them was stopped."""
    if one is None or other is None or one.exceeded and other.exceeded and one is not other:
        return ""
    value = one.seconds / other.seconds
    sign = "" if one is other else "> " if one.exceeded else "< " if other.exceeded else ""
    return sign + (f"{value:.2f}" if value < 9.995 else f"{value:.0f}")


class Table:
    HEAD = ("", "s", "CPU s", "M events/s", "MB/s", "peak MiB", "beyond the file", "÷ floor", "÷ merged", "trace-cmd ÷")

    def __init__(self, title, recording, measurements, floor, merged, slow):
        self.title = title
        self.rows = []
        for each in measurements:
            more = "> " if each.exceeded else ""
            rate = ["", ""] if each.exceeded else [million(recording.events / each.seconds), f"{recording.size / each.seconds / 1e6:.0f}"]
            self.rows.append((
                each.name, f"{more}{each.seconds:.2f}", f"{more}{each.cpu:.2f}", *rate, mebibytes(each.resident), mebibytes(each.anonymous),
                ratio(each, floor), ratio(each, merged), ratio(slow, each)))

    @property
    def markdown(self):
        lines = [self.title, "", f"| {' | '.join(self.HEAD)} |", "| --- |" + " ---: |" * (len(self.HEAD) - 1)]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join(lines) + "\n"


def commands(arguments, recording, version):
    """What is measured on one recording: the floor, the merged iteration, lazytlb, trace-cmd report."""
    lazytlb, path, events = arguments.lazytlb, recording.path, str(recording.events)
    floor = Measurement("kbuffer loop", [f"{arguments.helpers}/kbuffer-walk", path, events]) if version == "v6" else None
    # libtracecmd looks its chunks up one by one: the time grows with the square of their number.
    patience = arguments.patience if version == "v7" else None
    merged = Measurement("merged iteration", [f"{arguments.helpers}/merged-iteration", path, events], patience)
    own = [Measurement("`lazytlb report`", [lazytlb, "report", path], memory=True)]
    if has_option(lazytlb, "report", "--jobs"):
        own.append(Measurement("`lazytlb report --jobs 1`", [lazytlb, "report", "--jobs", "1", path], memory=True))
    # As a trace is read that tells no births.
    own.append(Measurement("`lazytlb report --evidence switches-only`", [lazytlb, "report", "--evidence", "switches-only", path], memory=True))
    own.append(Measurement("`lazytlb timeline`", [lazytlb, "timeline", path], memory=True))
    own.append(Measurement("`lazytlb events`", [lazytlb, "events", path], memory=True))
    slow = []
    if not arguments.quick:
        slow.append(Measurement("`trace-cmd report`", ["trace-cmd", "report", path], arguments.patience))
        if version == "v6":
            slow.append(Measurement("`trace-cmd report -R`", ["trace-cmd", "report", "-R", path], arguments.patience))
    return floor, merged, own, slow


def compare(arguments, cache):
    tables = []
    floor = None
    for version, text in (("v6", "version 6, uncompressed"), ("v7", "version 7, zstd")):
        recording = cache.recording(arguments.events, version=version)
        recording.warm()
        jobs = (1, 2, 3, 4) if has_option(arguments.lazytlb, "report", "--jobs") else (None,)
        wrong = recording.check(arguments.lazytlb, jobs)
        if wrong:
            raise Failed("the report is wrong: " + "; ".join(wrong))
        own_floor, merged, own, slow = commands(arguments, recording, version)
        # Of the compressed file there is no bare loop: its ratios are to that of the uncompressed one.
        floor = own_floor or floor
        measurements = ([own_floor] if own_floor else []) + [merged] + own + slow
        measure(measurements, arguments.runs, lambda what: progress(f"{version}: {what}"))
        title = f"{recording.events:,} events, 4 CPUs, {text}, {recording.size / 1e6:,.0f} MB:"
        tables.append(Table(title, recording, measurements, floor, merged, slow[0] if slow else None).markdown)
        print(tables[-1], flush=True)
    return "\n".join(tables)


class Case:
    """A report of one recording, which is compared with those of others."""

    def __init__(self, arguments, cache, events, cpus=4, tasks=64):
        self.cpus = cpus
        self.recording = cache.recording(events, cpus, tasks)
        self.recording.warm()
        wrong = self.recording.check(arguments.lazytlb)
        if wrong:
            raise Failed("the report is wrong: " + "; ".join(wrong))
        # A short run is disturbed by little.
        self.report = Measurement(f"{events:,} events, {cpus} CPUs", [arguments.lazytlb, "report", self.recording.path], memory=True, repeat=3 if events <= 1_000_000 else 1)

    @property
    def time(self):
        """s for each event"""
        return self.report.seconds / self.recording.events

    def row(self, start, share, holds):
        """A line of the table, and whether all bounds hold."""
        beyond = (self.report.seconds - start.report.seconds) / (self.recording.events - start.recording.events)
        bound = MEMORY_BOUND + MEMORY_PER_TASK * self.recording.tasks
        fits = self.report.anonymous <= bound
        return (
            f"| {self.recording.events:,} | {self.cpus} | {self.recording.tasks:,} | {self.time * 1e9:.1f} | {beyond * 1e9:.1f} | {share}{'' if holds else ': **no**'} "
            f"| {mebibytes(self.report.resident)} | {mebibytes(self.report.anonymous)} | {mebibytes(bound)}{'' if fits else ': **no**'} |", holds and fits)


def scale(arguments, cache):
    """Returns the table, and whether all bounds hold."""
    middle = min(25_000_000, arguments.most)
    counts = sorted({count for count in (1_000_000, middle, 250_000_000) if count <= arguments.most} | {arguments.most})
    # What is compared is measured in turns: the machine may be another one a minute later.
    start = Case(arguments, cache, 10_000)
    lengths = [Case(arguments, cache, count) for count in counts]
    measure([each.report for each in [start] + lengths], arguments.runs, progress)
    reference = lengths[counts.index(middle)]
    rows = []
    for each in lengths:
        part = each.time / reference.time
        rows.append(each.row(start, f"{part:.2f} of that with {middle / 1e6:.0f} million", abs(part - 1) <= LINEARITY))
    machines = [Case(arguments, cache, 10_000_000, cpus, tasks) for cpus, tasks in ((4, 64), (64, 10_000), (512, 100_000))]
    measure([each.report for each in machines], arguments.runs, progress)
    for each in machines:
        part = each.time / machines[0].time
        allowed = math.log2(each.cpus) / math.log2(4)
        rows.append(each.row(start, f"{part:.2f} of that with 4 CPUs, up to {allowed:.1f}", part <= allowed * (1 + LINEARITY)))
    lines = [
        "| events | CPUs | tasks | ns/event | beyond the start | of the time per event | peak MiB | beyond the file | bound |", "|" + " ---: |" * 9,
    ]
    text = "\n".join(lines + [row for row, _ in rows]) + "\n"
    text += f"\nThe start, a report of {start.recording.events:,} records: {start.report.seconds * 1e3:.1f} ms.\n"
    print(text, flush=True)
    return text, all(fine for _, fine in rows)


def machine():
    """What the figures were measured on, in a line."""
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    memory = int(re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / (1 << 20)
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    swift = re.search(r"Swift version (\S+)", swift)
    packages = []
    for package in ("trace-cmd", "libtracecmd1", "libtraceevent1"):
        output = subprocess.run(["dpkg-query", "-W", "-f=${Version}", package], capture_output=True, text=True).stdout
        if output:
            packages.append(f"{package} {output}")
    return ", ".join(
        [f"{len(os.sched_getaffinity(0))} CPUs of {model[1] if model else os.uname().machine}", f"{memory:.0f} GiB of memory"]
        + ([f"Swift {swift[1]}"] if swift else []) + packages) + "."


def write(root, marker, text):
    path = pathlib.Path(root) / "docs/performance.md"
    start, end = f"<!-- {marker}, written by tools/bench -->", f"<!-- end of {marker} -->"
    document = path.read_text()
    if start not in document or end not in document:
        raise Failed(f"{path.name} has no place for {marker}")
    head, rest = document.split(start, 1)
    path.write_text(head + start + "\n\n" + text.strip() + "\n\n" + end + rest.split(end, 1)[1])


def main():
    arguments = parse()
    cache = Cache(arguments.cache or f"{arguments.root}/.build/bench", arguments.root, arguments.synth, progress)
    fine = True
    print(machine() + "\n", flush=True)
    try:
        if arguments.scale:
            table, fine = scale(arguments, cache)
        else:
            table = compare(arguments, cache)
        if arguments.write:
            write(arguments.root, "scale" if arguments.scale else "bench", f"{machine()}\n\n{table}")
    except (Failed, subprocess.CalledProcessError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
