/* Which CPUs this process may use, and in which order worker threads should fill them. */
#ifndef GYRAL_TOPOLOGY_H
#define GYRAL_TOPOLOGY_H

#include <stdint.h>

enum { GY_MAX_CPUS = 1024 };

typedef struct gy_cpu {
    int id;      /* the operating system's number */
    int node;    /* NUMA node, 0 where the system names none */
    int package; /* socket */
    int core;    /* core number within the package */
    int sibling; /* 0 for the first allowed hardware thread of a core, 1 for the second, ... */
} gy_cpu;

typedef struct gy_topology {
    int count;
    int nodes; /* distinct nodes among the CPUs listed */
    gy_cpu cpu[GY_MAX_CPUS];
} gy_topology;

typedef struct gy_cpuset {
    uint64_t word[GY_MAX_CPUS / 64];
} gy_cpuset;

static inline int gy_cpuset_has(const gy_cpuset *set, int cpu)
{
    return cpu >= 0 && cpu < GY_MAX_CPUS && (set->word[cpu / 64] >> (cpu % 64) & 1);
}

static inline void gy_cpuset_add(gy_cpuset *set, int cpu)
{
    if (cpu >= 0 && cpu < GY_MAX_CPUS)
        set->word[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

/* Parses a kernel CPU list ("0-3,8,10-11"); unreadable tails are ignored. */
void gy_cpulist_parse(const char *text, gy_cpuset *set);

/* The CPUs in the process's affinity mask (all online CPUs where there is no such mask). */
void gy_affinity(gy_cpuset *set);

/* Fills `out` with the allowed CPUs in placement order: nodes contiguous, and within a node every
 * core before any second hardware thread.  `root` is where sysfs is mounted ("/sys").  A CPU with
 * no topology files counts as a core of its own on node 0. */
void gy_topology_load(const char *root, const gy_cpuset *allowed, gy_topology *out);

#endif
