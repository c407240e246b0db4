/// An address space, named by a small number that stands for one `struct mm_struct` of the recorded kernel.
///
/// Numbers are dense, so per-mm state lies in flat arrays. An mm that is freed and another that is later allocated at the same
/// address are two different values.
public struct MM: Hashable, Sendable {
    public var index: Int32

    @inlinable public init(_ index: Int32) { self.index = index }

    /// The kernel's own: no user mappings, page table swapper_pg_dir.
    @inlinable public static var initMM: MM { MM(0) }
    /// No mm at all: `task->mm` of a kernel thread or of a task that has run exit_mm().
    @inlinable public static var none: MM { MM(-1) }
    /// Some mm, but the trace does not tell which one.
    @inlinable public static var unknown: MM { MM(-2) }

    /// A user mm, or init_mm: something that CR3 can point to and that is known.
    @inlinable public var isKnown: Bool { index >= 0 }
    /// An mm with user mappings, known.
    @inlinable public var isUser: Bool { index > 0 }
}
