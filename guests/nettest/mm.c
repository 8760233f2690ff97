/* Memory management: two page directories, like an idle Linux 2.2 machine with one process.
 *
 * The kernel part (from KERNEL_BASE) maps the first KERNEL_SPAN of physical memory linearly, with 4 MB pages
 * and the global bit when CPUID offers them, with page tables otherwise. The process's directory has the
 * same entries plus the user part: the program read-only at USER_TEXT, buffer and stack filled page by page
 * at faults. No page is ever freed.
 *
 * Page directory and table entries: SDM vol. 3, 4.3. */
#include "mm.h"
#include "abi.h"
#include "console.h"

enum {
    PAGE_PRESENT = 1 << 0,
    PAGE_WRITE = 1 << 1,
    PAGE_USER = 1 << 2,
    PAGE_LARGE = 1 << 7,
    PAGE_GLOBAL = 1 << 8,
    CPUID_PSE = 1 << 3,
    CPUID_PGE = 1 << 13,
    CR4_PSE = 1 << 4,
    CR4_PGE = 1 << 7,
    FAULT_PROTECTION = 1 << 0, /* page fault error code: the page was present */
    KERNEL_SPAN = 16 << 20,
    KERNEL_SLOT = 768, /* directory entry of KERNEL_BASE */
};

typedef uint32_t page_table[1024];

extern const char kernel_end[], user_image_physical[], user_image_size[];

struct mm {
    page_table kernel, user; /* page directories */
    uint32_t next_free;      /* physical address of the first page never handed out */
};

static struct mm mm __attribute__((aligned(PAGE_SIZE)));

void *memset(void *to, int value, size_t length)
{
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(value) : "memory");
    return start;
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    void *start = to;
    size_t words = length / 4;
    __asm__ volatile("rep movsl; movl %3, %%ecx; rep movsb"
                     : "+D"(to), "+S"(from), "+c"(words)
                     : "g"(length & 3)
                     : "memory");
    return start;
}

static uint32_t page_take(void)
{
    uint32_t page = mm.next_free;
    mm.next_free += PAGE_SIZE;
    memset((void *)(page + KERNEL_BASE), 0, PAGE_SIZE);
    return page;
}

static void kernel_map_large(uint32_t extra)
{
    for (uint32_t i = 0; i < KERNEL_SPAN >> 22; i++)
        mm.kernel[KERNEL_SLOT + i] = i << 22 | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE | extra;
}

static void kernel_map_small(void)
{
    for (uint32_t i = 0; i < KERNEL_SPAN >> 22; i++) {
        uint32_t page = page_take();
        uint32_t *table = (uint32_t *)(page + KERNEL_BASE);
        for (uint32_t j = 0; j < 1024; j++)
            table[j] = (i << 22) + (j << 12) + (PAGE_PRESENT | PAGE_WRITE);
        mm.kernel[KERNEL_SLOT + i] = page | PAGE_PRESENT | PAGE_WRITE;
    }
}

static void user_map(uint32_t address, uint32_t page, uint32_t flags)
{
    uint32_t *entry = &mm.user[address >> 22];
    if (*entry == 0)
        *entry = page_take() | PAGE_PRESENT | PAGE_WRITE | PAGE_USER;
    uint32_t *table = (uint32_t *)((*entry & ~0xfffu) + KERNEL_BASE);
    table[address >> 12 & 1023] = page | flags | PAGE_PRESENT | PAGE_USER;
}

static uint32_t cpu_features(void)
{
    uint32_t eax = 1, ebx, ecx, edx;
    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
    return edx;
}

static void cr4_set(uint32_t bits)
{
    uint32_t cr4;
    __asm__ volatile("movl %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("movl %0, %%cr4" : : "r"(cr4 | bits));
}

void mm_init(void)
{
    uint32_t features = cpu_features();
    mm.next_free = physical_of(kernel_end);
    if ((features & CPUID_PSE) != 0) {
        bool global = (features & CPUID_PGE) != 0;
        kernel_map_large(global ? PAGE_GLOBAL : 0);
        cr4_set(CR4_PSE | (global ? CR4_PGE : 0));
    } else {
        kernel_map_small();
    }
    memcpy(mm.user, mm.kernel, sizeof mm.user);
    uint32_t image = (uint32_t)(uintptr_t)user_image_physical, size = (uint32_t)(uintptr_t)user_image_size;
    for (uint32_t offset = 0; offset < size; offset += PAGE_SIZE)
        user_map(USER_TEXT + offset, image + offset, 0);
    __asm__ volatile("movl %0, %%cr3" : : "r"(mm_kernel_tables()) : "memory");
}

uint32_t mm_kernel_tables(void)
{
    return physical_of(mm.kernel);
}

uint32_t mm_user_tables(void)
{
    return physical_of(mm.user);
}

static bool in_range(uint32_t address, uint32_t start, uint32_t size)
{
    return address - start < size;
}

bool mm_user_fault(uint32_t address, uint32_t error)
{
    if ((error & FAULT_PROTECTION) != 0 || mm.next_free >= KERNEL_SPAN)
        return false;
    if (!in_range(address, USER_BUFFER, USER_BUFFER_SIZE) &&
        !in_range(address, USER_STACK_TOP - USER_STACK_SIZE, USER_STACK_SIZE))
        return false;
    user_map(address, page_take(), PAGE_WRITE);
    return true;
}

bool mm_user_range(uint32_t address, size_t length)
{
    return address >= USER_TEXT && address < KERNEL_BASE && length <= KERNEL_BASE - address;
}
