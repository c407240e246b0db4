import Verification

extension Exploration {
    /// One object; docs/verify.md has its keys.
    public func json() -> String { ByteWriter.string(json) }

    private func json(to writer: ByteWriter) {
        var object = JSONObject(writer)
        object.number("cpus", cpus)
        object.number("mms", mms)
        object.bool("complete", isComplete)
        object.number("states", states)
        object.number("steps", steps)
        object.number("farthest", longest)
        object.objects("violations", violations) { object, violation in
            object.string("scheme", violation.scheme)
            object.string("what", violation.what)
            object.number("steps", violation.count)
            object.strings("history", violation.history.map(\.description))
        }
        object.objects("differences", differences) { object, difference in
            object.string("old", difference.old)
            object.string("new", difference.new)
            object.string("kind", difference.kind.rawValue)
            object.number("steps", difference.count)
            object.strings("history", difference.history.map(\.description))
        }
        object.end()
        writer.byte(UInt8(ascii: "\n"))
    }
}
