// LazyTLB
