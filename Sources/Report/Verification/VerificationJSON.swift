import Replay
import Verification

extension Exploration {
    /// One object; docs/verify.schema.json has its keys.
    public func json() -> String { ByteWriter.string(json) }

    private func json(to writer: ByteWriter) {
        var object = JSONObject(writer)
        object.number("schema_version", 1)
        object.string("kind", "lazytlb-verify")
        object.number("cpus", cpus)
        object.number("mms", mms)
        object.bool("complete", isComplete)
        object.number("states", states)
        object.number("transitions", transitions)
        object.number("farthest", longest)
        object.objects("violations", violations) { object, violation in
            object.string("scheme", violation.scheme)
            object.string("what", violation.what)
            object.number("transitions", violation.count)
            history(violation.history, &object)
        }
        object.objects("differences", differences) { object, difference in
            object.string("old", difference.old)
            object.string("new", difference.new)
            object.string("kind", difference.kind.rawValue)
            object.number("transitions", difference.count)
            history(difference.history, &object)
        }
        object.end()
        writer.byte(UInt8(ascii: "\n"))
    }

    private func history(_ steps: [Step], _ object: inout JSONObject) {
        object.objects("history", zip(steps, effects(of: steps))) { object, told in
            object.string("step", told.0.description)
            object.objects("effects", zip(Replay.schemes, told.1)) { object, effect in
                object.string("scheme", effect.0)
                object.string("effect", effect.1)
            }
        }
    }
}
