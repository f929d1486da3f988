"""The benchmarks: what Spokes does at speed, each figure beside its reference of the same run."""
