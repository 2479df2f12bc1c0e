/* What Python may know about the machine: its CPUs in placement order, and its identity. */
#include <stdlib.h>
#include <string.h>

#include "native.h"
#include "pool.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <stdio.h>
#include <sys/auxv.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#endif

static int parse_cpus(PyObject *cpus, gy_cpuset *allowed)
{
    if (cpus == Py_None) {
        gy_affinity(allowed);
        return 0;
    }
    memset(allowed, 0, sizeof *allowed);
    PyObject *iterator = PyObject_GetIter(cpus), *item;
    if (iterator == NULL)
        return -1;
    while ((item = PyIter_Next(iterator)) != NULL) {
        long cpu = PyLong_AsLong(item);
        Py_DECREF(item);
        if (cpu >= 0 && cpu < GY_MAX_CPUS)
            gy_cpuset_add(allowed, (int)cpu);
        else if (!PyErr_Occurred())
            PyErr_Format(PyExc_ValueError, "CPU numbers run from 0 to %d, not %ld", GY_MAX_CPUS - 1, cpu);
    }
    Py_DECREF(iterator);
    return PyErr_Occurred() ? -1 : 0;
}

/* The machine under the arguments `root` and `cpus`, made by malloc; NULL with an exception set. */
static gy_topology *load_topology(PyObject *args, PyObject *kwargs, const char *format)
{
    static char *names[] = {"root", "cpus", NULL};
    const char *root = "/sys";
    PyObject *cpus = Py_None;
    gy_cpuset allowed;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, format, names, &root, &cpus) || parse_cpus(cpus, &allowed) < 0)
        return NULL;
    gy_topology *topology = malloc(sizeof *topology);
    if (topology == NULL)
        PyErr_NoMemory();
    else
        gy_topology_load(root, &allowed, topology);
    return topology;
}

PyObject *gy_topology_py(PyObject *module, PyObject *args, PyObject *kwargs)
{
    (void)module;
    gy_topology *topology = load_topology(args, kwargs, "|sO:topology");
    if (topology == NULL)
        return NULL;
    PyObject *list = PyList_New(0);
    for (int i = 0; list != NULL && i < topology->count; i++) {
        const gy_cpu *cpu = &topology->cpu[i];
        PyObject *row = Py_BuildValue("{sisisisisi}", "cpu", cpu->id, "node", cpu->node, "package", cpu->package,
                                      "core", cpu->core, "sibling", cpu->sibling);
        if (row == NULL || PyList_Append(list, row) < 0)
            Py_CLEAR(list);
        Py_XDECREF(row);
    }
    free(topology);
    return list;
}

PyObject *gy_set_topology_py(PyObject *module, PyObject *args, PyObject *kwargs)
{
    (void)module;
    gy_topology *topology = load_topology(args, kwargs, "|sO:set_topology");
    if (topology == NULL)
        return NULL;
    gy_pool_set_topology(topology);
    Py_RETURN_NONE;
}

#if defined(__x86_64__)

static uint64_t enabled_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

PyObject *gy_host_key(PyObject *module, PyObject *unused)
{
    enum { OSXSAVE = 1 << 27 };
    unsigned a, b, c, d, top, seven[4] = {0}, seven_one[4] = {0}, extended[4] = {0};
    char vendor[13] = {0};
    (void)module, (void)unused;
    __cpuid(0, top, b, c, d);
    memcpy(vendor, &b, 4);
    memcpy(vendor + 4, &d, 4);
    memcpy(vendor + 8, &c, 4);
    __cpuid(1, a, b, c, d);
    unsigned signature = a, features_c = c, features_d = d;
    if (top >= 7) {
        __cpuid_count(7, 0, seven[0], seven[1], seven[2], seven[3]);
        if (seven[0] >= 1)
            __cpuid_count(7, 1, seven_one[0], seven_one[1], seven_one[2], seven_one[3]);
    }
    __cpuid(0x80000000, a, b, c, d);
    if (a >= 0x80000001)
        __cpuid(0x80000001, extended[0], extended[1], extended[2], extended[3]);
    uint64_t state = features_c & OSXSAVE ? enabled_state() : 0;
    return PyUnicode_FromFormat("x86_64-%s-%x-%x.%x-%x.%x.%x-%x.%x.%x.%x-%x.%x-%x.%x", vendor, signature, features_c,
                                features_d, seven[1], seven[2], seven[3], seven_one[0], seven_one[1], seven_one[2],
                                seven_one[3], extended[2], extended[3], (unsigned)(state >> 32), (unsigned)state);
}

#else

PyObject *gy_host_key(PyObject *module, PyObject *unused)
{
    (void)module, (void)unused;
#if defined(__aarch64__) && defined(__linux__)
    char part[64] = "unknown";
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
    if (file != NULL) {
        if (fscanf(file, "%63s", part) != 1)
            strcpy(part, "unknown");
        fclose(file);
    }
    return PyUnicode_FromFormat("aarch64-%s-%lx-%lx", part, getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
#elif defined(__APPLE__)
    char brand[128] = "unknown";
    size_t size = sizeof brand;
    sysctlbyname("machdep.cpu.brand_string", brand, &size, NULL, 0);
    return PyUnicode_FromFormat("apple-%s", brand);
#else
    return PyUnicode_FromString("unknown");
#endif
}

#endif
