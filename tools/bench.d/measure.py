"""Runs commands and measures them: wall time, CPU time, peak of all resident memory, and of what is resident beyond mapped files."""
import os
import signal
import statistics
import subprocess
import threading
import time

MIB = 1 << 20


class Failed(Exception):
    """A command that was to be measured failed."""


class Run:
    """One run: seconds, CPU seconds, peak resident bytes, peak anonymous bytes (None if not sampled).

    With `patience`, a run that takes longer, in seconds, is stopped, and `exceeded`.
    """

    def __init__(self, command, sample=False, patience=None):
        self.anonymous = None
        self.exceeded = False
        # vfork() and exec take about a millisecond, which is part of what a user waits for.
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        # Little is written there, so the pipe never fills.
        sampler = Sampler(process.pid) if sample else None
        timer = threading.Timer(patience, self.stop, [process]) if patience else None
        if timer:
            timer.start()
        # The process stays a zombie, and its id its own, until the timer can no longer stop it.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        self.seconds = time.monotonic() - start
        if timer:
            timer.cancel()
            timer.join()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if sampler:
            self.anonymous = sampler.finish()
        errors = process.stderr.read().decode(errors="replace").strip()
        process.stderr.close()
        if process.returncode != 0 and not self.exceeded:
            raise Failed(f"{' '.join(command)}: status {process.returncode}: {errors[-500:]}")
        self.cpu = usage.ru_utime + usage.ru_stime
        self.resident = usage.ru_maxrss * 1024

    def stop(self, process):
        self.exceeded = True
        os.kill(process.pid, signal.SIGKILL)


class Sampler(threading.Thread):
    """Reads RssAnon of /proc/PID/status every few milliseconds.

    Pages of the mapped trace are RssFile, which the kernel takes back when it needs them; RssAnon is heap, stacks and what else a program
    cannot do without. RssShmem (shared anonymous mappings) counts as well. Its high-water mark exists nowhere, hence the sampling: what
    lives for less than an interval is missed.
    """

    INTERVAL = 0.002

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.path = f"/proc/{pid}/status"
        self.peak = 0
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            try:
                with open(self.path, "rb") as status:
                    text = status.read()
            except OSError:
                return
            now = 0
            for line in text.split(b"\n"):
                if line.startswith((b"RssAnon:", b"RssShmem:")):
                    now += int(line.split()[1]) * 1024
            self.peak = max(self.peak, now)
            self.ended.wait(self.INTERVAL)

    def finish(self):
        self.ended.set()
        self.join()
        return self.peak


class Measurement:
    """A command that is run several times."""

    def __init__(self, name, command, patience=None, memory=False, repeat=1):
        """With `patience` the command is slow: it runs once, and no longer than so many seconds. It runs `repeat` times in each turn."""
        self.name = name
        self.command = command
        self.patience = patience
        self.repeat = repeat
        self.memory = memory
        self.runs = []
        self.sampled = None

    @property
    def seconds(self):
        return statistics.median(run.seconds for run in self.runs)

    @property
    def exceeded(self):
        return any(run.exceeded for run in self.runs)

    @property
    def cpu(self):
        return statistics.median(run.cpu for run in self.runs)

    @property
    def resident(self):
        return max(run.resident for run in self.runs + ([self.sampled] if self.sampled else []))

    @property
    def anonymous(self):
        return self.sampled.anonymous if self.sampled else None


def measure(measurements, runs, progress):
    """Runs all in turns, so that what else the machine does meets them all alike; the first turn, which samples memory, is not timed."""
    for each in measurements:
        if each.memory:
            progress(f"{each.name}: memory")
            each.sampled = Run(each.command, sample=True)
    for turn in range(runs):
        for each in measurements:
            if each.patience and turn > 0:
                continue
            progress(f"{each.name}: run {turn + 1} of {1 if each.patience else runs}")
            for _ in range(each.repeat):
                each.runs.append(Run(each.command, patience=each.patience))
