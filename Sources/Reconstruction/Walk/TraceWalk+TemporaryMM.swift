import TraceData

/// Visits to a temporary mm, with interrupts off: kernel text is patched through one (arch/x86/kernel/alternative.c, __text_poke(), v5.2), EFI services have one
/// (arch/x86/platform/efi/efi_64.c, efi_switch_mm(), v4.17).
extension TraceWalk {
    /// The TASK_SWITCH record `distance` records behind the head is that of a switch to a temporary mm, which comes with one back at once.
    ///
    /// - Returns: how many such records there are: an even number, since several texts are often patched in a row. 0 if it is something else.
    func pokes(_ source: Lookahead, behind distance: Int = 0) -> Int32 {
        guard rules.usesTemporaryMM else { return 0 }
        let pid = source.head.pid
        var count = 0
        var last = source.head.time
        var isQuick = true
        while let next = source.peek(distance + count), next.isLoad, next.pid == pid {
            isQuick = isQuick && next.time &- last <= Self.longestPoke
            (last, count) = (next.time, count + 1)
            if count == Lookahead.depth { break }
        }
        // Without the life cycle's records an exec and an exit may lie side by side, some time apart.
        return count % 2 == 0 && (usesLifeCycle || isQuick || count > 2) ? Int32(count) : 0
    }

    /// ns, with much room for an emulated CPU.
    private static let longestPoke: UInt64 = 200_000

    /// The TASK_SWITCH record `distance` records behind the task's SEND_IPI of everything may be of the mm's end: it is lazy by then, and leaves the mm with its own half. So
    /// does an exec, whose new mm is loaded then, and a visit to a temporary one.
    mutating func mayTearDown(_ source: Lookahead, behind distance: Int) -> Bool { pokes(source, behind: distance) == 0 && ending(source, behind: 0) != .exec }

    enum Ending { case exec, exit }

    /// An odd number of CR3 loads by a task with an mm are visits, and an exec or the end of its mm besides: what the life cycle's records behind them tell, or those before.
    func ending(_ source: Lookahead, behind loads: Int) -> Ending? {
        guard usesLifeCycle else { return nil }
        let (pid, node) = (source.head.pid, cpus[source.cpu].node)
        if node >= 0, tasks[node].isExiting { return .exit }
        var distance = loads + 1
        while let next = source.peek(distance), next.kind != .lost, next.kind != .schedSwitch {
            switch next.kind {
            case .rename, .exec: if source.peekDetails(distance).pid == pid { return .exec }
            case .exit: if source.peekDetails(distance).pid == pid { return .exit }
            default: break
            }
            distance += 1
        }
        return nil
    }
}
