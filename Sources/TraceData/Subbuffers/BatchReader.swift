import Dispatch

/// Gives one CPU's records batch by batch; with a queue, the next batch is decoded (and unpacked) there while this one is used. Without one, another thread may do so that has
/// nothing else to do (``help()``).
///
/// What it gives is the same however it comes about: batches end at the same records.
///
/// - Complexity: memory for one batch, two if they are read ahead.
public final class BatchReader: @unchecked Sendable {
    private let stream: CPUStream
    private let probes: Bool
    private let queue: DispatchQueue?
    private let order: MergeAhead?
    private let source: Int
    private let pool: BatchPool
    private let givesAway: Bool
    private var current: RecordBatch
    /// Like the stream one thread's at a time: that of the one who has begun to fill it, until ``ready``.
    private var coming: RecordBatch
    private let ready = DispatchSemaphore(value: 0)
    /// How far ``coming`` is, and whose turn it is to touch that (see ``MergeAhead``).
    private var progress = Progress.idle
    private let turn = DispatchSemaphore(value: 1)

    private enum Progress {
        case idle
        /// It is being filled by another thread, or has been.
        case begun
        /// The stream is at its end.
        case over
    }

    /// - Parameters:
    ///   - pool: where batches come from, and go back to.
    ///   - probes: take probe events, too.
    ///   - queue: a serial queue; readers may share it.
    ///   - order: gets every batch, as that of source `source`.
    ///   - givesAway: each batch is valid as long as whoever gets it wants, who is to give it back to the pool then.
    public init(
        _ stream: CPUStream, from pool: BatchPool, probes: Bool, queue: DispatchQueue?, order: MergeAhead? = nil, source: Int = 0, givesAway: Bool = false
    ) {
        self.stream = stream
        self.givesAway = givesAway
        self.order = order
        self.source = source
        self.probes = probes
        self.queue = queue
        self.pool = pool
        coming = pool.take()
        current = givesAway ? coming : pool.take()
    }

    deinit {
        if progress == .begun { ready.wait() }
        if !givesAway { pool.give(current) }
        pool.give(coming)
    }

    /// Begins to read ahead, if there is a queue.
    public func start() { readAhead() }

    /// The next batch, which is valid until the next but one call, unless it is given away. Not to be called behind the last one.
    public func next() -> RecordBatch {
        if begin() { fill() } else { ready.wait() }
        if queue == nil { order?.take(coming, of: source) }
        if givesAway { current = pool.take() }
        (current, coming) = (coming, current)
        turn.wait()
        progress = current.isLast ? .over : .idle
        turn.signal()
        return current
    }

    /// Reads ahead into the batch before the current one, whose records are no longer needed, or into another, if there is a queue.
    public func readAhead() {
        guard let queue, begin() else { return }
        queue.async { [self] in
            fill()
            order?.take(coming, of: source)
            ready.signal()
        }
    }

    /// Reads ahead here and now what nobody else has begun to read. Any thread may ask for it, as long as batches are given away. What a queue reads is left to that: there
    /// batches get their place in the order.
    ///
    /// - Returns: false if there is nothing to be done.
    public func help() -> Bool {
        precondition(givesAway, "the batch before may still be read")
        guard queue == nil, begin() else { return false }
        // Its place in the order it gets where it is asked for: so nobody waits for another to find that.
        fill()
        ready.signal()
        return true
    }

    /// Whether the caller is the one to fill what comes.
    private func begin() -> Bool {
        turn.wait()
        defer { turn.signal() }
        guard progress == .idle else { return false }
        progress = .begun
        return true
    }

    private func fill() { stream.fill(coming, probes: probes) }
}
