#include "topology.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sched.h>
#endif

enum { PATH_BYTES = 4096, LIST_BYTES = 8192, MAX_NODES = 1024 };

static int read_text(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return -1;
    size_t length = fread(text, 1, size - 1, file);
    fclose(file);
    text[length] = '\0';
    return 0;
}

static int read_number(const char *root, int cpu, const char *name, int otherwise)
{
    char path[PATH_BYTES], text[64];
    snprintf(path, sizeof path, "%s/devices/system/cpu/cpu%d/topology/%s", root, cpu, name);
    if (read_text(path, text, sizeof text) < 0)
        return otherwise;
    char *end;
    long value = strtol(text, &end, 10);
    return end == text || value < 0 ? otherwise : (int)value;
}

void gy_cpulist_parse(const char *text, gy_cpuset *set)
{
    memset(set, 0, sizeof *set);
    while (*text != '\0') {
        char *end;
        long first = strtol(text, &end, 10);
        if (end == text)
            return;
        long last = first;
        text = end;
        if (*text == '-') {
            last = strtol(text + 1, &end, 10);
            if (end == text + 1)
                return;
            text = end;
        }
        for (long cpu = first < 0 ? 0 : first; cpu <= last && cpu < GY_MAX_CPUS; cpu++)
            gy_cpuset_add(set, (int)cpu);
        if (*text != ',')
            return;
        text++;
    }
}

void gy_affinity(gy_cpuset *set)
{
    memset(set, 0, sizeof *set);
#if defined(__linux__)
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) == 0) {
        for (int cpu = 0; cpu < CPU_SETSIZE && cpu < GY_MAX_CPUS; cpu++)
            if (CPU_ISSET(cpu, &mask))
                gy_cpuset_add(set, cpu);
        return;
    }
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    for (long cpu = 0; cpu < (online < 1 ? 1 : online) && cpu < GY_MAX_CPUS; cpu++)
        gy_cpuset_add(set, (int)cpu);
}

static void load_nodes(const char *root, int node_of[GY_MAX_CPUS])
{
    char path[PATH_BYTES], text[LIST_BYTES];
    gy_cpuset online, cpus;
    memset(node_of, 0, GY_MAX_CPUS * sizeof node_of[0]);
    snprintf(path, sizeof path, "%s/devices/system/node/online", root);
    if (read_text(path, text, sizeof text) < 0)
        return;
    gy_cpulist_parse(text, &online);
    for (int node = 0; node < MAX_NODES; node++) {
        if (!gy_cpuset_has(&online, node))
            continue;
        snprintf(path, sizeof path, "%s/devices/system/node/node%d/cpulist", root, node);
        if (read_text(path, text, sizeof text) < 0)
            continue;
        gy_cpulist_parse(text, &cpus);
        for (int cpu = 0; cpu < GY_MAX_CPUS; cpu++)
            if (gy_cpuset_has(&cpus, cpu))
                node_of[cpu] = node;
    }
}

static int by_place(const void *left, const void *right)
{
    const gy_cpu *a = left, *b = right;
    if (a->node != b->node)
        return a->node < b->node ? -1 : 1;
    if (a->sibling != b->sibling)
        return a->sibling < b->sibling ? -1 : 1;
    if (a->package != b->package)
        return a->package < b->package ? -1 : 1;
    if (a->core != b->core)
        return a->core < b->core ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

void gy_topology_load(const char *root, const gy_cpuset *allowed, gy_topology *out)
{
    int node_of[GY_MAX_CPUS];
    load_nodes(root, node_of);
    out->count = 0;
    out->nodes = 0;
    for (int id = 0; id < GY_MAX_CPUS; id++) {
        if (!gy_cpuset_has(allowed, id))
            continue;
        gy_cpu *cpu = &out->cpu[out->count++];
        cpu->id = id;
        cpu->node = node_of[id];
        cpu->package = read_number(root, id, "physical_package_id", 0);
        cpu->core = read_number(root, id, "core_id", -1);
        /* Without a core number the CPU is its own core: any number no real core has will do. */
        if (cpu->core < 0)
            cpu->core = GY_MAX_CPUS + id;
        cpu->sibling = 0;
        for (int i = 0; i < out->count - 1; i++)
            if (out->cpu[i].package == cpu->package && out->cpu[i].core == cpu->core &&
                out->cpu[i].node == cpu->node)
                cpu->sibling++;
    }
    qsort(out->cpu, (size_t)out->count, sizeof out->cpu[0], by_place);
    for (int i = 0; i < out->count; i++)
        if (i == 0 || out->cpu[i].node != out->cpu[i - 1].node)
            out->nodes++;
}
