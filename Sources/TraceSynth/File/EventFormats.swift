/// The events of a synthetic recording, with the formats of a 4.13.9 kernel (events/SYSTEM/EVENT/format in tracefs).
enum SynthEvent: Int, CaseIterable {
    case schedSwitch, fork, exec, exit, newTask, rename, tlbFlush

    static let count = allCases.count

    var id: UInt16 {
        switch self {
        case .schedSwitch: 93
        case .fork: 87
        case .exec: 86
        case .exit: 90
        case .newTask: 61
        case .rename: 60
        case .tlbFlush: 57
        }
    }

    var system: String {
        switch self {
        case .schedSwitch, .fork, .exec, .exit: "sched"
        case .newTask, .rename: "task"
        case .tlbFlush: "tlb"
        }
    }

    var name: String {
        switch self {
        case .schedSwitch: "sched_switch"
        case .fork: "sched_process_fork"
        case .exec: "sched_process_exec"
        case .exit: "sched_process_exit"
        case .newTask: "task_newtask"
        case .rename: "task_rename"
        case .tlbFlush: "tlb_flush"
        }
    }

    /// The text of the event's format file.
    var format: String { Self.format(name, id, fields, print) }

    /// The ring buffer's own event for trace_marker lines; every trace has its format.
    static let printFormat = format(
        "print", 5,
        "\tfield:unsigned long ip;\toffset:8;\tsize:8;\tsigned:0;\n\tfield:char buf;\toffset:16;\tsize:0;\tsigned:1;\n",
        #""%ps: %s", (void *)REC->ip, REC->buf"#)

    static let headerPage = """
        \tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;
        \tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;
        \tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;
        \tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;

        """
    static let headerEvent = """
        # compressed entry header
        \ttype_len    :    5 bits
        \ttime_delta  :   27 bits
        \tarray       :   32 bits

        \tpadding     : type == 29
        \ttime_extend : type == 30
        \tdata max type_len  == 28

        """

    private static func format(_ name: String, _ id: UInt16, _ fields: String, _ print: String) -> String {
        """
        name: \(name)
        ID: \(id)
        format:
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
        \tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
        \tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;
        \tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

        \(fields)
        print fmt: \(print)

        """
    }

    private var fields: String {
        switch self {
        case .schedSwitch: """
            \tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:1;
            \tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;
            \tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;
            \tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;
            \tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:1;
            \tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;
            \tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;

            """
        case .fork: """
            \tfield:char parent_comm[16];\toffset:8;\tsize:16;\tsigned:1;
            \tfield:pid_t parent_pid;\toffset:24;\tsize:4;\tsigned:1;
            \tfield:char child_comm[16];\toffset:28;\tsize:16;\tsigned:1;
            \tfield:pid_t child_pid;\toffset:44;\tsize:4;\tsigned:1;

            """
        case .exec: """
            \tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:1;
            \tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
            \tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;

            """
        case .exit: """
            \tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:1;
            \tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;
            \tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;

            """
        case .newTask: """
            \tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;
            \tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:1;
            \tfield:unsigned long clone_flags;\toffset:32;\tsize:8;\tsigned:0;
            \tfield:short oom_score_adj;\toffset:40;\tsize:2;\tsigned:1;

            """
        case .rename: """
            \tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;
            \tfield:char oldcomm[16];\toffset:12;\tsize:16;\tsigned:1;
            \tfield:char newcomm[16];\toffset:28;\tsize:16;\tsigned:1;
            \tfield:short oom_score_adj;\toffset:44;\tsize:2;\tsigned:1;

            """
        case .tlbFlush: """
            \tfield:int reason;\toffset:8;\tsize:4;\tsigned:1;
            \tfield:unsigned long pages;\toffset:16;\tsize:8;\tsigned:0;

            """
        }
    }

    private var print: String {
        switch self {
        case .schedSwitch:
            #""prev_comm=%s prev_pid=%d prev_prio=%d prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d", REC->prev_comm, REC->prev_pid, "#
                + #"REC->prev_prio, REC->prev_state & (4096-1) ? __print_flags(REC->prev_state & (4096-1), "|", { 1, "S"} , { 2, "D" }, "#
                + #"{ 4, "T" }, { 8, "t" }, { 16, "Z" }, { 32, "X" }, { 64, "x" }, { 128, "K" }, { 256, "W" }, { 512, "P" }, { 1024, "N" }) "#
                + #": "R", REC->prev_state & 4096 ? "+" : "", REC->next_comm, REC->next_pid, REC->next_prio"#
        case .fork:
            #""comm=%s pid=%d child_comm=%s child_pid=%d", REC->parent_comm, REC->parent_pid, REC->child_comm, REC->child_pid"#
        case .exec: #""filename=%s pid=%d old_pid=%d", __get_str(filename), REC->pid, REC->old_pid"#
        case .exit: #""comm=%s pid=%d prio=%d", REC->comm, REC->pid, REC->prio"#
        case .newTask:
            #""pid=%d comm=%s clone_flags=%lx oom_score_adj=%hd", REC->pid, REC->comm, REC->clone_flags, REC->oom_score_adj"#
        case .rename:
            #""pid=%d oldcomm=%s newcomm=%s oom_score_adj=%hd", REC->pid, REC->oldcomm, REC->newcomm, REC->oom_score_adj"#
        case .tlbFlush:
            #""pages:%ld reason:%s (%d)", REC->pages, __print_symbolic(REC->reason, { 0, "flush on task switch" }, { 1, "remote shootdown" }, "#
                + #"{ 2, "local shootdown" }, { 3, "local mm shootdown" }, { 4, "remote ipi send" }), REC->reason"#
        }
    }
}
