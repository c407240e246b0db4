import LazyTLB

/// One thing that happens in a history that is made up.
public struct Step: Equatable, Sendable {
    public let stimulus: Stimulus
    /// The mms whose pages a batched flush unmaps, for ``Stimulus/batchLocal(cpu:)``.
    public let batch: [MM]

    init(_ stimulus: Stimulus, batch: [MM] = []) { (self.stimulus, self.batch) = (stimulus, batch) }

    /// In words, with mms called A, B, ….
    public var description: String {
        switch stimulus {
        case .contextSwitch(let cpu, .none): "CPU \(cpu): switch to a task without an mm"
        case .contextSwitch(let cpu, let mm): "CPU \(cpu): switch to a task of \(Self.name(mm))"
        case .exec(let cpu, let mm): "CPU \(cpu): exec, which gives the task \(Self.name(mm))"
        case .exitMM(let cpu): "CPU \(cpu): exit_mm()"
        case .useMM(let cpu, let mm): "CPU \(cpu): use_mm(\(Self.name(mm)))"
        case .idleLeave(let cpu): "CPU \(cpu): leave_mm() by the idle loop"
        case .flushRange(let cpu, let mm, _): "CPU \(cpu): flush_tlb_mm_range(\(Self.name(mm))) begins"
        case .flushPage(let cpu, let mm): "CPU \(cpu): flush_tlb_page(\(Self.name(mm))) begins"
        case .batchLocal(let cpu): "CPU \(cpu): try_to_unmap_flush() of pages of \(batch.map(Self.name).joined(separator: " and ")) begins"
        case .flushOthers(let cpu, _, _), .batchOthers(let cpu): "CPU \(cpu): flush_tlb_others()"
        case .deliver(let cpu, let sender): "CPU \(cpu): takes CPU \(sender)'s IPI"
        case .doFlushAll(let cpu): "CPU \(cpu): do_flush_tlb_all()"
        case .offline(let cpu): "CPU \(cpu): is marked offline"
        case .cpuDown(let cpu): "CPU \(cpu): idle_task_exit()"
        case .cpuUp(let cpu): "CPU \(cpu): comes up"
        case .unuseMM, .flushAll, .xenExitMmap, .settled, .forget, .observe: "\(stimulus)"
        }
    }

    /// A, B, …: no more than a few are explored.
    static func name(_ mm: MM) -> String { mm.isUser ? String(UnicodeScalar(UInt8(64 + mm.index))) : mm == .initMM ? "init_mm" : "none" }
}
