import Glibc

/// Files that exist under a temporary name at this moment, for a program that a signal ends: ``removeAll()`` may be called from a signal handler.
///
/// There is room for a few at a time, which is more than the program has; a file beyond them is only left behind if a signal comes.
public enum TemporaryFiles {
    private static let room = 8
    // Written by the thread that owns the output; a signal handler only reads. A slot is filled after its text is whole.
    nonisolated(unsafe) private static let slots: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = {
        let slots = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: room)
        slots.initialize(repeating: nil, count: room)
        return slots
    }()

    static func add(_ path: String) {
        for slot in 0..<room where slots[slot] == nil {
            slots[slot] = strdup(path)
            return
        }
    }

    /// The file has its own name now, or is gone.
    static func forget(_ path: String) {
        for slot in 0..<room {
            guard let name = slots[slot], strcmp(name, path) == 0 else { continue }
            slots[slot] = nil
            free(name)
            return
        }
    }

    /// Makes the table, so that a signal handler does not have to.
    public static func prepare() { _ = slots }

    /// Unlinks them all. Calls nothing that a signal handler may not call (signal-safety(7)).
    public static func removeAll() {
        for slot in 0..<room {
            if let name = slots[slot] { unlink(name) }
        }
    }
}
