import Foundation
import TestSupport
import TraceSynth

@testable import TraceData
import TraceWriting

/// Writes small inputs of every target, made from recordings and from synthetic files.
func writeSeeds(to folder: String, fixtures: [String]) throws {
    func write(_ target: FuzzTarget, _ name: String, _ bytes: [UInt8]) throws {
        let place = URL(fileURLWithPath: folder).appendingPathComponent(target.rawValue)
        try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
        try Data(bytes).write(to: place.appendingPathComponent(name))
    }
    // Whole files of both versions.
    for version in TraceFileVersion.allCases {
        try withTemporaryPath { path in
            var options = SynthOptions()
            (options.events, options.cpus, options.tasks, options.version) = (40, 2, 3, version)
            _ = try synthesize(options, to: path)
            let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: path)))
            try write(.container, "synth-\(version.rawValue)", bytes)
            if version == .v7 { try write(.container, "synth-v7-plain", unpacked(bytes)) }
        }
    }
    for (number, head) in ReportTarget.heads.enumerated() {
        var small = head
        small.formats = Array(head.formats.prefix(5))
        small.pages = 1
        small.pageSize = 1024
        try write(.container, "head-\(number)", small.file().bytes)
        for (index, format) in head.formats.enumerated() where number < 3 {
            let system = ["sched", "tlb", "task", "ftrace", "kprobes"].firstIndex(of: format.system) ?? 5
            try write(.formats, "format-\(number)-\(index)", [0, UInt8(system)] + format.text)
        }
    }
    for (name, id, text) in [
        ("offset", 7, "-0x12345"), ("date", 1, "0x1234"), ("cpustat", 2, "CPU: 1\nentries: 5\noverrun: 3\ndropped events: 0\n"),
        ("clock", 4, "local [global] mono"), ("uname", 5, "Linux h 4.12.4 x86_64"), ("version", 9, "3.1.6"), ("count", 8, "\u{4}\0\0\0"),
    ] { try write(.formats, "option-\(name)", [2, UInt8(id)] + Array(text.utf8)) }
    try write(.formats, "cmdlines", [3, 0] + Array("1 init\n2 kthreadd\n4194304 a b\n".utf8))
    try writePerfSeeds { try write(.perf, $0, $1) }
    for seed in try ChecksTarget.seeds() { try write(.checks, seed.name, seed.bytes) }

    let forms = Recordings.package.appendingPathComponent("fixtures/forms")
    let text = try Data(contentsOf: forms.appendingPathComponent("trace.txt")).split(separator: 10).map { Array($0) + [10] }
    try write(.text, "kernel", Array(text.prefix(40).joined()))
    try write(.text, "later", Array((text.prefix(12) + text.dropFirst(700).prefix(40)).joined()))
    for (number, line) in textSeeds.enumerated() { try write(.text, "line-\(number)", Array("cpus=4\n\(line)\n\(line)\nCPU:1 [LOST 5 EVENTS]\n".utf8)) }

    for fixture in fixtures {
        let name = URL(fileURLWithPath: fixture).deletingPathExtension().lastPathComponent
        let file = try TraceFile(path: fixture)
        // Sub-buffers as they are.
        var pages = file.subbuffers(cpu: file.cpusWithData[0])
        for number in 0..<3 {
            guard let page = try pages.next() else { break }
            let which: UInt8 = name.contains("i386") ? 4 : name.contains("truth") ? 2 : 0
            try write(.subbuffers, "\(name)-\(number)", [which | 0x30, 0] + Array(page))
        }
        for (number, head) in ReportTarget.heads.enumerated() {
            let stage = ReportTarget.Stage(head)
            var writer = ScriptWriter(stage.script, file)
            var merge = RecordMerge(file)
            var record = Record.none
            var current: [Int32: Int32] = [:]
            var choice: UInt8 = 0
            // From a later place, too: the beginning of a recording is trace-cmd's own.
            for start in [0, 4000] {
                writer = ScriptWriter(stage.script, file)
                var taken = 0
                while try merge.next(&record) {
                    taken += 1
                    if taken < start { continue }
                    writer.add(record, pid: &current[record.cpu, default: -1])
                    if writer.bytes.count > 1500 { break }
                }
                for level: UInt8 in 0..<3 {
                    choice &+= 4
                    try write(.report, "\(name)-\(number)-\(start)-\(level)", [UInt8(number), level | choice] + writer.bytes)
                }
            }
        }
    }
}

/// The same version 7 file with nothing compressed: sections of their own unpacked content, and no data.
private func unpacked(_ bytes: [UInt8]) throws -> [UInt8] {
    let file = bytes.withUnsafeBytes { MappedFile(path: "seed", copying: $0) }
    let container = try Container(file, keepGoing: false)
    defer { withExtendedLifetime((file, container)) {} }
    var head = Head()
    head.formats = container.formats.map { ($0.system, Array($0.text)) }
    head.commandLines = Array("1 init\n".utf8)
    return head.version7()
}

/// Small files of perf, in both byte orders, of a pipe, with a round that is out of order and with what was lost.
private func writePerfSeeds(_ write: (String, [UInt8]) throws -> Void) throws {
    for bigEndian in [false, true] {
        var writer = PerfWriter(bigEndian: bigEndian, attributes: [PerfWriter.Attribute()])
        for (time, cpu) in [(30, 0), (40, 0), (10, 1), (20, 1)] as [(UInt64, UInt32)] { writer.flush(time: time, cpu: cpu) }
        writer.endRound()
        writer.lost(3, time: 50, cpu: 1)
        writer.flush(time: 60, cpu: 1)
        writer.add(3, writer.number(UInt32(7)) + writer.number(UInt32(7)) + Array("name".utf8) + [0, 0, 0, 0])
        try write("file-\(bigEndian)", writer.file)
        if !bigEndian { try write("pipe", writer.pipe) }
        writer.attributes = [PerfWriter.Attribute(ids: [1, 2]), PerfWriter.Attribute(type: 0, sampleType: [.identifier, .time, .cpu], ids: [3])]
        try write("ids-\(bigEndian)", writer.file)
        let packed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, UInt8(writer.records.count << 3 & 0xff | 1), UInt8(writer.records.count >> 5), 0] + writer.records
        writer.records = PerfWriter.record(81, packed, bigEndian: bigEndian)
        try write("packed-\(bigEndian)", writer.file)
    }
}
