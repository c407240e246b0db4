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

    def check(self, lazytlb):
        """A report must count what the kernels of the synthetic machine counted. Returns what it does not, in words."""
        output = subprocess.run([lazytlb, "report", "--format", "json", self.path], stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
        schemes = json.loads(output)["schemes"]
        return [
            f"{scheme} {key}: {schemes[scheme][key]}, not {value}"
            for scheme, counters in self.answers["schemes"].items()
            for key, value in counters.items()
            if schemes[scheme][key] != value
        ]


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
