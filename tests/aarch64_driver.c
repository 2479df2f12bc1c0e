/* Runs a kernel image of another processor under an emulator: driver IMAGE ENTRY MEMORY BASE FRAME ITEMS SCRATCH.
 * MEMORY is mapped at the address BASE, where the pointers in it point; FRAME and SCRATCH are offsets into it.
 * What the kernel leaves there is written back to the file. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

typedef void entry_fn(const void *frame, int64_t begin, int64_t end, void *scratch);

static void *map(const char *path, uintptr_t at, int flags, int protection) {
    int file = open(path, O_RDWR);
    struct stat facts;
    if (file < 0 || fstat(file, &facts)) exit(2);
    void *found = mmap((void *)at, (size_t)facts.st_size, protection, flags, file, 0);
    if (found == MAP_FAILED) exit(3);
    return found;
}

int main(int count, char **words) {
    if (count != 8) return 1;
    uintptr_t base = strtoull(words[4], 0, 0);
    char *code = map(words[1], 0, MAP_PRIVATE, PROT_READ | PROT_EXEC);
    char *memory = map(words[3], base, MAP_SHARED | MAP_FIXED, PROT_READ | PROT_WRITE);
    entry_fn *entry = (entry_fn *)(code + strtoull(words[2], 0, 0));
    entry(memory + strtoull(words[5], 0, 0), 0, strtoll(words[6], 0, 0), memory + strtoull(words[7], 0, 0));
    return 0;
}
