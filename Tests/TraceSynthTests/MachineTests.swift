import TestSupport
import Testing
import TraceWriting

@testable import TraceSynth

struct MachineTests {
    /// Time per record can be compared between recordings of different length only if what they hold is the same.
    @Test(arguments: [Mix.half, .switches, .flushes]) func `processes stay about as many, and as large`(mix: Mix) throws {
        var options = SynthOptions()
        (options.mix, options.events) = (mix, 300_000)
        let machine = try withTemporaryPath { path in
            let machine = SynthMachine(options, try SynthTrace(path: path, version: .v6, cpus: options.cpus))
            try machine.run()
            return machine
        }
        let most = options.tasks / (mix.threads ?? 1) + 1
        #expect(1...most ~= machine.tasks.processCount)
        #expect(options.tasks - 8...options.tasks + 8 ~= machine.tasks.alive)
    }
}
