import ArgumentParser

/// The command line: parse arguments, wire the stages, map failures to exit statuses.
@main
struct LazyTLBCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lazytlb",
        abstract: "Replay recorded Linux kernel traces through the x86 lazy-TLB schemes.",
        subcommands: [EventsCommand.self, InfoCommand.self])
}
