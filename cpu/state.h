/* The architectural state of one logical processor: pointer-free data in named sections. It is saved, hashed,
 * diffed and compared by the same code (cpu/state.c); padding is explicit and zero. Everything else in struct
 * cpu is engine state. */
#ifndef CROSSPAGE_CPU_STATE_H
#define CROSSPAGE_CPU_STATE_H

#include "base/types.h"

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, GPR_COUNT };
enum sreg { ES, CS, SS, DS, FS, GS, SREG_COUNT };

/* A segment register with its hidden part (SDM vol. 3, 3.4.3). */
struct segment {
    uint64_t base;
    uint32_t limit; /* in bytes, granularity applied */
    uint16_t selector;
    uint16_t attr; /* descriptor bits 40..47 in 0..7 (type, S, DPL, P) and 52..55 in 8..11 (AVL, L, D/B, G) */
};

enum segment_attr {
    SEG_TYPE = 0x000F,
    SEG_ACCESSED = 0x0001,
    SEG_WRITABLE = 0x0002, /* data: writable */
    SEG_READABLE = 0x0002, /* code: readable */
    SEG_EXPAND_DOWN = 0x0004,
    SEG_CONFORMING = 0x0004,
    SEG_CODE = 0x0008,
    SEG_S = 0x0010, /* code or data, not system */
    SEG_DPL = 0x0060,
    SEG_DPL_SHIFT = 5,
    SEG_P = 0x0080,
    SEG_AVL = 0x0100,
    SEG_L = 0x0200,
    SEG_DB = 0x0400,
    SEG_G = 0x0800,
};

struct table_register {
    uint64_t base;
    uint32_t limit;
    uint32_t pad;
};

/* RFLAGS (SDM vol. 1, 3.4.3). */
enum flag {
    FLAG_CF = 1 << 0,
    FLAG_ONE = 1 << 1, /* always set */
    FLAG_PF = 1 << 2,
    FLAG_AF = 1 << 4,
    FLAG_ZF = 1 << 6,
    FLAG_SF = 1 << 7,
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_OF = 1 << 11,
    FLAG_IOPL = 3 << 12,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_VM = 1 << 17,
    FLAG_AC = 1 << 18,
    FLAG_VIF = 1 << 19,
    FLAG_VIP = 1 << 20,
    FLAG_ID = 1 << 21,
    FLAGS_ARITH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

enum cr0_bit {
    CR0_PE = 1u << 0,
    CR0_MP = 1u << 1,
    CR0_EM = 1u << 2,
    CR0_TS = 1u << 3,
    CR0_ET = 1u << 4,
    CR0_NE = 1u << 5,
    CR0_WP = 1u << 16,
    CR0_AM = 1u << 18,
    CR0_NW = 1u << 29,
    CR0_CD = 1u << 30,
};
#define CR0_PG (1u << 31)
enum cr4_bit {
    CR4_VME = 1 << 0,
    CR4_PVI = 1 << 1,
    CR4_TSD = 1 << 2,
    CR4_DE = 1 << 3,
    CR4_PSE = 1 << 4,
    CR4_PAE = 1 << 5,
    CR4_MCE = 1 << 6,
    CR4_PGE = 1 << 7,
    CR4_PCE = 1 << 8,
    CR4_OSFXSR = 1 << 9,
    CR4_OSXMMEXCPT = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_FSGSBASE = 1 << 16,
    CR4_PCIDE = 1 << 17,
    CR4_OSXSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
};
/* CR3 with CR4.PCIDE; the last is of the value written, and reads as zero. */
#define CR3_PCID     UINT64_C(0xFFF)
#define CR3_NO_FLUSH (UINT64_C(1) << 63)
enum xcr0_bit { XCR0_X87 = 1 << 0, XCR0_SSE = 1 << 1, XCR0_AVX = 1 << 2, XCR0_YMM = XCR0_SSE | XCR0_AVX };
enum efer_bit { EFER_SCE = 1 << 0, EFER_LME = 1 << 8, EFER_LMA = 1 << 10, EFER_NXE = 1 << 11 };

/* x87 registers are kept by physical number, not relative to TOP. MMX register n is significand[n]. */
struct x87_state {
    uint64_t significand[8];
    uint16_t sign_exp[8];
    uint16_t control, status; /* status includes TOP */
    uint8_t valid; /* bit n: physical register n is not empty; full tags are computed when stored */
    uint8_t pad;
    uint16_t opcode; /* last instruction: low 3 bits of the first byte << 8 | modrm */
    uint64_t ip, dp; /* last instruction and data pointers (offsets) */
    uint16_t cs, ds;
    uint32_t pad2;
};

/* Vector registers have room for YMM; legacy SSE touches q[0..1] only. */
struct vector {
    uint64_t q[4];
};

enum activity { ACTIVITY_RUNNING, ACTIVITY_HALTED, ACTIVITY_SHUTDOWN };

struct cpu_state {
    /* section "integer" */
    uint64_t gpr[GPR_COUNT];
    uint64_t rip;
    uint64_t rflags; /* arithmetic bits are current only after flags_sync() */
    /* section "segments" */
    struct segment seg[SREG_COUNT];
    struct segment ldtr, tr;
    struct table_register gdtr, idtr;
    /* section "control" */
    uint64_t cr0, cr2, cr3, cr4, efer, xcr0;
    uint64_t pdpte[4]; /* PAE: as loaded by the last MOV CR3/CR0/CR4 */
    uint64_t dr[8];    /* 4 and 5 unused */
    /* section "msr" */
    uint64_t star, lstar, cstar, fmask, kernel_gs_base, tsc_aux;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, misc_enable, apic_base;
    uint64_t mtrr_def_type, mtrr_fixed[11], mtrr_base[8], mtrr_mask[8];
    uint64_t mcg_status, mcg_ctl, mc_bank[4 * 5];
    uint64_t perf_select[2], perf_counter[2]; /* P6: kept, but nothing is counted */
    int64_t tsc_offset;                       /* TSC = clock + tsc_offset */
    /* section "float" */
    struct x87_state x87;
    struct vector vec[16];
    uint32_t mxcsr;
    uint32_t pad_float;
    /* section "events" */
    uint8_t activity;    /* enum activity */
    uint8_t intr_shadow; /* STI or MOV SS: no interrupt (bit 0), no debug trap (bit 1) before the next
                            instruction is done */
    uint8_t nmi_blocked; /* until IRET */
    uint8_t nmi_pending;
    uint8_t intr_line;      /* level of the INTR input */
    uint8_t a20;            /* level of the A20M# input: 1 = address bit 20 passes */
    uint8_t x87_ferr;       /* FERR# output */
    uint8_t ignne;          /* IGNNE# asserted: with CR0.NE = 0 pending x87 errors are ignored */
    uint64_t debug_pending; /* DR6 bits of a #DB to be taken at the next boundary */
    uint64_t clock;         /* cycles since power-on */
    uint64_t instructions;  /* retired; a REP counts once */
    uint64_t random;        /* what RDRAND and RDSEED draw from */
};

#endif
