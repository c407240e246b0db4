import CTraceEvent
import Foundation
import TestSupport
import Testing

@testable import TraceData

/// libtraceevent's own walk of a sub-buffer, as the oracle for ours. See Subbuffer.swift for why it is not the one that is used.
@Suite struct KbufferTests {
    @Test(arguments: Recordings.chosen)
    func everyRecordIsWhereKbufferSeesIt(path: String) throws {
        let names = try TraceFile(path: path).buffers.map(\.name)
        var pages = 0
        var records = 0
        for name in names {
            let file = try TraceFile(path: path, options: .init(buffer: name))
            let kbuffer = kbuffer_alloc(
                file.longSize == 8 ? KBUFFER_LSIZE_8 : KBUFFER_LSIZE_4,
                file.isBigEndian ? KBUFFER_ENDIAN_BIG : KBUFFER_ENDIAN_LITTLE)
            defer { kbuffer_free(kbuffer) }
            for cpu in file.cpusWithData {
                var source = file.subbuffers(cpu: cpu)
                while let page = try source.next() {
                    pages += 1
                    var walker = try SubbufferWalker(page, shape: source.shape)
                    kbuffer_load_subbuffer(kbuffer, UnsafeMutableRawPointer(mutating: page.baseAddress!))
                    var time: UInt64 = 0
                    var expected = kbuffer_read_event(kbuffer, &time)
                    while try walker.advance() {
                        records += 1
                        let same =
                            expected == UnsafeMutableRawPointer(mutating: walker.data) && time == walker.time
                            && kbuffer_event_size(kbuffer) == Int32(walker.dataSize)
                        guard same else {
                            Issue.record("CPU \(cpu) of \"\(name)\", page \(pages), byte \(walker.dataOffset): not where kbuffer has it")
                            return
                        }
                        expected = kbuffer_next_event(kbuffer, &time)
                    }
                    #expect(expected == nil, "kbuffer sees more records in page \(pages)")
                }
            }
        }
        #expect(records > 0)
    }
}
