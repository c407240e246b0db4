import LazyTLB
import Reconstruction
import Replay

/// Which colour of a ``TimelinePicture`` stands for what, and how much of the time it has.
struct PictureLegend {
    /// How something is drawn; in the order in which they lie on each other.
    struct Style: Hashable, Comparable {
        fileprivate var slot: Int
        fileprivate var state: Interval.State

        static func < (one: Style, other: Style) -> Bool {
            (one.slot, one.state == .lazy ? 1 : 0) < (other.slot, other.state == .lazy ? 1 : 0)
        }

        /// The class of the style sheet.
        var name: String {
            switch state {
            case .user: "u\(slot)"
            case .lazy: "l\(slot)"
            case .`init`: "i"
            case .unknown: "x"
            }
        }
    }

    struct Entry {
        /// The classes of what it is drawn with.
        var styles: [String]
        var text: String
    }

    /// Distinct for all kinds of sight, as far as ten colours can be (after Okabe and Ito, and Tol).
    private static let colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#882255", "#999933", "#44aa99", "#332288"]
    /// Those of single mms, and one for all others.
    static let slots = colours.count + 1
    static func colour(_ slot: Int) -> String { slot < colours.count ? colours[slot] : "#777777" }
    static let initMM = "#e3e3e3"
    static let stale = "#d4002a"

    private var slots: [MM: Int] = [:]
    private var names: [String] = []
    private(set) var entries: [Entry] = []
    /// Time in which the bookkeeping named another mm than the loaded one, all CPUs together.
    private(set) var stale: UInt64 = 0

    init(_ columns: TimelineColumns, _ mms: MMTable) {
        var times: [TimelineColumns.Kind: UInt64] = [:]
        var whole: UInt64 = 0
        for cpu in columns.cpus {
            guard let cpu else { continue }
            for part in cpu.parts {
                times[part.kind, default: 0] &+= part.time
                whole &+= part.time
            }
            stale = cpu.stale.reduce(stale, &+)
        }
        var byMM: [MM: (user: UInt64, lazy: UInt64)] = [:]
        for (kind, time) in times {
            if kind.state == .user { byMM[kind.mm, default: (0, 0)].user = time }
            if kind.state == .lazy { byMM[kind.mm, default: (0, 0)].lazy = time }
        }
        let ranked = byMM.sorted { one, other in
            let (first, second) = (one.value.user &+ one.value.lazy, other.value.user &+ other.value.lazy)
            return first == second ? one.key.index < other.key.index : first > second
        }
        func text(_ name: String, _ user: UInt64, _ lazy: UInt64) -> String { "\(name): \(percent(user, of: whole)), lazy \(percent(lazy, of: whole))" }
        for (slot, (mm, time)) in ranked.prefix(Self.colours.count).enumerated() {
            slots[mm] = slot
            names.append(printable(mms.name(mm)))
            entries.append(Entry(styles: ["u\(slot)", "l\(slot)"], text: text(names[slot], time.user, time.lazy)))
        }
        let others = ranked.dropFirst(Self.colours.count)
        if !others.isEmpty {
            let (user, lazy) = others.reduce(into: (0, 0) as (UInt64, UInt64)) { sum, other in sum = (sum.0 &+ other.value.user, sum.1 &+ other.value.lazy) }
            let slot = Self.colours.count
            entries.append(Entry(styles: ["u\(slot)", "l\(slot)"], text: text(count(others.count, "other mm"), user, lazy)))
        }
        for (state, style, name) in [(Interval.State.`init`, "i", "init_mm"), (.unknown, "x", "unknown")] {
            let time = times[TimelineColumns.Kind(.none, state), default: 0]
            if time > 0 { entries.append(Entry(styles: [style], text: "\(name): \(percent(time, of: whole))")) }
        }
        if stale > 0 { entries.append(Entry(styles: ["s"], text: "active_mm names another mm: \(percent(stale, of: whole))")) }
    }

    func style(_ kind: TimelineColumns.Kind) -> Style {
        let slot = switch kind.state {
        case .user, .lazy: slots[kind.mm] ?? Self.colours.count
        case .`init`: Self.slots
        case .unknown: Self.slots + 1
        }
        return Style(slot: slot, state: kind.state)
    }

    /// What it stands for, for people.
    func name(_ style: Style) -> String {
        switch style.state {
        case .user, .lazy: (style.slot < names.count ? names[style.slot] : "other mms") + (style.state == .lazy ? ", lazy" : "")
        case .`init`: "init_mm"
        case .unknown: "unknown"
        }
    }
}
