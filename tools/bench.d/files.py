"""Synthetic recordings of tools/synth, made once and kept."""
import hashlib
import json
import pathlib
import subprocess


class Recording:
    def __init__(self, path, answers):
        self.path = str(path)
        self.size = path.stat().st_size
        self.answers = json.loads(answers.read_text())
        self.events = self.answers["events"]
        self.tasks = self.answers["records"]["task_newtask"]

    def warm(self):
        """Reads the file once, so that it is in the page cache as far as it fits."""
        with open(self.path, "rb", buffering=0) as file:
            while file.read(1 << 22):
                pass

    def check(self, lazytlb, jobs=(None,)):
        """A report must count what the kernels of the synthetic machine counted, whatever the number of threads. Returns what it does not, in words."""
        outputs = {count: self._report(lazytlb, count) for count in jobs}
        first, *others = outputs
        schemes = json.loads(outputs[first])["schemes"]
        wrong = [
            f"{scheme} {key}: {schemes[scheme][key]}, not {value}"
            for scheme, counters in self.answers["schemes"].items()
            for key, value in counters.items()
            if schemes[scheme][key] != value
        ]
        return wrong + [f"--jobs {count}: another report than with {first}" for count in others if outputs[count] != outputs[first]]

    def _report(self, lazytlb, jobs):
        options = [] if jobs is None else ["--jobs", str(jobs)]
        return subprocess.run(
            [lazytlb, "report", "--format", "json", *options, self.path], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout


class Cache:
    def __init__(self, folder, root, synth, progress):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.synth = synth
        self.progress = progress
        digest = hashlib.sha256()
        for source in sorted((pathlib.Path(root) / "Sources/TraceSynth").rglob("*.swift")):
            digest.update(source.read_bytes())
        # Other sources may give other files.
        self.version = digest.hexdigest()[:8]

    def recording(self, events, cpus=4, tasks=64, version="v6", mix="half", seed=1):
        stem = f"{mix}-{events}-{cpus}cpu-{tasks}tasks-{seed}-{version}"
        path = self.folder / f"{stem}.{self.version}.dat"
        answers = path.with_suffix(".json")
        if not (path.exists() and answers.exists()):
            for old in self.folder.glob(f"{stem}.*"):
                old.unlink()
            self.progress(f"making {stem}.dat")
            subprocess.run(
                [self.synth, "--output", path, "--answers", answers, "--events", str(events), "--cpus", str(cpus), "--tasks", str(tasks),
                 "--mix", mix, "--seed", str(seed), "--file-version", version], check=True)
        return Recording(path, answers)
