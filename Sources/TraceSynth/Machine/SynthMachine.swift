import LazyTLB
import TraceWriting

/// A machine with a v4.13 kernel, at random, and the records that this kernel writes; beside it the two older kernels on the same history.
///
/// Nothing here is like the replay of a trace: tasks and their mms are known, the kernels are ``NaiveKernel``. One CPU acts at a time, and
/// all IPIs of a flush are handled before anything else happens. So the records tell the whole history, and a report without probe
/// events must give exactly what the kernels counted. What a recording cannot tell is left out: batched flushes by kernel threads (whether
/// v4.12 stays in the mask), and two flushes of one mm that are under way at the same time.
///
/// At the start each CPU goes offline and comes back, so that what it has loaded is known from then on.
final class SynthMachine {
    let options: SynthOptions
    let trace: SynthTrace
    var random: SplitMix64
    var v412: NaiveKernel
    var parent: NaiveKernel
    var v413: NaiveKernel
    var tasks = TaskTable()
    /// ns
    var clock: UInt64 = 1_000_000_000
    var current: [Int]
    /// By CPU: the user tasks that run there, the current one among them.
    var queues: [[Int]]
    /// By CPU: the kernel threads that a switch may choose.
    var kernelThreads: [[Int]] = []
    /// By CPU: its flush that nothing of it has been recorded behind yet.
    var open: [OpenFlush?]
    var openCPUs = CPUSet()
    /// sched_switch and tlb_flush records so far.
    var switches = 0
    var flushes = 0
    let initTask: Int
    let ksm: Int

    struct OpenFlush {
        var mm: MM
        var targets: CPUSet
    }

    init(_ options: SynthOptions, _ trace: SynthTrace) {
        self.options = options
        self.trace = trace
        let cpus = options.cpus
        random = SplitMix64(seed: options.seed)
        v412 = NaiveKernel(.v412, cpus: cpus)
        parent = NaiveKernel(.parent, cpus: cpus)
        v413 = NaiveKernel(.v413, cpus: cpus)
        current = Array(0..<cpus)
        queues = Array(repeating: [], count: cpus)
        open = Array(repeating: nil, count: cpus)
        for cpu in 0..<cpus { _ = tasks.addKernel("swapper/\(cpu)", isIdle: true) }
        let mm = tasks.newMM { _ in false }
        initTask = tasks.add(TaskName("init"), mm: mm, process: nil)
        _ = tasks.addKernel("kthreadd")
        ksm = tasks.addKernel("ksmd")
        for cpu in 0..<cpus {
            // The first two only bring the CPU down and up.
            kernelThreads.append(["migration/\(cpu)", "cpuhp/\(cpu)", "kworker/\(cpu):1", "ksoftirqd/\(cpu)"].map { tasks.addKernel($0) })
        }
        enqueue(initTask, 0)
    }

    func run() throws(WritingError) {
        for cpu in 0..<options.cpus { try bringUp(cpu) }
        kernelThreads[options.cpus - 1].append(ksm)
        var hasBeenSilent = false
        while trace.records < options.events {
            // Long silences, which need a TIME_EXTEND record: one in any case.
            if random.oneIn(100_000) || !hasBeenSilent && trace.records > options.events / 2 {
                clock += 200_000_000 + UInt64(random.below(400_000_000))
                hasBeenSilent = true
            }
            try act(random.below(options.cpus))
        }
        var names: [(Int32, TaskName)] = []
        for task in tasks.tasks where task.kind != .idle && !task.isDead { names.append((task.pid, task.name)) }
        try trace.finish(commandLines: names)
    }

    /// Time goes by.
    func tick(_ most: Int = 400) { clock += UInt64(20 + random.below(most)) }

    // MARK: records

    func origin(_ cpu: Int, inIRQ: Bool = false) -> SynthTrace.Origin {
        if !inIRQ, open[cpu] != nil {
            open[cpu] = nil
            openCPUs.remove(cpu)
        }
        return SynthTrace.Origin(cpu: cpu, time: clock, pid: tasks[current[cpu]].pid, inIRQ: inIRQ)
    }

    /// Lets all kernels do it, and records what this one, v4.13, does.
    func apply(_ stimulus: Stimulus, batch: Batch? = nil, toIdle: Bool = false, inIRQ: Bool = false) throws(WritingError) {
        v412.apply(stimulus, batch: batch, toIdle: toIdle)
        parent.apply(stimulus, batch: batch, toIdle: toIdle)
        v413.apply(stimulus, batch: batch, toIdle: toIdle)
        for record in v413.log {
            flushes += 1
            try trace.tlbFlush(origin(stimulus.cpu, inIRQ: inIRQ), reason: record.reason.rawValue, pages: record.pages)
            tick(60)
        }
    }

    // MARK: run queues

    func enqueue(_ task: Int, _ cpu: Int) {
        tasks[task].cpu = cpu
        tasks[task].slot = queues[cpu].count
        queues[cpu].append(task)
    }

    func dequeue(_ task: Int) {
        let (cpu, slot) = (tasks[task].cpu, tasks[task].slot)
        guard slot >= 0 else { return }
        let last = queues[cpu].removeLast()
        if last != task {
            queues[cpu][slot] = last
            tasks[last].slot = slot
        }
        tasks[task].slot = -1
    }

    // MARK: what a CPU does

    /// migration/N stops the CPU, cpuhp/N is the first to run when it is back.
    private func bringUp(_ cpu: Int) throws(WritingError) {
        try switchTo(cpu, kernelThreads[cpu][0], state: 0)
        tick()
        try apply(.offline(cpu: cpu))
        try apply(.cpuDown(cpu: cpu))
        // Nothing is recorded on an offline CPU: its switch back to the idle task is not, either.
        current[cpu] = cpu
        tick(2000)
        try apply(.cpuUp(cpu: cpu))
        try switchTo(cpu, kernelThreads[cpu][1], state: 0)
        tick()
        try switchTo(cpu, cpu, state: 1)
        kernelThreads[cpu].removeFirst(2)
    }

    private func act(_ cpu: Int) throws(WritingError) {
        tick()
        let task = current[cpu]
        if tasks[task].isDead { return try schedule(cpu) }
        let isUser = tasks[task].kind == .user
        let isShort = tasks.alive < options.tasks
        if isUser, random.oneIn(isShort ? 2 : options.mix.lifeCycle) { return try liveOn(cpu, isShort: isShort) }
        if switches << 10 <= options.mix.switchShare * (switches + flushes) { return try schedule(cpu) }
        if isUser {
            if random.oneIn(options.mix.batch) { return try reclaim(cpu) }
            return try flush(cpu, tasks[task].mm, random.oneIn(4) ? Stimulus.flushAll : Int64(1 + random.below(33)))
        }
        if task == ksm, v413.cpu[cpu].tlb.isUser {
            // cmp_and_merge_page() write-protects a page of an mm that happens to be the one that is borrowed.
            try flush(cpu, v413.cpu[cpu].tlb, 1)
            return try schedule(cpu)
        }
        if tasks[task].kind == .idle, v413.cpu[cpu].tlb.isUser, random.oneIn(4) { return try apply(.idleLeave(cpu: cpu)) }
        try schedule(cpu)
    }

    // MARK: context switches

    func schedule(_ cpu: Int, blocks: Bool = false) throws(WritingError) {
        let task = current[cpu]
        let next = choose(cpu, after: task)
        let state: Int64
        switch tasks[task].kind {
        case .idle: state = 0
        case .kernel: state = 1
        // TASK_DEAD; TASK_KILLABLE in wait_for_vfork_done(); TASK_INTERRUPTIBLE; preempted (TASK_STATE_MAX of v4.13).
        case .user: state = tasks[task].isDead ? 64 : blocks ? 130 : random.oneIn(4) ? 4096 : 1
        }
        try switchTo(cpu, next, state: state)
        if tasks[task].isDead {
            tasks.free(task)
        } else if tasks[task].kind == .user, tasks[task].slot >= 0, task != initTask, random.oneIn(64) {
            dequeue(task)
            enqueue(task, random.below(options.cpus))
        }
    }

    private func choose(_ cpu: Int, after task: Int) -> Int {
        if tasks[task].kind != .kernel, random.oneIn(options.mix.lazy.kernel) { return kernelThreads[cpu][random.below(kernelThreads[cpu].count)] }
        if tasks[task].kind != .idle, random.oneIn(options.mix.lazy.idle) { return cpu }
        let queue = queues[cpu]
        var found = -1
        if !queue.isEmpty {
            for _ in 0..<options.mix.loyalty {
                let candidate = queue[random.below(queue.count)]
                if candidate == task { continue }
                found = candidate
                if tasks[candidate].mm == v413.cpu[cpu].tlb { break }
            }
        }
        if found >= 0 { return found }
        return tasks[task].kind == .idle ? kernelThreads[cpu][0] : cpu
    }

    /// The sched_switch record comes before switch_mm() and what that records (context_switch(), kernel/sched/core.c).
    private func switchTo(_ cpu: Int, _ next: Int, state: Int64) throws(WritingError) {
        switches += 1
        try trace.schedSwitch(origin(cpu), from: tasks[current[cpu]].name, state: state, to: tasks[next].pid, tasks[next].name)
        tick(60)
        try apply(.contextSwitch(cpu: cpu, mm: tasks[next].mm), toIdle: tasks[next].kind == .idle)
        current[cpu] = next
    }
}
