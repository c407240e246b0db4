import Dispatch
import Tables

/// The threads that work beside the caller's.
public struct Workers: Sendable {
    /// One for each, in each of which one thing is done after the other.
    public let queues: [DispatchQueue]
    /// Those for what goes on beside the last one.
    public let besideLast: [DispatchQueue]
    /// Memory for what they hand to each other, of which the last one fetches the first piece when it starts.
    public let slab = Slab()

    /// - Parameters:
    ///   - jobs: threads that may work at the same time, the caller's among them.
    ///   - shareLast: with two jobs what the last one does and what goes on beside it are done in turns. That is quicker where both together take about as long as what the
    ///     caller does. If not they are a thread each, three for two processors, so that none of these is idle.
    public init(jobs: Int, shareLast: Bool = false) {
        let queues = (1..<max(1, jobs)).map { DispatchQueue(label: "lazytlb.worker.\($0)") }
        self.queues = queues
        // It always has something to do, and soon.
        if let last = queues.last { Processors.startElsewhere(last) { [slab] in slab.prepare() } }
        besideLast = queues.count > 1 ? queues.dropLast() : shareLast || queues.isEmpty ? queues : [DispatchQueue(label: "lazytlb.worker.0")]
    }

    /// Those for what goes on before anything else, if the last one has enough to do with what comes behind.
    public var ahead: [DispatchQueue] { besideLast.filter { $0 !== last } }

    /// The thread for what cannot be divided; nil if the caller is alone.
    public var last: DispatchQueue? { queues.last }
}
