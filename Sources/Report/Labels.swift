import Tables

/// Short texts that are written again and again, as bytes. A reference: a copy of the table would lead to where it was before it grew.
final class Labels {
    private var bytes = FlatList<UInt8>()

    /// One of them: where it lies, and the columns of a terminal that it takes.
    struct Label: BitwiseCopyable {
        fileprivate var start: Int32
        /// Bytes.
        fileprivate(set) var count: Int32
        fileprivate(set) var columns: Int32
    }

    func add(_ text: String) -> Label {
        let start = Int32(bytes.count)
        for byte in text.utf8 { bytes.append(byte) }
        let label = Label(start: start, count: Int32(bytes.count) - start, columns: Int32(displayWidth(text)))
        // As many as a writer reads at once.
        for _ in 0..<ByteWriter.atOnce { bytes.append(0) }
        return label
    }

    @inline(__always)
    func write(_ label: Label, to writer: ByteWriter) { write(label, without: 0, to: writer) }

    /// Leaves out so many bytes at its beginning.
    @inline(__always)
    func write(_ label: Label, without count: Int, to writer: ByteWriter) { writer.bytes(bytes.base + Int(label.start) + count, Int(label.count) - count) }
}
