import Foundation
import TestSupport
import Testing

/// `lazytlb events` against `trace-cmd report -R -t`: the same records in the same order, with the same time, CPU, pid and fields.
@Suite(.enabled(if: Program.hasTraceCmd, "needs trace-cmd"))
struct TraceCmdTests {
    /// Brings both to one form, then compares. $1 lazytlb, $2 file, $3 buffer ("" for the top one).
    ///
    /// What differs on purpose: names of tasks (trace-cmd takes those that the file saved at its end), numbers in hexadecimal without
    /// 0x, times of the clock `boot` (trace-cmd shows it as a bare number), the print event's ip as a symbol, kernel_stack's callers
    /// (shown by trace-cmd as 0x0), zeros before a number, and of 32-bit kernels prev_state in hexadecimal and pages (4294967295 where v4.12 itself prints -1).
    static let script = #"""
        set -e
        dir=$(mktemp -d)
        trap 'rm -rf "$dir"' EXIT
        both='s/^.*-(-?[0-9]+) +\[([0-9]+)\] *([0-9]+)\.?([0-9]*): ([^ ]+): +/\1 [\2] \3\4: \5: /
            s/: print: ip=[^ ]+ /: print: /
            s/(: kernel_stack: size=[0-9]+) .*/\1/'
        theirs='s/ (__probe_ip|clone_flags)=([0-9a-f]+)/ \1=0x\2/g
            s/ target_cpu=0+([0-9])/ target_cpu=\1/
            s/ pages=4294967295$/ pages=-1/'
        LC_ALL=C; export LC_ALL
        if [ -n "$3" ]; then keep="s/^$3: *//;t;d"; else keep='/^[A-Za-z0-9_]+: /d'; fi
        "$1" events --buffer "$3" "$2" | sed -E "$both" >"$dir/ours"
        trace-cmd report -R -t "$2" 2>"$dir/log" | sed '/^cpus=/d' | sed -E "$keep" | sed -E -e "$both" -e "$theirs" >"$dir/theirs"
        grep -o ' prev_state=0x[0-9a-f]* ' "$dir/theirs" | sort -u | while read -r state; do
            echo "s/ $state / prev_state=$((${state#prev_state=})) /"
        done >"$dir/states"
        if [ -s "$dir/states" ]; then sed -i -f "$dir/states" "$dir/theirs"; fi
        test -s "$dir/theirs"
        wc -l <"$dir/ours"
        cmp "$dir/ours" "$dir/theirs" || { diff "$dir/ours" "$dir/theirs" | head -6; exit 1; }
        """#

    static func expectSame(_ path: String, buffer: String = "") throws {
        let result = try Program.run("/bin/sh", "-c", script, "compare", Program.lazytlb, path, buffer)
        #expect(result.status == 0, "\(path): \(result.text)\(result.errors)")
    }

    @Test(arguments: Recordings.chosen.filter { !$0.hasSuffix("rec-onlyinst.dat") })
    func theTopBufferIsTheSame(path: String) throws { try Self.expectSame(path) }

    static let instances = [("v4.12-threads-4cpu-plain-rec-twobuf.dat", "tlbbuf"), ("v4.12-threads-4cpu-plain-rec-onlyinst.dat", "lab")]
        .filter { Recordings.shared($0.0) != nil }

    @Test(arguments: instances)
    func anInstanceIsTheSame(name: String, buffer: String) throws {
        try Self.expectSame(try #require(Recordings.shared(name)), buffer: buffer)
    }

    static let conversions = [
        ["--file-version", "6"], ["--file-version", "7", "--compression", "none"], ["--file-version", "7", "--compression", "zstd"],
    ]

    @Test(arguments: conversions, ["v4.12-threads-4cpu-plain.dat", "v4.12i386-threads-4cpu-truth.dat"])
    func aConversionIsTheSame(options: [String], name: String) throws {
        try withConversion(Recordings.fixture(name), options) { try Self.expectSame($0) }
    }

    @Test(.enabled(if: !instances.isEmpty, "needs the larger set of recordings"))
    func instancesOfVersion6AreTheSame() throws {
        let path = try #require(Recordings.shared("v4.12-threads-4cpu-plain-rec-twobuf.dat"))
        try withConversion(path, ["--file-version", "6"]) { converted in
            try Self.expectSame(converted)
            try Self.expectSame(converted, buffer: "tlbbuf")
        }
    }

    @Test func optionsThatChangeTimesAreAppliedAsTraceCmdDoes() throws {
        // TSC2NSEC, TIME_SHIFT, DATE and OFFSET take the places of the four CPUSTAT options, which nobody needs here.
        func le<T: FixedWidthInteger>(_ value: T) -> Data { withUnsafeBytes(of: value.littleEndian) { Data($0) } }
        // For each of two CPUs two samples, interpolated, the fractions last; the other CPUs have none.
        var shift = le(UInt64(0)) + le(UInt32(1)) + le(UInt32(2))
        for cpu in 0..<2 {
            shift += le(UInt32(1 + cpu))
            for sample in 0...cpu { shift += le(UInt64(1_000_000_000 + 1_000_000_000 * sample)) }
            for sample in 0...cpu { shift += le(Int64(-500 + 1000 * sample)) }
            for sample in 0...cpu { shift += le(UInt64(3 + sample)) }
        }
        for _ in 0..<3 { shift += le(UInt64(1)) }
        let replacements: [(UInt16, Data)] = [
            (1, Data("0x12345".utf8)), (7, Data("-777777".utf8)), (14, le(UInt32(1_500_000_000)) + le(UInt32(30)) + le(UInt64(0))),
            (12, shift),
        ]
        for count in 1...replacements.count {
            try withConversion(Recordings.fixture("v4.12-threads-4cpu-plain.dat"), ["--file-version", "6"]) { path in
                var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                for (id, content) in replacements.prefix(count) {
                    let text = try #require(bytes.range(of: Data("CPU: ".utf8)))
                    let header = text.lowerBound - 6
                    let size = Int(bytes[header + 2]) | Int(bytes[header + 3]) << 8
                    #expect(bytes[header] == 2 && size < 200 && content.count <= size, "not a CPUSTAT option")
                    // An option of this size cannot be made smaller: the rest becomes one that nobody knows.
                    let rest = size - content.count - 6
                    let option = le(id) + le(UInt32(content.count)) + content
                    let filler = le(UInt16(99)) + le(UInt32(rest)) + Data(count: rest)
                    bytes.replaceSubrange(header..<header + 6 + size, with: option + filler)
                }
                try bytes.write(to: URL(fileURLWithPath: path))
                try Self.expectSame(path)
                let info = try Program.lazytlb("info", path)
                #expect(info.text.contains("unknown (99, skipped)"))
            }
        }
    }

    private func withConversion(_ path: String, _ options: [String], _ body: (String) throws -> Void) throws {
        try withTemporaryFile(Data()) { converted in
            let command = "trace-cmd convert -i \"$0\" -o \"$1\" \(options.joined(separator: " ")) >/dev/null 2>&1"
            #expect(try Program.run("/bin/sh", "-c", command, path, converted).status == 0)
            try body(converted)
        }
    }
}
