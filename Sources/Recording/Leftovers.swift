import Glibc

/// What a recorder has in tracefs, and its removal: by the recorder itself, by its guardian, or by a later recorder.
struct Leftovers {
    let tracefs: String
    let recorder: RecorderID

    private var instance: String { "\(tracefs)/instances/\(recorder.instance)" }

    /// Removes the instance, which disables its events and frees its buffers, and then the probe events, which nothing uses any more.
    ///
    /// - Parameter attempts: an instance with an open file is busy; so often it is tried again, ten times a second.
    /// - Returns: errno of what could not be removed, 0 if all is gone.
    func remove(attempts: Int) -> Int32 {
        var code: Int32 = 0
        for attempt in 0..<max(attempts, 1) {
            if attempt > 0 { usleep(100_000) }
            code = rmdir(instance) == 0 || errno == ENOENT ? 0 : errno
            if code != EBUSY { break }
        }
        let probes = removeProbes()
        return code != 0 ? code : probes
    }

    private func removeProbes() -> Int32 {
        let file = Self.probeFile(tracefs)
        var code: Int32 = 0
        for event in Self.probes(tracefs) where event.system == recorder.probeSystem {
            let failure = SmallFile.write(file, "-:\(event.system)/\(event.name)\n", append: true)
            if failure != 0, failure != ENOENT { code = failure }
        }
        return code
    }

    /// `dynamic_events` has all since Linux 5.0, and `kprobe_events` those that are needed here, always.
    static func probeFile(_ tracefs: String) -> String { "\(tracefs)/kprobe_events" }

    /// The kernel's probe events.
    static func probes(_ tracefs: String) -> [(system: Substring, name: Substring)] {
        guard let text = SmallFile.text(probeFile(tracefs)) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            // p:SYSTEM/NAME PLACE …
            guard let word = line.split(separator: " ").first, let colon = word.firstIndex(of: ":") else { return nil }
            let parts = word[word.index(after: colon)...].split(separator: "/")
            return parts.count == 2 ? (parts[0], parts[1]) : nil
        }
    }

    /// Removes what recorders left behind that were killed together with their guardians.
    static func removeStale(_ tracefs: String) {
        var dead: [RecorderID] = []
        for name in SmallFile.names(tracefs + "/instances") ?? [] {
            if let recorder = RecorderID(named: name[...]), !recorder.isAlive { dead.append(recorder) }
        }
        for probe in probes(tracefs) {
            if let recorder = RecorderID(named: probe.system), !recorder.isAlive, !dead.contains(recorder) { dead.append(recorder) }
        }
        for recorder in dead { _ = Leftovers(tracefs: tracefs, recorder: recorder).remove(attempts: 1) }
    }
}
