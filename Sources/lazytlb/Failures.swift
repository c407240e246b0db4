import ArgumentParser
import Checks
import Glibc
import Report
import TraceData

/// Where errors become messages and exit statuses: 2 for bad input or output, nothing for a broken pipe.
enum Failures {
    /// Runs a command's work.
    static func handle(_ body: () throws -> Void) throws {
        // A closed pipe, and a file that may not grow further (ulimit -f), are seen as errors of write(2) instead.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        signal(SIGBUS, sayThatFileShrank)
        do {
            try body()
        } catch let error as TraceError {
            throw fail(error.description)
        } catch let error as DocumentError {
            throw fail(printable(error.description))
        } catch let error as UnknownKernel {
            throw fail("--kernel: \(error)")
        } catch WriteError.brokenPipe {
            throw ExitCode(0)
        } catch let error as WriteError {
            throw fail("standard output: cannot write: \(error.text)")
        } catch let error as OutputError {
            throw fail(error.description)
        }
    }

    /// Runs what is done with each of several traces. One that cannot be read, or not all of it, is told of, and the others have their turn; the exit status is 2 then.
    ///
    /// - Parameter body: gives what of a trace could not be read.
    static func handleEach(_ traces: [String], _ body: (String) throws -> [TraceProblem]) throws {
        var failed = false
        for path in traces {
            do {
                for problem in try body(path) {
                    failed = true
                    say(problem.description)
                }
            } catch let error as TraceError {
                failed = true
                say(error.description)
            }
        }
        if failed { throw ExitCode(2) }
    }

    /// A page of a mapped file is gone. Only what a signal handler may call, and no way back to where the page was wanted; an output file that is under way
    /// has no name yet.
    private static let sayThatFileShrank: @convention(c) (Int32) -> Void = { _ in
        let message: StaticString = "lazytlb: a trace became shorter while it was read, or cannot be read from its disk\n"
        _ = write(STDERR_FILENO, message.utf8Start, message.utf8CodeUnitCount)
        _exit(2)
    }

    /// Writes a message to stderr and gives the exit status of bad input.
    static func fail(_ message: String) -> ExitCode {
        say(message)
        return ExitCode(2)
    }

    /// Writes a message to stderr.
    ///
    /// Paths and names of a trace in it can hold anything: what a terminal would act on is escaped, line breaks too.
    static func say(_ message: String) { show("lazytlb: \(printable(message))") }

    /// Writes a line to stderr.
    static func show(_ text: String) { ByteWriter.put("\(text)\n", to: STDERR_FILENO) }
}
