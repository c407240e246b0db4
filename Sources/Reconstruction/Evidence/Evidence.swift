/// What a CPU has loaded, as a node whose mm it is: as far as a first pass can know, before nodes have mms.
enum LoadedNode: Equatable {
    case unknown
    case initMM
    case of(Int32)
}

/// How often two nodes were seen to share an mm, or not to.
struct Relation {
    /// A flush shows it: a LOCAL_MM_SHOOTDOWN by one while the other's mm is loaded, or an answer to the other's shootdown. Weighed
    /// against ``silent``: one for a flush that may be of another mm, four for one that may not.
    var strong: UInt32 = 0
    /// A switch to one, with the other's mm loaded, left CR3 alone: it has the same mm, or none.
    var silent: UInt32 = 0
    /// A switch to one, with the other's mm loaded, loaded CR3.
    var different: UInt32 = 0
}

/// A node that has the mm of one of two others.
struct Either: Hashable {
    var node: Int32
    var a: Int32
    var b: Int32
}
