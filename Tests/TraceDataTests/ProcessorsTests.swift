import CAffinity
import Dispatch
import Foundation
import Testing

@testable import TraceData

/// Where threads may run, and where they are started, beside what the kernel says of them.
@Suite struct ProcessorsTests {
    /// What /proc/PID/task/TID/status has of the calling thread, as 0-3,5.
    private static func allowedList() throws -> String {
        let status = try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
        return String(try #require(status.split(separator: "\n").first { $0.hasPrefix("Cpus_allowed_list:") }).split(separator: "\t")[1])
    }

    private static func count(_ list: String) -> Int {
        list.split(separator: ",").reduce(0) { sum, range in
            let ends = range.split(separator: "-").map { Int($0)! }
            return sum + ends[ends.count - 1] - ends[0] + 1
        }
    }

    /// On a thread of its own, which may run on one processor alone: on that of the lowest number. Whatever thread it starts, and whatever these start, may run there alone, too.
    private static func withOneProcessor<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) throws -> Result {
        nonisolated(unsafe) var result: Swift.Result<Result, any Error>?
        let thread = Thread {
            var mask = Processors.allowed()
            if let word = mask.firstIndex(where: { $0 != 0 }) {
                let lowest = mask[word] & (~mask[word] &+ 1)
                mask = mask.indices.map { $0 == word ? lowest : 0 }
            }
            let set = mask.withUnsafeBytes { affinity_set(0, UInt($0.count), $0.baseAddress!) }
            result = set == 0 ? .init { try body() } : .failure(CocoaError(.featureUnsupported))
        }
        thread.start()
        while !thread.isFinished { usleep(1000) }
        return try #require(result).get()
    }

    @Test func allThatTheThreadMayRunOnAreCounted() throws {
        #expect(try Processors.count == Self.count(Self.allowedList()))
        let (one, list) = try Self.withOneProcessor { (Processors.count, try Self.allowedList()) }
        #expect(one == 1)
        #expect(Self.count(list) == 1)
    }

    @Test func oneIsTakenAway() {
        #expect(Processors.without(1, [0b111]) == [0b101])
        #expect(Processors.without(64, [1, 0b11]) == [1, 0b10])
        #expect(Processors.without(5, [0b111]) == [0b111])
        for unknown in [-1, 128] { #expect(Processors.without(unknown, [7, 7]) == [7, 7]) }
    }

    @Test func listsAreReadAsTheKernelWritesThem() {
        func bits(_ list: String) -> [Int] { Processors.mask(Array(list.utf8)).enumerated().flatMap { word in (0..<64).filter { word.element >> UInt64($0) & 1 == 1 }.map { word.offset * 64 + $0 } } }
        #expect(bits("0-1\n") == [0, 1])
        #expect(bits("3,62-65,8191\n") == [3, 62, 63, 64, 65, 8191])
        for nothing in ["", "\n", "9-2", "8192", "a", "-"] { #expect(bits(nothing) == []) }
    }

    /// They are put somewhere, and not kept there.
    @Test func startedThreadsMayRunWhereTheirStarterMay() throws {
        // More than wait for work from tests before: so there are new ones among them.
        let count = 24
        nonisolated(unsafe) var lists = [String?](repeating: nil, count: count)
        let (turn, isThere, goOn) = (DispatchSemaphore(value: 1), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        for index in 0..<count {
            Processors.startElsewhere(DispatchQueue(label: "test.started.\(index)")) {
                isThere.signal()
                goOn.wait()
                let list = try? Self.allowedList()
                turn.wait()
                lists[index] = list
                turn.signal()
                isThere.signal()
            }
        }
        for _ in 0..<count { isThere.wait() }
        for _ in 0..<count { goOn.signal() }
        for _ in 0..<count { isThere.wait() }
        let own = try Self.allowedList()
        #expect(lists == Array(repeating: own, count: count))
    }
}
