@testable import TraceData

/// A history in few bytes: every byte string is one, so that whatever a mutation gives still is a file in order, and its effort goes into
/// what the records say.
///
/// A record is two bytes (event and CPU; time, context) and a byte for each field that its event leaves open. Bytes stand for values that
/// matter: small numbers, addresses of mms, single bits, limits. Beside events there are lost events, time stamps, and damage.
struct Script {
    let formats: EventFormats
    let longSize: Int
    let bigEndian: Bool
    let pageSize: Int
    /// The events that records can be of.
    let events: [EventFormats.Event]

    static let specials = 6

    init(_ formats: EventFormats, pageSize: Int) {
        self.formats = formats
        self.pageSize = pageSize
        longSize = formats.longSize
        bigEndian = formats.bigEndian
        events = formats.events
    }

    // MARK: values

    static let names = [
        "ksoftirqd/0", "wl", "kworker/0:1", "wl", "migration/1", "bash", "rcu_sched", "cc1", "kswapd0", "make", "kworker/u8:2", "sh",
    ]

    static func name(_ pid: Int) -> String {
        switch pid {
        case 0: "swapper/0"
        case 1: "init"
        case 2: "kthreadd"
        default: names[(pid & 0xffff) % names.count]
        }
    }

    private static let limits: [UInt64] = [
        0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, 0x8000_0000_0000_0000, 0x40_0000, 0x3f_ffff, 0x1_0000_0000, 0xffff, 0x1_0000,
        0x1000, 0xfff, 0x7f_ffff_f000, 33, 34, 512,
    ]
    private static let firstAddress: UInt64 = 0xffff_8800_1234_0000

    static func value(_ byte: UInt8) -> UInt64 {
        let byte64 = UInt64(byte)
        switch byte {
        case 0..<64: return byte64
        case 64..<128: return firstAddress + (byte64 - 64) << 12
        case 128..<192: return 1 << (byte64 - 128)
        case 192..<224: return ~(byte64 - 192)
        default: return limits[Int(byte - 224) % limits.count]
        }
    }

    static func pid(_ byte: UInt8) -> Int32 { byte < 200 ? Int32(byte) : Int32(truncatingIfNeeded: value(byte)) }

    static let texts = [
        "", "mark", "/bin/true", "/usr/lib/gcc/cc1", "nr_tlb_remote_flush 12 nr_tlb_remote_flush_received 30",
        "vmstat: nr_tlb_remote_flush=1 nr_tlb_local_flush_all=18446744073709551615", "\u{1b}[31m\n\"", "nr_tlb_local_flush_one 7",
    ]

    // MARK: from a script to sub-buffers

    /// One CPU's sub-buffers while they are written.
    private struct CPU {
        let memory: UnsafeMutableRawBufferPointer
        var page = 0
        var fill = 0
        var time: UInt64 = 0
        var pid: Int32 = 0
    }

    private func store<T: FixedWidthInteger>(_ value: T, _ pointer: UnsafeMutableRawPointer) {
        pointer.storeBytes(of: bigEndian ? value.bigEndian : value.littleEndian, as: T.self)
    }

    private func word(_ type: UInt32, _ delta: UInt64) -> UInt32 {
        let delta = UInt32(truncatingIfNeeded: delta & 0x7ff_ffff)
        return bigEndian ? type << 27 | delta : delta << 5 | type
    }

    /// Writes the sub-buffers of the CPUs; what finds no room is left out.
    func write(_ script: UnsafeRawBufferPointer, to memories: [UnsafeMutableRawBufferPointer]) {
        var cpus = memories.map { CPU(memory: $0) }
        for index in cpus.indices { for page in 0..<cpus[index].memory.count / pageSize { clear(&cpus[index], page) } }
        var now: UInt64 = 1_000_000_000
        var position = 0
        func byte() -> UInt8 {
            guard position < script.count else { return 0 }
            position += 1
            return script[position - 1]
        }
        let header = 8 + longSize
        while position < script.count {
            let first = byte()
            let context = byte()
            let cpu = Int(first & 3) % cpus.count
            let choice = Int(first >> 2) % (events.count + Self.specials)
            now &+= UInt64(16) << UInt64(context >> 3)
            if choice < events.count {
                let flags: UInt8 = [0, 1, 0x08, 0x10][Int(context & 3)]
                var (data, extra) = fields(events[choice], isExplicit: context & 4 != 0, &cpus[cpu], byte)
                data[2] = flags
                data += extra
                data += [UInt8](repeating: 0, count: -data.count & 3)
                append(data, at: now, &cpus[cpu])
                continue
            }
            switch choice - events.count {
            case 0, 1:
                // Events were lost before the next sub-buffer; the second kind says how many.
                turn(&cpus[cpu])
                if cpus[cpu].page * pageSize >= cpus[cpu].memory.count { break }
                begin(&cpus[cpu], now)
                cpus[cpu].pid = -1
                mark(&cpus[cpu], choice - events.count == 0 ? 1 << 31 : 3 << 30)
            case 2: raw([byte(), byte(), byte(), byte()], &cpus[cpu])
            case 3:
                let far = Self.value(byte())
                now &+= far >> 5
                raw(bytes(word(30, far)) + bytes(UInt32(truncatingIfNeeded: far >> 27)), &cpus[cpu])
            case 4:
                let stamp = now &+ Self.value(byte())
                raw(bytes(word(31, stamp)) + bytes(UInt32(truncatingIfNeeded: stamp >> 27)), &cpus[cpu])
            default: turn(&cpus[cpu])
            }
        }
        for index in cpus.indices where cpus[index].fill > header { turn(&cpus[index]) }
    }

    private func bytes(_ word: UInt32) -> [UInt8] { withUnsafeBytes(of: bigEndian ? word.bigEndian : word.littleEndian) { Array($0) } }

    private func clear(_ cpu: inout CPU, _ page: Int) {
        cpu.memory.baseAddress!.advanced(by: page * pageSize).initializeMemory(as: UInt8.self, repeating: 0, count: 16)
    }

    private func begin(_ cpu: inout CPU, _ time: UInt64) {
        store(time, cpu.memory.baseAddress! + cpu.page * pageSize)
        cpu.time = time
        cpu.fill = 8 + longSize
    }

    private func mark(_ cpu: inout CPU, _ bits: UInt32) {
        let place = cpu.memory.baseAddress! + cpu.page * pageSize + 8
        if longSize == 8 { store(UInt64(bits), place) } else { store(bits, place) }
    }

    /// Ends the sub-buffer: its length joins the marks that it may have.
    private func turn(_ cpu: inout CPU) {
        guard cpu.fill > 0, cpu.page * pageSize < cpu.memory.count else { return }
        let place = cpu.memory.baseAddress! + cpu.page * pageSize + 8
        let length = cpu.fill - 8 - longSize
        if longSize == 8 {
            let marks = load(UInt64.self, place, bigEndian)
            store(marks | UInt64(length), place)
            if cpu.fill + 8 <= pageSize { store(UInt64(length), place - 8 + cpu.fill) }
        } else {
            let marks = load(UInt32.self, place, bigEndian)
            store(marks | UInt32(length), place)
            if cpu.fill + 4 <= pageSize { store(UInt32(length), place - 8 + cpu.fill) }
        }
        cpu.page += 1
        cpu.fill = 0
    }

    private func raw(_ bytes: [UInt8], _ cpu: inout CPU) {
        guard cpu.fill > 0, cpu.page * pageSize < cpu.memory.count, cpu.fill + bytes.count <= pageSize else { return }
        (cpu.memory.baseAddress! + cpu.page * pageSize + cpu.fill).copyMemory(from: bytes, byteCount: bytes.count)
        cpu.fill += bytes.count
    }

    private func append(_ data: [UInt8], at now: UInt64, _ cpu: inout CPU) {
        guard cpu.page * pageSize < cpu.memory.count else { return }
        if cpu.fill + data.count + 16 > pageSize { turn(&cpu) }
        guard cpu.page * pageSize < cpu.memory.count, data.count + 40 < pageSize else { return }
        if cpu.fill == 0 { begin(&cpu, now) }
        var delta = now &- cpu.time
        if delta >> 27 != 0 {
            raw(bytes(word(30, delta)) + bytes(UInt32(truncatingIfNeeded: delta >> 27)), &cpu)
            delta = 0
        }
        if data.count <= 112 {
            raw(bytes(word(UInt32(data.count / 4), delta)) + data, &cpu)
        } else {
            raw(bytes(word(0, delta)) + bytes(UInt32(data.count + 4)) + data, &cpu)
        }
        cpu.time = now
    }

    /// The bytes of a record, and what dynamic fields have behind it.
    private func fields(_ event: EventFormats.Event, isExplicit: Bool, _ cpu: inout CPU, _ byte: () -> UInt8) -> (fixed: [UInt8], extra: [UInt8]) {
        let end = max(8, event.fields.map { $0.offset + $0.size }.max() ?? 8)
        var data = [UInt8](repeating: 0, count: min(end, 1024))
        var extra: [UInt8] = []
        func put(_ value: UInt64, _ offset: Int, _ size: Int) {
            guard offset + size <= data.count else { return }
            for index in 0..<size {
                data[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(8 * (bigEndian ? size - 1 - index : index)))
            }
        }
        put(UInt64(event.id), 0, 2)
        put(UInt64(UInt32(bitPattern: isExplicit ? Self.pid(byte()) : cpu.pid)), 4, 4)
        var lastPID = cpu.pid
        for field in event.fields {
            if field.name.hasSuffix("prio") || field.name == "__probe_ip" { continue }
            if field.isDynamic {
                let text = Array(Self.texts[Int(byte()) % Self.texts.count].utf8) + [0]
                put(UInt64(text.count) << 16 | UInt64(data.count + extra.count), field.offset, 4)
                extra += text
            } else if field.size == 0 {
                extra += Array(Self.texts[Int(byte()) % Self.texts.count].utf8) + [0]
            } else if field.isArray, field.isString || field.type.hasPrefix("char") {
                // next_comm stands before next_pid, prev_comm before prev_pid: known below.
                if isExplicit { store(name: Self.name(Int(byte())), field, &data) }
            } else if field.name == "prev_pid", !isExplicit {
                put(UInt64(UInt32(bitPattern: cpu.pid)), field.offset, field.size)
                if let comm = event.field("prev_comm") { store(name: Self.name(Int(cpu.pid)), comm, &data) }
            } else if [1, 2, 4, 8].contains(field.size) {
                let code = byte()
                let isPID = field.name.hasSuffix("pid")
                put(isPID ? UInt64(bitPattern: Int64(Self.pid(code))) : Self.value(code), field.offset, field.size)
                if isPID { lastPID = Self.pid(code) }
                if event.kind == .schedSwitch, field.name == "next_pid", !isExplicit, let comm = event.field("next_comm") {
                    store(name: Self.name(Int(lastPID)), comm, &data)
                }
            }
        }
        if event.kind == .schedSwitch { cpu.pid = lastPID }
        return (data, extra)
    }

    private func store(name: String, _ field: EventFormats.Field, _ data: inout [UInt8]) {
        for (index, value) in name.utf8.prefix(max(0, field.size - 1)).enumerated() where field.offset + index < data.count { data[field.offset + index] = value }
    }
}

// MARK: from a recording to a script

/// Writes the script of a recording's first records: a seed.
struct ScriptWriter {
    private let script: Script
    private let file: TraceFile
    private var pids: [Int32: UInt8] = [0: 0, 1: 1, 2: 2]
    private var addresses: [UInt64: UInt8] = [:]
    private var time: UInt64?
    private(set) var bytes: [UInt8] = []

    init(_ script: Script, _ file: TraceFile) {
        self.script = script
        self.file = file
    }

    mutating func add(_ record: Record, pid current: inout Int32) {
        guard let place = script.events.firstIndex(where: { $0.system == file.formats.event(of: record)?.system && $0.name == file.formats.event(of: record)?.name })
        else { return }
        let event = script.events[place]
        let delta = record.time &- (time ?? record.time)
        time = record.time
        let scale = UInt8(max(0, 60 - (delta | 1).leadingZeroBitCount - 1) & 31)
        let isExplicit = record.pid != current
        let context = record.flags & 0x08 != 0 ? 2 : record.flags & 0x10 != 0 ? 3 : record.flags & 1
        bytes += [UInt8(place << 2) | UInt8(record.cpu & 3), scale << 3 | (isExplicit ? 4 : 0) | context]
        if isExplicit { bytes.append(pid(record.pid, "")) }
        for field in event.fields {
            if field.name.hasSuffix("prio") || field.name == "__probe_ip" { continue }
            let value = file.formats.event(of: record)?.field(field.name).flatMap { FieldRef($0) }?.value(record.data, file.isBigEndian) ?? 0
            if field.isDynamic || field.size == 0 {
                bytes.append(2)
            } else if field.isArray, field.isString || field.type.hasPrefix("char") {
                if isExplicit { bytes.append(3) }
            } else if field.name == "prev_pid", !isExplicit {
                continue
            } else if [1, 2, 4, 8].contains(field.size) {
                let name = record.kind == .schedSwitch ? file.formats.schedSwitchComms(record).next.description : ""
                bytes.append(field.name.hasSuffix("pid") ? pid(Int32(truncatingIfNeeded: value), name) : code(value))
            }
        }
        if record.kind == .schedSwitch { current = record.nextPID }
    }

    private mutating func pid(_ pid: Int32, _ name: String) -> UInt8 {
        if let known = pids[pid] { return known }
        // A number whose name is of the same kind.
        let isKernel = name.contains("/") || name.hasPrefix("rcu") || name.hasPrefix("kswapd")
        let free = (3..<200).first { number in
            !pids.values.contains(UInt8(number)) && (Script.name(number).contains("/") || number % Script.names.count == 6 || number % Script.names.count == 8) == isKernel
        }
        let code = UInt8(free ?? 199)
        pids[pid] = code
        return code
    }

    private mutating func code(_ value: UInt64) -> UInt8 {
        if value < 64 { return UInt8(value) }
        if value.nonzeroBitCount == 1 { return UInt8(128 + value.trailingZeroBitCount) }
        if ~value < 32 { return UInt8(192 + ~value) }
        if let known = addresses[value] { return known }
        let code = UInt8(64 + addresses.count % 64)
        addresses[value] = code
        return code
    }
}
