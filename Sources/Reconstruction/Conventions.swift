import TraceData

extension Comm {
    /// The name is one that the kernel gives its own threads. The weakest evidence: any process may call itself so.
    ///
    /// vhost workers are left out: they have an mm (kthread_use_mm() up to v6.3, CLONE_VM later).
    public var isKernelThread: Bool {
        let name = description
        if Comm.whole.contains(name) { return true }
        if Comm.prefixes.contains(where: { name.hasPrefix($0) }) { return true }
        return Comm.numbered.contains { name.hasPrefix($0) && Comm.isNumber(name.dropFirst($0.count)) }
    }

    private static let whole: Set<String> = [
        "kthreadd", "rcu_sched", "rcu_bh", "rcu_preempt", "rcu_gp", "rcu_par_gp", "rcu_tasks_kthre", "rcu_tasks_rude_",
        "rcu_tasks_trace", "slub_flushwq", "netns", "mm_percpu_wq", "kdevtmpfs", "kauditd", "khungtaskd", "oom_reaper", "writeback",
        "ksmd", "khugepaged", "crypto", "cryptd", "kintegrityd", "kblockd", "blkcg_punt_bio", "tpm_dev_wq", "edac-poller", "devfreq_wq",
        "kthrotld", "ata_sff", "bioset", "lru-add-drain", "deferwq", "ipv6_addrconf", "kstrp", "zswap-shrink", "charger_manager",
        "inet_frag_wq", "kaluad", "mld", "watchdogd", "kmpath_rdacd", "pool_workqueue_", "kpsmoused", "hwrng", "acpi_thermal_pm", "kprobe-optimize",
        "nvme-reset-wq", "nvme-delete-wq", "rpciod", "xprtiod", "nfsiod", "nfsd", "lockd", "cifsd", "raid5wq", "cfg80211", "kmemleak", "ksgxd", "khvcd",
        "hv_balloon", "xenbus", "xenwatch", "nv_queue", "txg_sync", "txg_quiesce", "arc_prune", "arc_evict", "arc_reap", "dbu_evict", "dbuf_evict", "l2arc_feed", "dp_sync_taskq",
        "dp_zil_clean_ta", "metaslab_group_", "vdev_autotrim",
    ]
    /// A slash or the like follows in the kernel's names: no program is called so by chance.
    private static let prefixes = [
        "kworker/", "ksoftirqd/", "migration/", "cpuhp/", "watchdog/", "rcuc/", "rcub/", "rcuop/", "rcuos/", "rcuob/", "rcuog/", "rcu_exp_",
        "idle_inject/", "irq/", "scsi_eh_", "scsi_tmf_", "jbd2/", "ext4-rsv-conver", "xfs-", "xfsaild/", "xfs_", "btrfs-", "nvme-wq",
        "dmcrypt_write/", "swapper/", "psimon", "pr/", "sugov:", "kvm-pit/", "mmcqd/", "f2fs_gc-", "f2fs_flush-", "f2fs_discard-",
        "ktimers/", "irq_work/", "posixcputmr/", "napi/", "backlog_napi/", "nvidia-modeset/", "spl_", "z_wr_", "z_rd_", "z_fr_", "z_null_", "z_ioctl_", "z_trim_",
    ]
    /// A number follows, and no more than a part of the name behind `_` or `:`: `kswapd0`, `md127_raid1`; not md5sum.
    private static let numbered = ["kswapd", "kcompactd", "kdamond.", "kipmi", "loop", "md", "kdmflush/", "usb-storage", "card"]
}

extension Comm {
    private static func isNumber(_ text: Substring) -> Bool {
        let rest = text.drop { $0.isNumber }
        return rest.count < text.count && (rest.isEmpty || rest.first == "_" || rest.first == ":")
    }
}

extension Comm {
    /// `cpuhp/N`, which takes a CPU down and up.
    var isHotplug: Bool { low & 0xffff_ffff_ffff == 0x2f70_6875_7063 }

    /// A CPU that comes up runs one of these first: the stopper thread in all recordings.
    var bringsUp: Bool { isStopper || isHotplug }

    /// `migration/N`, the CPU stopper thread.
    var isStopper: Bool {
        // "migratio" and "n/".
        low == 0x6f69_7461_7267_696d && high & 0xffff == 0x2f6e
    }
}
