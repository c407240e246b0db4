"""Damages good recordings in many ways, and checks what lazytlb makes of each of them.

For every damaged file:
- `report` ends with status 0, or with 2 and messages that name the file and the byte, or the line of a text; never by a signal, in more than 20 s, or with more than 512 MiB;
- a second run, with another number of threads, gives the same output, messages and status;
- what is cut off, swapped, doubled or goes back in time is said: status 2;
- with status 0 no record is missing: `events` gives as many records as of the good file, or says what was lost;
- with --keep-going, of files whose records are partly whole, each CPU's records are some of the good file's, in their order;
  of a file that is cut off behind a sub-buffer, the report is the one on a file in order with the same part of the records;
- `info` and `timeline` of some of them.
"""
import argparse
import collections
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import damage

MEMORY = 512 * 1024  # KiB
SECONDS = 20
PLACE = re.compile(r": at byte \d+: |: line \d+: ")
# Causes that lie nowhere in the file: what it as a whole lacks, by its own account or for a report.
WITHOUT_PLACE = re.compile(r"(sched:sched_switch|tlb:tlb_flush) (has no record|is not declared by the file)|expected a trace\.dat file|it has none|the file has no event formats|the header counts \d+ events in the buffer")


def run(program, arguments, folder):
    """Status, output, messages and peak memory in KiB of a program; a signal is a negative status, a time-out None."""
    with tempfile.TemporaryFile(dir=folder) as output, tempfile.TemporaryFile(dir=folder) as errors:
        process = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        timer = threading.Timer(SECONDS, process.kill)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        late = not timer.is_alive()
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0), errors.seek(0)
        return None if late else process.returncode, output.read(), errors.read().decode("utf-8", "replace"), usage.ru_maxrss


def records(output):
    """The records of each CPU, without the names of tasks, which may rest on records that are not there any more."""
    found = collections.defaultdict(list)
    for line in output.decode("utf-8", "replace").splitlines():
        match = re.match(r".*?-(-?\d+)\s+\[(\d+)\] (.*)", line)
        if match:
            found[int(match[2])].append(match[1] + " " + match[3])
    return found


def said(report):
    """What a report tells of records that it does not have."""
    document = json.loads(report)
    return document["evidence"]["notes"], document["trace"].get("left_out")


def is_part(part, whole):
    """Whether the first list comes out of the second by leaving elements out."""
    rest = iter(whole)
    return all(any(element == other for other in rest) for element in part)


class Checker:
    def __init__(self, program, good, folder):
        self.program, self.folder = program, folder
        self.path = os.path.join(folder, "good.dat")
        with open(self.path, "wb") as file:
            file.write(good)
        status, output, errors, _ = run(program, ["events", self.path], folder)
        assert status == 0, errors
        self.records = records(output)
        self.count = sum(len(lines) for lines in self.records.values())
        status, self.report, errors, _ = run(program, ["report", "--format", "json", self.path], folder)
        assert status == 0, errors
        self.said = said(self.report)
        self.failures = []

    def check(self, number, case):
        """What is wrong with the program's answer to a case: sentences. And its status."""
        wrong = []
        path = os.path.join(self.folder, f"{number}.dat")
        with open(path, "wb") as file:
            file.write(case.data)
        try:
            one = self.answer(["report", "--format", "json", "--jobs", "1", path], wrong, path)
            two = self.answer(["report", "--format", "json", "--jobs", "2", path], wrong, path)
            if one[:3] != two[:3]:
                wrong.append(f"two runs differ: {one[0]} {one[2]!r} and {two[0]} {two[2]!r}")
            if case.must_fail and one[0] == 0:
                wrong.append("the report does not say that the file is damaged")
            if case.must_equal and one[1].replace(path.encode(), self.path.encode()) != self.report:
                wrong.append(f"the report is another one: {one[2]!r}")
            if one[0] == 0 and not case.must_equal:
                status, output, errors, _ = self.answer(["events", path], wrong, path)
                found = sum(len(lines) for lines in records(output).values())
                if status == 0 and found < self.count and b"EVENTS DROPPED" not in output and said(one[1]) == self.said:
                    wrong.append(f"{self.count - found} of {self.count} records are missing in silence")
            kept = self.answer(["events", "--keep-going", path], wrong, path)
            if case.must_fail and kept[0] == 0:
                wrong.append("events --keep-going does not say that the file is damaged")
            if case.keeps_records:
                for cpu, lines in records(kept[1]).items():
                    if not is_part(lines, self.records[cpu]):
                        wrong.append(f"--keep-going: the records of CPU {cpu} are not some of the good file's")
            self.answer(["report", "--keep-going", path], wrong, path)
            if case.part:
                self.compare(path, case.part, wrong)
            if number % 16 == 0:
                self.answer(["info", "--keep-going", path], wrong, path)
                self.answer(["timeline", "--evidence", "switches-only", path], wrong, path)
        finally:
            os.unlink(path)
        return one[0], wrong

    def compare(self, path, part, wrong):
        """The report on what is left of a file, and that on a file in order which has just that."""
        whole = path + ".part"
        with open(whole, "wb") as file:
            file.write(part)
        try:
            kept = self.answer(["report", "--keep-going", "--format", "json", path], wrong, path)
            expected = self.answer(["report", "--format", "json", whole], wrong, whole)
        finally:
            os.unlink(whole)
        if expected[0] != 0:
            # It may lack records that a report needs; then so does what is left.
            if kept[1]:
                wrong.append("--keep-going reports where the same part of the good file gives no report")
            return
        documents = [json.loads(output) for output in (kept[1], expected[1])] if kept[1] else [None, {}]
        for document in filter(None, documents):
            document["trace"].pop("path")
            document["problems"] = []
        if documents[0] != documents[1]:
            wrong.append("--keep-going: the report is not that on the same part of the good file")

    def answer(self, arguments, wrong, path):
        found = run(self.program, arguments, self.folder)
        status, _, errors, memory = found
        command = " ".join(arguments[:-1])
        if status is None:
            wrong.append(f"{command}: more than {SECONDS} s")
        elif status not in (0, 2):
            wrong.append(f"{command}: status {status}: {errors[-300:]!r}")
        if memory > MEMORY:
            wrong.append(f"{command}: {memory // 1024} MiB")
        if status == 2 and "--keep-going" not in arguments:
            lines = errors.splitlines()
            if not lines or not all(line.startswith(f"lazytlb: {path}: ") for line in lines):
                wrong.append(f"{command}: a message does not name the file: {errors!r}")
            elif not any(PLACE.search(line) or WITHOUT_PLACE.search(line) for line in lines):
                wrong.append(f"{command}: no message names a byte: {errors!r}")
        return found


def bases(options, folder):
    """Good files by name: both versions, compressed and not, one that a kernel wrote, and the other forms."""
    def synthetic(name, version):
        path = os.path.join(folder, name)
        subprocess.run(
            [options.synth, "--output", path, "--answers", path + ".json", "--events", "1500", "--cpus", "2", "--tasks", "8", "--mix", "forks", "--file-version", version],
            check=True)
        return path

    def content(path):
        return pathlib.Path(path).read_bytes()

    v6 = synthetic("v6.dat", "v6")
    plain = os.path.join(folder, "v7-plain.dat")
    subprocess.run(
        ["trace-cmd", "convert", "-i", v6, "-o", plain, "--file-version", "7", "--compression", "none"], check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    return {
        "v6": content(v6), "v7 zstd": content(synthetic("v7.dat", "v7")), "v7 plain": content(plain),
        "v7 zstd, a kernel's": content(os.path.join(options.fixtures, "v4.12-threads-2cpu-truth-c3idle.dat")),
        "text": content(os.path.join(options.fixtures, "forms/trace.txt")), "perf.data": content(os.path.join(options.fixtures, "forms/perf.data")),
    }


def main():
    parser = argparse.ArgumentParser(prog="tools/damage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only every Nth of the cuts, flips and sizes: a short form")
    parser.add_argument("--kind", choices=damage.KINDS, action="append", help="only this kind of damage")
    parser.add_argument("--file", action="append", metavar="NAME", help="only this file, as the table names it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="print the table in Markdown")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the files that fail in this folder")
    for name in "lazytlb", "synth", "fixtures":
        parser.add_argument(f"--{name}", help=argparse.SUPPRESS)
    options = parser.parse_args()
    failed = 0
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, good in bases(options, folder).items():
            if options.file and name not in options.file:
                continue
            checker = Checker(options.lazytlb, good, folder)
            for kind in options.kind or damage.KINDS:
                every = options.every if kind in ("cuts", "flips", "sizes", "formats", "subbuffers", "lines", "foreign") else 1
                # A kernel's file is large and slow to read: the same damage at fewer places.
                if name.endswith("a kernel's") and kind in ("cuts", "flips", "sizes"):
                    every *= 16
                cases = (case for number, case in enumerate(damage.cases(kind, good, options.seed)) if number % every == 0)
                statuses = collections.Counter()
                with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
                    # Not all at once: a child's peak memory counts what its parent had when it was made.
                    while part := list(itertools.islice(cases, 64)):
                        for case, (status, wrong) in zip(part, pool.map(lambda numbered: checker.check(*numbered), enumerate(part))):
                            statuses[status] += 1
                            failed += bool(wrong)
                            for sentence in wrong:
                                print(f"tools/damage: {name}: {case.name}: {sentence}", file=sys.stderr)
                            if wrong and options.keep:
                                pathlib.Path(options.keep).mkdir(parents=True, exist_ok=True)
                                pathlib.Path(options.keep, re.sub(r"\W+", "-", f"{name} {case.name}") + ".dat").write_bytes(case.data)
                if statuses:
                    rows.append((name, kind, statuses.total(), statuses[0], statuses[2]))
    total = ("all", "", *(sum(row[column] for row in rows) for column in (2, 3, 4)))
    form = "| {} | {} | {} | {} | {} |" if options.markdown else "{:22} {:12} {:>7} {:>7} {:>7}"
    print(form.format("file", "damage", "files", "status 0", "status 2"))
    if options.markdown:
        print("| --- | --- | ---: | ---: | ---: |")
    for row in [*rows, total]:
        print(form.format(*row))
    if failed:
        sys.exit(f"tools/damage: {failed} files were not answered as they must be")


main()
