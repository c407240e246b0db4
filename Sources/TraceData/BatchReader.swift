import Dispatch

/// Gives one CPU's records batch by batch; with a queue, the next batch is decoded (and unpacked) there while this one is used.
///
/// What it gives is the same with and without a queue: batches end at the same records.
///
/// - Complexity: memory for one batch, two with a queue.
public final class BatchReader {
    private let stream: CPUStream
    private let probes: Bool
    private let queue: DispatchQueue?
    private let order: MergeAhead?
    private let source: Int
    private let ready = DispatchSemaphore(value: 0)
    private var current: RecordBatch
    private var coming: RecordBatch
    /// ``coming`` is being filled.
    private var isFilling = false
    private let pool: BatchPool
    private let givesAway: Bool

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
        if isFilling { ready.wait() }
        if !givesAway { pool.give(current) }
        pool.give(coming)
    }

    /// Begins to read ahead, if there is a queue.
    public func start() { if queue != nil, !isFilling { fill() } }

    /// The next batch, which is valid until the next but one call, unless it is given away. Not to be called behind the last one.
    public func next() -> RecordBatch {
        if !isFilling { fill() }
        if queue != nil { ready.wait() }
        isFilling = false
        if givesAway { current = pool.take() }
        (current, coming) = (coming, current)
        return current
    }

    /// Reads ahead into the batch before the current one, whose records are no longer needed, or into another.
    public func readAhead() { if queue != nil, !current.isLast { fill() } }

    private func fill() {
        guard let queue else {
            stream.fill(coming, probes: probes)
            order?.take(coming, of: source)
            return
        }
        isFilling = true
        // A stream, and the batch that it fills, are one thread's at a time: the reader waits for `ready` before it touches either.
        nonisolated(unsafe) let stream = stream
        let batch = coming
        queue.async { [ready, probes, order, source] in
            stream.fill(batch, probes: probes)
            ready.signal()
            // From now on others read the batch as well; records of the batch before may come in front of it.
            order?.take(batch, of: source)
        }
    }
}
