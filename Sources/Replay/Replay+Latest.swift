import LazyTLB

/// What each scheme did with the latest stimulus, if that was applied in full (``Replay/applyInFull(_:at:)``). Until the two old schemes part, what v4.12 did stands for both.
extension Replay {
    func effects(_ id: String) -> Effects {
        switch id {
        case V413Parent.id where haveParted: parent.effects.pointee
        case V412.id, V413Parent.id: v412.effects.pointee
        default: v413.effects.pointee
        }
    }

    func maskWord(_ id: String, _ mm: MM) -> UInt64 {
        switch id {
        case V413Parent.id where haveParted: parent.scheme.maskWord(mm, 0)
        case V412.id, V413Parent.id: v412.scheme.maskWord(mm, 0)
        default: v413.scheme.maskWord(mm, 0)
        }
    }

    /// The CPUs that have not handled an IPI of `cpu`, under any scheme.
    func outstanding(_ cpu: Int) -> [Int] {
        var found: [Int] = []
        for index in 0..<stride { forEachBit(pendingWord(cpu, index)) { found.append(index * 64 + $0) } }
        return found
    }

    /// There is one.
    @inline(never) func isOutstanding(_ cpu: Int) -> Bool { (0..<stride).contains { pendingWord(cpu, $0) != 0 } }

    /// The same as a word of a mask.
    func pendingWord(_ cpu: Int, _ index: Int) -> UInt64 {
        let word = v412.scheme.pendingWord(cpu, index) | v413.scheme.pendingWord(cpu, index)
        return haveParted ? word | parent.scheme.pendingWord(cpu, index) : word
    }

    /// The CPUs that the latest stimulus made `sender` interrupt.
    func targets(_ id: String, _ sender: Int) -> [Int] {
        var targets: [Int] = []
        for index in 0..<stride {
            let word =
                switch id {
                case V413Parent.id where haveParted: parent.targets(sender, index)
                case V412.id, V413Parent.id: v412.targets(sender, index)
                default: v413.targets(sender, index)
                }
            forEachBit(word) { targets.append(index * 64 + $0) }
        }
        return targets
    }
}
