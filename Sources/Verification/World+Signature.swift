import LazyTLB

/// When two worlds are the same: then what may happen to one may happen to the other.
extension World {
    /// The state, but for the names of CPUs and mms, which nothing depends on: of all ways to name them the one that comes first.
    func signature(_ names: [Naming]) -> [UInt8] {
        var first: [UInt8] = []
        for naming in names {
            let bytes = signature(naming)
            if first.isEmpty || bytes.lexicographicallyPrecedes(first) { first = bytes }
        }
        return first
    }

    /// A way to name CPUs and mms.
    struct Naming {
        /// The CPU that comes at each place.
        let order: [Int]
        /// The place of each CPU.
        let places: [Int]
        /// The name of each mm, of init_mm (0) as well.
        let mms: [UInt8]
        /// The mms in the order of their names.
        let inOrder: [MM]

        /// All of them.
        static func all(cpus: Int, mms: Int) -> [Naming] {
            permutations(Array(0..<cpus)).flatMap { order in
                permutations(Array(1...mms)).map { names in
                    let places = order.indices.map { cpu in order.firstIndex(of: cpu)! }
                    let mms = [0] + names.map(UInt8.init)
                    return Naming(order: order, places: places, mms: mms, inOrder: mms.indices.sorted { mms[$0] < mms[$1] }.map { MM(Int32($0)) })
                }
            }
        }

        private static func permutations(_ items: [Int]) -> [[Int]] {
            if items.count < 2 { return [items] }
            return items.flatMap { first in permutations(items.filter { $0 != first }).map { [first] + $0 } }
        }

        func name(_ mm: MM) -> UInt8 { mm.isKnown ? mms[Int(mm.index)] : 255 }

        /// A word of CPUs.
        func word(_ word: UInt64) -> UInt8 { places.indices.reduce(0) { $0 | UInt8(word >> UInt64($1) & 1) << UInt8(places[$1]) } }
    }

    private func signature(_ naming: Naming) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(128)
        for cpu in naming.order {
            bytes += [naming.name(machine.mm[cpu]), naming.name(machine.activeMM[cpu])]
            add(phases[cpu], naming, to: &bytes)
            for scheme in World.schemes.indices {
                bytes += [
                    naming.name(loaded(scheme, cpu)), naming.name(booked(scheme, cpu)), state(scheme, cpu).rawValue, naming.word(pending(scheme, cpu)),
                    naming.word(stale[scheme][cpu]),
                ]
            }
        }
        for mm in naming.inOrder {
            for scheme in World.schemes.indices { bytes.append(naming.word(mask(scheme, mm))) }
        }
        return bytes
    }

    private func add(_ phase: Phase, _ naming: Naming, to bytes: inout [UInt8]) {
        func add(_ number: UInt8, _ flush: Flush) {
            bytes += [number, flush.isBatch ? 1 : 0, flush.mms.reduce(0) { $0 | 1 << naming.name($1) }] + flush.masks.map(naming.word)
        }
        switch phase {
        case .free: bytes.append(0)
        case .betweenHalves(let flush): add(1, flush)
        case .waiting(let flush): add(2, flush)
        case .goingDown: bytes.append(3)
        case .down: bytes.append(4)
        }
    }
}
