/* Faults as handlers report them, and everything that enters a handler of the guest at an instruction
 * boundary: faults, double fault and shutdown, INTR, NMI, #DB traps (SDM vol. 3, 6.3 to 6.15).
 *
 * Left out: machine checks are never raised.
 *
 * A fault during delivery combines with the first by the classes of SDM vol. 3, table 6-5:
 *
 *     first \ second   benign   contributory   page fault
 *     benign           serial   serial         serial
 *     contributory     serial   double         serial
 *     page fault       serial   double         double
 *     double fault     shutdown on any of the last two
 */
#include "cpu/protect.h"

enum exec cpu_fault(struct cpu *cpu, enum exception vector)
{
    cpu->fault = (struct fault){.vector = (uint8_t)vector};
    return EXEC_FAULT;
}

enum exec cpu_fault_code(struct cpu *cpu, enum exception vector, uint32_t code)
{
    cpu->fault = (struct fault){.vector = (uint8_t)vector, .has_code = true, .code = code};
    return EXEC_FAULT;
}

enum exec cpu_fault_page(struct cpu *cpu, uint64_t linear, uint32_t code)
{
    cpu->fault = (struct fault){.vector = VEC_PF, .has_code = true, .code = code, .cr2 = linear};
    return EXEC_FAULT;
}

enum fault_class { CLASS_BENIGN, CLASS_CONTRIBUTORY, CLASS_PAGE, CLASS_DOUBLE };

static enum fault_class fault_class(unsigned vector)
{
    switch (vector) {
    case VEC_DE:
    case VEC_TS:
    case VEC_NP:
    case VEC_SS:
    case VEC_GP: return CLASS_CONTRIBUTORY;
    case VEC_PF: return CLASS_PAGE;
    case VEC_DF: return CLASS_DOUBLE;
    default: return CLASS_BENIGN;
    }
}

/* Vector to deliver after `second` happened while delivering `first`; VEC_DF for a double fault. */
static bool makes_double_fault(enum fault_class first, enum fault_class second)
{
    if (first == CLASS_CONTRIBUTORY)
        return second == CLASS_CONTRIBUTORY;
    return first == CLASS_PAGE && (second == CLASS_CONTRIBUTORY || second == CLASS_PAGE);
}

static void shut_down(struct cpu *cpu)
{
    cpu_exit(cpu, CPU_EXIT_SHUTDOWN, 0);
    cpu->s.activity = ACTIVITY_SHUTDOWN;
    log_line(cpu->log, LOG_CPU_RESET, "triple fault: shutdown at %04x:%08llx", cpu->s.seg[CS].selector,
             (unsigned long long)cpu->s.rip);
    cpu_attend(cpu);
}

static void log_event(struct cpu *cpu, const struct cpu_event *event)
{
    if (log_wants(cpu->log, LOG_INT))
        log_line(cpu->log, LOG_INT, "vector %02x code %04x kind %d at %04x:%08llx cpl %u cr2 %08llx",
                 event->vector, event->code, (int)event->kind, cpu->s.seg[CS].selector,
                 (unsigned long long)cpu->s.rip, cpu->cpl, (unsigned long long)cpu->s.cr2);
}

static void charge_delivery(struct cpu *cpu)
{
    cpu->s.clock += cpu->config.cost[cpu->cpl == 3][COST_INT];
}

/* Deliver, and whatever faults come of it, until one handler has been entered or nothing is left. */
static void deliver_chain(struct cpu *cpu, struct cpu_event event)
{
    enum fault_class first = event.kind == EVENT_EXCEPTION ? fault_class(event.vector) : CLASS_BENIGN;
    charge_delivery(cpu);
    cpu->s.activity = ACTIVITY_RUNNING;
    for (;;) {
        log_event(cpu, &event);
        if (event_deliver(cpu, &event))
            break;
        enum fault_class second = fault_class(cpu->fault.vector);
        if (second == CLASS_PAGE) /* even when a double fault comes of it */
            cpu->s.cr2 = cpu->fault.cr2;
        if (first == CLASS_DOUBLE && second != CLASS_BENIGN) {
            shut_down(cpu);
            return;
        }
        if (makes_double_fault(first, second))
            cpu_fault_code(cpu, VEC_DF, 0);
        first = fault_class(cpu->fault.vector);
        event = (struct cpu_event){
            .vector = cpu->fault.vector,
            .kind = EVENT_EXCEPTION,
            .has_code = cpu->fault.has_code,
            .code = cpu->fault.code,
            .rip = cpu->s.rip,
            .flags = flags_read(cpu) | FLAG_RF,
            .exit = CPU_EXIT_EXCEPTION,
            .exit_detail = cpu->fault.vector | (uint64_t)cpu->fault.code << 32,
        };
    }
    cpu->s.intr_shadow = 0;
    cpu_attend(cpu);
}

void cpu_deliver_fault(struct cpu *cpu)
{
    const struct fault *fault = &cpu->fault;
    if (fault->vector == VEC_PF)
        cpu->s.cr2 = fault->cr2;
    if (fault->vector == VEC_DB)
        cpu->s.dr[7] &= ~(UINT64_C(1) << 13); /* GD: the handler may use the debug registers */
    uint64_t flags = flags_read(cpu);
    /* SDM vol. 3, 17.3.1.1: RF is set in the image of every fault but #DB. */
    deliver_chain(cpu, (struct cpu_event){
                           .vector = fault->vector,
                           .kind = EVENT_EXCEPTION,
                           .has_code = fault->has_code && (cpu->s.cr0 & CR0_PE) != 0,
                           .code = fault->code,
                           .rip = cpu->s.rip,
                           .flags = fault->vector == VEC_DB ? flags : flags | FLAG_RF,
                           .exit = CPU_EXIT_EXCEPTION,
                           .exit_detail = fault->vector | (uint64_t)fault->code << 32,
                       });
}

void cpu_deliver_interrupt(struct cpu *cpu)
{
    uint8_t vector = cpu->bus->intr_ack(cpu->bus->ctx);
    deliver_chain(cpu, (struct cpu_event){
                           .vector = vector,
                           .kind = EVENT_EXTERNAL,
                           .rip = cpu->s.rip,
                           .flags = flags_read(cpu),
                           .exit = CPU_EXIT_INTERRUPT,
                           .exit_detail = vector,
                       });
}

void cpu_deliver_nmi(struct cpu *cpu)
{
    cpu->s.nmi_pending = 0;
    cpu->s.nmi_blocked = 1;
    deliver_chain(cpu, (struct cpu_event){
                           .vector = VEC_NMI,
                           .kind = EVENT_EXCEPTION,
                           .rip = cpu->s.rip,
                           .flags = flags_read(cpu),
                           .exit = CPU_EXIT_NMI,
                       });
}

void cpu_deliver_debug(struct cpu *cpu)
{
    cpu->s.dr[6] = (cpu->s.dr[6] & ~UINT64_C(0xF)) | cpu->s.debug_pending;
    cpu->s.dr[7] &= ~(UINT64_C(1) << 13);
    cpu->s.debug_pending = 0;
    deliver_chain(cpu, (struct cpu_event){
                           .vector = VEC_DB,
                           .kind = EVENT_EXCEPTION,
                           .rip = cpu->s.rip,
                           .flags = flags_read(cpu),
                           .exit = CPU_EXIT_EXCEPTION,
                           .exit_detail = VEC_DB,
                       });
}
