import LazyTLB
import Replay

extension ReportBuilder {
    /// The first pages of each row: twice as many as before, up to what a kernel flushes page by page (tlb_single_page_flush_ceiling, arch/x86/mm/tlb.c: 33).
    private static let leastPages: [Int64] = [0, 1, 2, 3, 5, 9, 17, 34]

    /// How large the recorded flushes are: the rows that have any.
    func flushSizes() -> [ReportDocument.FlushSize] {
        let (sends, mm, batch) = (bySize(.remoteSendIPI), bySize(.localMMShootdown), bySize(.localShootdown))
        var rows = Self.leastPages.indices.map { index in
            let next = index + 1 < Self.leastPages.count ? Int(Self.leastPages[index + 1]) - 1 : nil
            return ReportDocument.FlushSize(fromPages: Int(Self.leastPages[index]), toPages: next, sends: sends[index], local: mm[index] + batch[index])
        }
        rows.append(.init(fromPages: nil, toPages: nil, sends: sends.last!, local: mm.last! + batch.last!))
        return rows.filter { $0.sends > 0 || $0.local > 0 }
    }

    /// Records of a reason by row; those of everything are the last.
    private func bySize(_ reason: FlushReason) -> [Int] {
        var counts = [Int](repeating: 0, count: Self.leastPages.count + 1)
        replay.recorded.forEachSize(of: Int32(reason.rawValue)) { pages, count in
            if pages == Stimulus.flushAll {
                counts[Self.leastPages.count] += count
            } else if let row = Self.leastPages.lastIndex(where: { $0 <= pages }) {
                counts[row] += count
            }
        }
        return counts
    }
}
