import LazyTLB
import TraceWriting

/// Flags of clone(), include/uapi/linux/sched.h.
private enum CloneFlags {
    /// fork() of glibc: CLONE_CHILD_SETTID, CLONE_CHILD_CLEARTID, SIGCHLD.
    static let fork: UInt64 = 0x120_0011
    /// vfork(): CLONE_VFORK, CLONE_VM, SIGCHLD.
    static let vfork: UInt64 = 0x4111
    /// pthread_create(): CLONE_VM, CLONE_THREAD and what goes with them.
    static let thread: UInt64 = 0x3d_0f00
}

extension SynthMachine {
    private static let programs = ["cc1", "make", "sh", "ld", "as", "bash", "awk", "sort", "python3", "java", "postgres", "nginx"].map { TaskName($0) }

    /// The current task forks, execs or exits.
    func liveOn(_ cpu: Int, isShort: Bool) throws(WritingError) {
        let task = current[cpu]
        if isShort || task == initTask { return try multiply(cpu) }
        let isAlone = tasks.process(of: task).threads == 1
        let mayMultiply = tasks.alive < options.tasks + 8
        switch random.below(8) {
        case 0..<3: if isAlone || tasks.process(of: task).leader != task { try exit(cpu) }
        case 3..<5: if isAlone { try exec(cpu) }
        case 5..<7: if mayMultiply { try multiply(cpu) }
        default: if mayMultiply, options.mix.threads != nil, lacksProcesses || !options.mix.keepsProcesses { try vfork(cpu) }
        }
    }

    /// Starts a thread, if the process is to have more of them, else a process, if there are not enough, else a thread again, but seldom: large processes would have ever more.
    private func multiply(_ cpu: Int) throws(WritingError) {
        let task = current[cpu]
        let process = tasks.process(of: task)
        let mayThread = task != initTask && options.mix.threads != 1
        if mayThread, process.threads < process.wanted { return try startThread(cpu) }
        if lacksProcesses { return try fork(cpu) }
        if mayThread, !options.mix.keepsProcesses || random.oneIn(4) { try startThread(cpu) } else { try schedule(cpu) }
    }

    /// There are fewer processes than so many tasks are to have.
    private var lacksProcesses: Bool { tasks.processCount <= options.tasks / (options.mix.threads ?? options.tasks) }

    /// Of a new process.
    private func wantedThreads() -> Int {
        guard let threads = options.mix.threads else { return .max }
        return 1 + random.below(2 * threads - 1)
    }

    /// fork(): dup_mmap() ends with a flush of the parent's mm, whose pages are write-protected now.
    private func fork(_ cpu: Int) throws(WritingError) {
        let parent = current[cpu]
        try flush(cpu, tasks[parent].mm, Stimulus.flushAll)
        let child = tasks.add(tasks[parent].name, mm: newMM(), process: nil, wanted: wantedThreads())
        try announce(cpu, child, CloneFlags.fork)
    }

    private func startThread(_ cpu: Int) throws(WritingError) {
        let parent = current[cpu]
        try announce(cpu, tasks.add(tasks[parent].name, mm: tasks[parent].mm, process: tasks[parent].process), CloneFlags.thread)
    }

    /// The parent sleeps until the child execs or exits.
    private func vfork(_ cpu: Int) throws(WritingError) {
        let parent = current[cpu]
        let child = tasks.add(tasks[parent].name, mm: tasks[parent].mm, process: nil, wanted: wantedThreads())
        tasks[child].waitingParent = parent
        try announce(cpu, child, CloneFlags.vfork)
        tick()
        dequeue(parent)
        try schedule(cpu, blocks: true)
    }

    /// task_newtask at the end of copy_process(), sched_process_fork in _do_fork() (kernel/fork.c).
    private func announce(_ cpu: Int, _ child: Int, _ flags: UInt64) throws(WritingError) {
        tick()
        let name = tasks[child].name
        try trace.newTask(origin(cpu), pid: tasks[child].pid, name, cloneFlags: flags)
        tick(200)
        try trace.fork(origin(cpu), tasks[current[cpu]].name, child: tasks[child].pid, name)
        enqueue(child, random.below(options.cpus))
    }

    /// exec_mmap(), and the end of the old mm if nobody else has it; then the new name, sched_process_exec.
    private func exec(_ cpu: Int) throws(WritingError) {
        let task = current[cpu]
        let old = tasks[task].mm
        let isLast = tasks.users(of: old) == 1
        if isLast { try awaitSenders(cpu) { self.mask(old) } }
        let new = newMM()
        _ = tasks.change(task, to: new)
        try apply(.exec(cpu: cpu, mm: new))
        release(task)
        if isLast { try end(cpu, old) }
        tick()
        let name = Self.programs[random.below(Self.programs.count)]
        try trace.rename(origin(cpu), from: tasks[task].name, to: name)
        tasks[task].name = name
        tick()
        try trace.exec(origin(cpu), name)
    }

    /// exit_mm(), and the end of the mm if nobody else has it; then sched_process_exit (do_exit(), kernel/exit.c).
    private func exit(_ cpu: Int) throws(WritingError) {
        let task = current[cpu]
        let mm = tasks[task].mm
        let isLast = tasks.users(of: mm) == 1
        if isLast { try awaitSenders(cpu) { self.mask(mm) } }
        _ = tasks.change(task, to: .none)
        try apply(.exitMM(cpu: cpu))
        release(task)
        if isLast { try end(cpu, mm) }
        tick()
        try trace.exit(origin(cpu), tasks[task].name)
        tasks.die(task)
        dequeue(task)
    }

    /// exit_mmap() ends with a flush of everything (tlb_finish_mmu(), mm/memory.c).
    private func end(_ cpu: Int, _ mm: MM) throws(WritingError) {
        tick()
        try flushAlone(cpu, mm, Stimulus.flushAll)
        tasks.end(mm)
    }

    /// Wakes the parent that vfork() has put to sleep.
    private func release(_ task: Int) {
        let parent = tasks[task].waitingParent
        guard parent >= 0 else { return }
        tasks[task].waitingParent = -1
        enqueue(parent, random.below(options.cpus))
    }

    private func newMM() -> MM {
        tasks.newMM { mm in
            for kernel in [v412, parent, v413] where kernel.cpu.contains(where: { $0.tlb == mm || $0.cr3 == mm || $0.taskActive == mm }) { return true }
            return false
        }
    }
}
