extension ReportDocument {
    /// tlb_flush records of flushes of so many pages, as recorded.
    public struct FlushSize: Codable, Equatable, Sendable {
        /// 4 KiB pages, from so many to so many. Without an end there is none; without a beginning it is everything that the TLB has of an mm, or at all (TLB_FLUSH_ALL).
        public var fromPages: Int?
        public var toPages: Int?
        /// TLB_REMOTE_SEND_IPI: the flush asks other CPUs, too.
        public var sends: Int
        /// TLB_LOCAL_MM_SHOOTDOWN and TLB_LOCAL_SHOOTDOWN: a CPU's own half.
        public var local: Int

        public init(fromPages: Int?, toPages: Int?, sends: Int, local: Int) {
            (self.fromPages, self.toPages, self.sends, self.local) = (fromPages, toPages, sends, local)
        }

        enum CodingKeys: String, CodingKey {
            case fromPages = "from_pages"
            case toPages = "to_pages"
            case sends, local
        }
    }
}
