/// The format of an event whose records come from a text, which has none: the fields that a kernel's own format has, laid out as a compiler would.
struct TextFormat {
    /// Bytes of the common fields (struct trace_entry, include/linux/trace_events.h).
    static let commonSize = 8

    let id: UInt16
    let system: String
    let name: String
    /// Bytes of a record without what is behind its fields.
    private(set) var size = TextFormat.commonSize
    private(set) var offsets: [Int] = []
    private var lines = ""
    private var printed: [(name: String, conversion: String)] = []
    private let longSize: Int

    init(id: UInt16, system: String, name: String, longSize: Int) {
        self.id = id
        self.system = system
        self.name = name
        self.longSize = longSize
    }

    enum Field {
        case int, short, long, unsignedLong
        /// 64 bits, shown as decimal or hexadecimal.
        case word(isHex: Bool)
        /// 16 bytes.
        case comm
        /// A string behind the fields, with its place here.
        case dataLocation
        /// A string to the record's end.
        case rest
    }

    /// Adds a field behind the others. Gives its offset.
    @discardableResult
    mutating func add(_ field: Field, _ name: String) -> Int {
        let (type, bytes, alignment, signed, suffix, conversion): (String, Int, Int, Int, String, String) =
            switch field {
            case .int: ("int", 4, 4, 1, "", "%d")
            case .short: ("short", 2, 2, 1, "", "%hd")
            case .long: ("long", longSize, longSize, 1, "", "%ld")
            case .unsignedLong: ("unsigned long", longSize, longSize, 0, "", "%lx")
            case .word(true): ("u64", 8, 8, 0, "", "0x%llx")
            case .word(false): ("s64", 8, 8, 1, "", "%lld")
            case .comm: ("char", 16, 1, 1, "[16]", "%s")
            case .dataLocation: ("__data_loc char[]", 4, 4, 1, "", "%s")
            case .rest: ("char", 0, 1, 1, "", "%s")
            }
        let offset = (size + alignment - 1) / alignment * alignment
        lines += "\tfield:\(type) \(name)\(suffix);\toffset:\(offset);\tsize:\(bytes);\tsigned:\(signed);\n"
        printed.append((name, conversion))
        size = offset + bytes
        offsets.append(offset)
        return offset
    }

    /// The text of the format file.
    var text: [UInt8] {
        let print = printed.map { "\($0.name)=\($0.conversion)" }.joined(separator: " ")
        return Array(
            """
            name: \(name)
            ID: \(id)
            format:
            \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
            \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
            \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
            \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

            \(lines)
            print fmt: "\(print)", \(printed.map { "REC->\($0.name)" }.joined(separator: ", "))

            """.utf8)
    }

    /// header_page of a kernel with such a geometry.
    static func headerPage(longSize: Int, size: Int) -> [UInt8] {
        let data = 8 + longSize
        return Array(
            """
            \tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
            \tfield: local_t commit;\toffset:8;\tsize:\(longSize);\tsigned:1;
            \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
            \tfield: char data;\toffset:\(data);\tsize:\(size - data);\tsigned:1;

            """.utf8)
    }

    static let headerEvent = Array(
        """
        # compressed entry header
        \ttype_len    :    5 bits
        \ttime_delta  :   27 bits
        \tarray       :   32 bits

        \tpadding     : type == 29
        \ttime_extend : type == 30
        \tdata max type_len  == 28

        """.utf8)
}

/// The formats of the kernel's own events that are read from a text.
struct TextFormats {
    var schedSwitch, tlbFlush, newTask, rename, fork, exec, exit, print: TextFormat

    init(longSize: Int) {
        func format(_ id: UInt16, _ system: String, _ name: String, _ fields: [(TextFormat.Field, String)]) -> TextFormat {
            var format = TextFormat(id: id, system: system, name: name, longSize: longSize)
            for (field, name) in fields { format.add(field, name) }
            return format
        }
        print = format(5, "ftrace", "print", [(.unsignedLong, "ip"), (.rest, "buf")])
        schedSwitch = format(
            100, "sched", "sched_switch",
            [(.comm, "prev_comm"), (.int, "prev_pid"), (.int, "prev_prio"), (.long, "prev_state"), (.comm, "next_comm"), (.int, "next_pid"), (.int, "next_prio")])
        tlbFlush = format(101, "tlb", "tlb_flush", [(.int, "reason"), (.long, "pages")])
        newTask = format(102, "task", "task_newtask", [(.int, "pid"), (.comm, "comm"), (.unsignedLong, "clone_flags"), (.short, "oom_score_adj")])
        rename = format(103, "task", "task_rename", [(.int, "pid"), (.comm, "oldcomm"), (.comm, "newcomm"), (.short, "oom_score_adj")])
        fork = format(
            104, "sched", "sched_process_fork", [(.comm, "parent_comm"), (.int, "parent_pid"), (.comm, "child_comm"), (.int, "child_pid")])
        exec = format(105, "sched", "sched_process_exec", [(.dataLocation, "filename"), (.int, "pid"), (.int, "old_pid")])
        exit = format(106, "sched", "sched_process_exit", [(.comm, "comm"), (.int, "pid"), (.int, "prio")])
    }

    /// Ids of probe events begin here.
    static let firstProbe: UInt16 = 1000

    var all: [TextFormat] { [print, schedSwitch, tlbFlush, newTask, rename, fork, exec, exit] }
}
