import TraceData

extension Comm {
    /// The name is one that the kernel gives its own threads. The weakest evidence: any process may call itself so.
    var isKernelThread: Bool {
        let name = description
        if Comm.whole.contains(name) { return true }
        return Comm.prefixes.contains { name.hasPrefix($0) }
    }

    private static let whole: Set<String> = [
        "kthreadd", "rcu_sched", "rcu_bh", "rcu_preempt", "rcu_gp", "rcu_par_gp", "slub_flushwq", "netns", "mm_percpu_wq", "kdevtmpfs",
        "kauditd", "khungtaskd", "oom_reaper", "writeback", "kcompactd0", "ksmd", "khugepaged", "crypto", "kintegrityd", "kblockd",
        "blkcg_punt_bio", "tpm_dev_wq", "edac-poller", "devfreq_wq", "kthrotld", "ata_sff", "bioset", "lru-add-drain", "deferwq",
        "ipv6_addrconf", "kstrp", "zswap-shrink", "charger_manager", "inet_frag_wq", "kaluad", "mld", "cryptd", "watchdogd", "rcu_tasks_kthre",
        "rcu_tasks_rude_", "rcu_tasks_trace", "rcuog", "kmpath_rdacd", "vmstat", "pool_workqueue_",
    ]
    private static let prefixes = [
        "kworker/", "ksoftirqd/", "migration/", "cpuhp/", "watchdog/", "rcuc/", "rcub/", "rcuop/", "rcuos/", "rcuob/", "rcuog/", "rcu_exp_",
        "idle_inject/", "irq/", "kswapd", "kcompactd", "scsi_eh_", "scsi_tmf_", "jbd2/", "ext4-rsv-conver", "xfs-", "xfsaild/", "xfs_",
        "btrfs-", "kthrotld", "md", "raid", "nvme-", "loop", "dmcrypt_write/", "kdmflush", "flush-", "kpsmoused", "hwrng", "vhost-",
        "nfsd", "lockd", "rpciod", "xprtiod", "irqbalance-", "psimon", "ttm", "card", "kvm-", "swapper/", "backlight_", "spi", "usb-storage", "uas",
    ]
}
