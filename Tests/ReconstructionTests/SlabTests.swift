import Tables
import Testing

struct SlabTests {
    @Test func `pieces do not overlap, begin at pairs of cache lines, and go on in another page`() throws {
        let slab = Slab()
        let sizes = [1, 7, 128, 129, 60_928, Slab.most]
        var pieces: [UnsafeMutableBufferPointer<UInt8>] = []
        // More than two pages of 2 MiB.
        for _ in 0..<20 {
            for size in sizes {
                let piece = UnsafeMutableBufferPointer(start: try #require(slab.take(size, of: UInt8.self)), count: size)
                #expect(UInt(bitPattern: piece.baseAddress) % 128 == 0)
                piece.initialize(repeating: UInt8(pieces.count))
                pieces.append(piece)
            }
        }
        withExtendedLifetime(slab) {
            for (index, piece) in pieces.enumerated() { #expect(piece.allSatisfy { $0 == UInt8(index) }) }
        }
    }

    @Test func `what is too large has memory of its own`() {
        let slab = Slab()
        #expect(slab.take(Slab.most + 1, of: UInt8.self) == nil)
        var list = FlatList<UInt8>(capacity: Slab.most + 1, in: slab)
        let place = list.base
        list.extend(with: 7, to: Slab.most + 1)
        #expect(list.base == place)
        #expect(list.allSatisfy { $0 == 7 })
    }

    @Test func `a list keeps its slab, and leaves it when it needs more room`() {
        var list = FlatList<Int>(capacity: 100, in: Slab())
        #expect(list.count == 0)
        let place = list.base
        for number in 0..<100 { list.append(number) }
        #expect(list.base == place)
        // What is freed here would be given to these.
        var others = (0..<4).map { _ in FlatList<Int>(capacity: 100, in: Slab()) }
        for index in others.indices { others[index].extend(with: -1, to: 100) }
        #expect(list.elementsEqual(0..<100))
        list.append(100)
        #expect(list.base != place)
        for number in 101..<1000 { list.append(number) }
        #expect(list.elementsEqual(0..<1000))
        list.removeAll()
        list.append(1)
        #expect(list.elementsEqual([1]))
    }
}
