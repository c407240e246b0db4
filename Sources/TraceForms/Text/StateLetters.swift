import TraceData

/// prev_state of sched_switch, from letters back to the bits that the kernel generation has for them.
///
/// Up to v4.13 the event prints TASK_* bits (TASK_STATE_TO_CHAR_STR and __print_flags of include/trace/events/sched.h), since v4.14 the report state of
/// task_state_index() (include/linux/sched.h). libtraceevent's plugin has a table of its own, the older one: "SDTtZXxW" from bit 0 on.
struct StateLetters {
    /// The kernel is v4.13 or older; nil if nothing has told that yet.
    private(set) var isOld: Bool?

    /// Bit of a letter that no known kernel prints.
    private static let unknown: Int64 = 1 << 16

    /// - Parameter release: of the recorded kernel, or the scheme that the user names; nil if it is not known.
    init(release: String?) {
        isOld = KernelVersion(release: release).map { $0 < KernelVersion(4, 14) }
    }

    /// The kernel's own letters: `R`, `S`, `D|K`, `R+`, …; nil for what is none of them.
    @inline(__always)
    mutating func kernel(_ word: TextCursor) -> Int64? {
        if word.count == 1 {
            switch word.next.pointee {
            case UInt8(ascii: "R"): return 0
            case UInt8(ascii: "S"): return 1
            case UInt8(ascii: "D"): return 2
            default: break
            }
        }
        return bits(word) { letter, isOld in
            switch letter {
            case UInt8(ascii: "x"):
                if isOld == nil { isOld = true }
                return 64
            case UInt8(ascii: "K"):
                if isOld == nil { isOld = true }
                return 128
            case UInt8(ascii: "W"): return 256
            case UInt8(ascii: "N"): return 1024
            case UInt8(ascii: "X"): return isOld == true ? 32 : 16
            case UInt8(ascii: "Z"): return isOld == true ? 16 : 32
            case UInt8(ascii: "P"): return isOld == true ? 512 : 64
            case UInt8(ascii: "I"):
                if isOld == nil { isOld = false }
                return 128
            default: return nil
            }
        }
    }

    /// Those of libtraceevent's plugin.
    @inline(__always)
    mutating func plugin(_ word: TextCursor) -> Int64? {
        if word.count == 1 {
            switch word.next.pointee {
            case UInt8(ascii: "R"): return 0
            case UInt8(ascii: "S"): return 1
            case UInt8(ascii: "D"): return 2
            default: break
            }
        }
        return bits(word) { letter, _ in
            switch letter {
            case UInt8(ascii: "Z"): 16
            case UInt8(ascii: "X"): 32
            case UInt8(ascii: "x"), UInt8(ascii: "P"): 64
            case UInt8(ascii: "W"), UInt8(ascii: "K"), UInt8(ascii: "I"): 128
            default: nil
            }
        }
    }

    private mutating func bits(_ word: TextCursor, _ bit: (UInt8, inout Bool?) -> Int64?) -> Int64? {
        var state: Int64 = 0
        var cursor = word
        while let letter = cursor.byte {
            cursor.next += 1
            switch letter {
            case UInt8(ascii: "R"), UInt8(ascii: "|"): break
            case UInt8(ascii: "S"): state |= 1
            case UInt8(ascii: "D"): state |= 2
            case UInt8(ascii: "T"): state |= 4
            case UInt8(ascii: "t"): state |= 8
            // Preempted: TASK_STATE_MAX, then TASK_REPORT_MAX.
            case UInt8(ascii: "+"): state |= isOld == true ? 4096 : 256
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): state |= bit(letter, &isOld) ?? Self.unknown
            default: return nil
            }
        }
        return word.isAtEnd ? nil : state
    }
}
