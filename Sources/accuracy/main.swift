import Foundation
import LazyTLB
import Reconstruction
import Replay
import TraceData

// tools/accuracy FILE…: how near the inference comes to the probe events of the same recording.

func percent(_ right: Int, _ all: Int) -> String { all == 0 ? "-" : String(format: "%.3f", 100 * Double(right) / Double(all)) }

func difference(_ guess: Int, _ real: Int) -> String {
    real == 0 ? (guess == 0 ? "0" : "+\(guess)") : String(format: "%+.2f", 100 * Double(guess - real) / Double(real))
}

/// next_pid and time of every sched_switch, by CPU.
func switches(_ file: TraceFile, cpus: Int) throws -> (pids: [[Int32]], times: [[UInt64]]) {
    var pids = [[Int32]](repeating: [], count: cpus)
    var times = [[UInt64]](repeating: [], count: cpus)
    for stream in file.streams() {
        var record = Record.none
        while try stream.next(&record) {
            guard record.kind == .schedSwitch else { continue }
            pids[stream.cpu].append(record.nextPID)
            times[stream.cpu].append(record.time)
        }
    }
    return (pids, times)
}

let verbose = CommandLine.arguments.contains("--verbose")
debugTime = CommandLine.arguments.contains("--time")
let paths = CommandLine.arguments.dropFirst().filter { !$0.hasPrefix("--") }
print("file | evidence | switches % | unknown % | CPU time % | unknown % | kernel precision/recall % | flushes % | unknown % | neighbours % | IPI targets % | CR3 loads % | divergences")
print("--- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | ---")
for path in paths {
    do {
        let file = try TraceFile(path: path)
        let cpus = Reconstruction<History>.cpuCount(file)
        let (pids, times) = try switches(file, cpus: cpus)
        let truth = try Reconstruction(file, sink: History(cpus: cpus, switchTimes: times))
        guard truth.evidence.kind == .probes else {
            FileHandle.standardError.write(Data("\(path): no probe events, nothing to measure against\n".utf8))
            continue
        }
        for level in [EvidenceLevel.noProbes, .switchesOnly] {
            let inferred = try Reconstruction(file, sink: History(cpus: cpus, switchTimes: times), evidence: level)
            let result = Accuracy(true: truth.sink, inferred: inferred.sink, pids: pids)
            var real = truth.sink.replay, guess = inferred.sink.replay
            real.finish()
            guess.finish()
            let known = result.switches - result.unknownSwitches
            let knownFlushes = result.flushes - result.unknownFlushes
            let pairs = [(guess.v412.scheme.counters, real.v412.scheme.counters), (guess.v413.scheme.counters, real.v413.scheme.counters)]
            let kernel = percent(result.kernelPrecision.right, result.kernelPrecision.all) + "/" + percent(result.kernelRecall.right, result.kernelRecall.all)
            let targets = pairs.map { difference($0.ipiTargets, $1.ipiTargets) }.joined(separator: " ")
            let loads = pairs.map { difference($0.cr3Loads, $1.cr3Loads) }.joined(separator: " ")
            var divergences: [String] = []
            for kind in Divergence.Kind.allCases {
                let (g, r) = (guess.comparisons[0].count(kind), real.comparisons[0].count(kind))
                if g != 0 || r != 0 { divergences.append("\(kind.rawValue) \(g)/\(r)") }
            }
            var columns: [String] = [String(path.split(separator: "/").last ?? ""), level.rawValue]
            columns.append(percent(result.rightSwitches, known))
            columns.append(percent(result.unknownSwitches, result.switches))
            columns.append(percent(Int(result.rightTime), Int(result.time - result.unknownTime)))
            columns.append(percent(Int(result.unknownTime), Int(result.time)))
            columns.append(kernel)
            columns.append(percent(result.rightFlushes, knownFlushes))
            columns.append(percent(result.unknownFlushes, result.flushes))
            columns.append(percent(result.rightNeighbours, result.neighbours))
            columns += [targets, loads, divergences.joined(separator: " ")]
            print(columns.joined(separator: " | "))
            if verbose {
                for d in guess.v412.predicted.differences(guess.recorded).prefix(14) { print("    v4.12 cpu \(d.cpu) reason \(d.reason) pages \(d.pages): predicted \(d.mine) recorded \(d.others)") }
                for d in guess.v413.predicted.differences(guess.recorded).prefix(14) { print("    v4.13 cpu \(d.cpu) reason \(d.reason) pages \(d.pages): predicted \(d.mine) recorded \(d.others)") }
                for wrong in result.worst { print("    true \(truth.mms.name(wrong.true)) [\(wrong.true.index)] inferred \(inferred.mms.name(wrong.inferred)) [\(wrong.inferred.index)] \(wrong.count)") }
            }
        }
    } catch {
        FileHandle.standardError.write(Data("\(error)\n".utf8))
    }
}
