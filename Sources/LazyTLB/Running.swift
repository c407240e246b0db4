import Tables

/// Flushes on CPUs that run a task with the mm that is flushed: the ways of their own that ``Scheme`` has for them.
extension ActiveMMState {
    @inline(__always) func runs(_ cpu: Int, _ mm: MM, _ machine: Machine) -> Bool {
        let place = cpus.place(cpu)
        return place.pointee.state == .ok && place.pointee.cr3 == mm && place.pointee.active == mm && machine.mm[cpu] == mm && machine.activeMM[cpu] == mm
    }

    @inline(__always) mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64) {
        settle(cpu)
        counters.countLocal(pages)
    }

    @inline(__always) mutating func interrupt(_ targets: UInt64, _ receivers: Receivers, _ cpu: Int, _ mm: MM, _ pages: Int64) {
        settle(cpu)
        counters.countSend(receivers)
        shootdowns.open(cpu, mm, pages, targets: targets)
    }

    @inline(__always) func flushesRunning(_ cpu: Int, from sender: Int) -> Bool {
        let place = cpus.place(cpu)
        return shootdowns.pending.contains(cpu, sender) && shootdowns[sender].mm == place.pointee.active && place.pointee.active.isUser && place.pointee.state == .ok
            && !shootdowns[sender].isXen
    }

    @inline(__always) mutating func deliverToRunning(_ cpu: Int, from sender: Int) {
        settle(cpu)
        _ = shootdowns.take(cpu, from: sender)
        counters.countAnswer()
    }
}

extension V412 {
    @inline(__always) public func runs(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool { old.runs(cpu, mm, machine) }
    @inline(__always) public mutating func settle(_ cpu: Int) { old.settle(cpu) }
    @inline(__always) public mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64) { old.flushRangeOfRunning(cpu, pages) }
    @inline(__always) public func othersWord(_ cpu: Int, _ mm: MM, _ index: Int) -> UInt64 { old.masks.word(Int(mm.index), index, without: cpu) }
    @inline(__always) public mutating func interrupt(_ targets: UInt64, _ receivers: Receivers, _ cpu: Int, _ mm: MM, _ pages: Int64) { old.interrupt(targets, receivers, cpu, mm, pages) }
    @inline(__always) public func flushesRunning(_ cpu: Int, from sender: Int) -> Bool { old.flushesRunning(cpu, from: sender) }
    @inline(__always) public mutating func deliverToRunning(_ cpu: Int, from sender: Int) { old.deliverToRunning(cpu, from: sender) }
    @inline(__always) public func pages(sentBy sender: Int) -> Int64 { old.shootdowns[sender].pages }
}

extension V413Parent {
    public func runs(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool { old.runs(cpu, mm, machine) }
    public mutating func settle(_ cpu: Int) { old.settle(cpu) }
    public mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64) { old.flushRangeOfRunning(cpu, pages) }
    public func othersWord(_ cpu: Int, _ mm: MM, _ index: Int) -> UInt64 { old.masks.word(Int(mm.index), index, without: cpu) }
    public mutating func interrupt(_ targets: UInt64, _ receivers: Receivers, _ cpu: Int, _ mm: MM, _ pages: Int64) { old.interrupt(targets, receivers, cpu, mm, pages) }
    public func flushesRunning(_ cpu: Int, from sender: Int) -> Bool { old.flushesRunning(cpu, from: sender) }
    public mutating func deliverToRunning(_ cpu: Int, from sender: Int) { old.deliverToRunning(cpu, from: sender) }
    public func pages(sentBy sender: Int) -> Int64 { old.shootdowns[sender].pages }
}

extension V413 {
    @inline(__always) public func runs(_ cpu: Int, _ mm: MM, on machine: Machine) -> Bool {
        let place = cpus.place(cpu)
        return place.pointee.state == .ok && place.pointee.loaded == mm && machine.mm[cpu] == mm
    }

    @inline(__always) public mutating func flushRangeOfRunning(_ cpu: Int, _ pages: Int64) {
        settle(cpu)
        counters.countLocal(pages)
    }

    @inline(__always) public func othersWord(_ cpu: Int, _ mm: MM, _ index: Int) -> UInt64 { masks.word(Int(mm.index), index, without: cpu) }

    @inline(__always) public mutating func interrupt(_ targets: UInt64, _ receivers: Receivers, _ cpu: Int, _ mm: MM, _ pages: Int64) {
        settle(cpu)
        counters.countSend(receivers)
        shootdowns.open(cpu, mm, pages, targets: targets)
    }

    @inline(__always) public func flushesRunning(_ cpu: Int, from sender: Int) -> Bool {
        let place = cpus.place(cpu)
        return shootdowns.pending.contains(cpu, sender) && shootdowns[sender].mm == place.pointee.loaded && place.pointee.loaded.isUser && place.pointee.state == .ok
            && !shootdowns[sender].isXen
    }

    @inline(__always) public mutating func deliverToRunning(_ cpu: Int, from sender: Int) {
        settle(cpu)
        _ = shootdowns.take(cpu, from: sender)
        counters.countAnswer()
    }

    @inline(__always) public func pages(sentBy sender: Int) -> Int64 { shootdowns[sender].pages }
}
