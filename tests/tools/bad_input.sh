#!/bin/sh
# Bad input gets one clear line on standard error and a non-zero status; nothing hangs, nothing crashes.
#
# Usage: bad_input.sh CROSSPAGE NETTEST.ELF
set -eu

crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") elf=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
profiles=$(cd "$(dirname "$0")/../../profiles" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work" # a module's file name ends at a space
rows=0 failures=0

# refuse STATUS PATTERN ARGUMENT...: the command fails with that status and one line that matches.
refuse() {
    status=$1 pattern=$2
    shift 2
    rows=$((rows + 1))
    got=0
    timeout 60 "$crosspage" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
    lines=$(wc -l <"$work/err")
    if [ $got -ne "$status" ] || [ "$lines" -ne 1 ] || ! grep -q "$pattern" "$work/err"; then
        failures=$((failures + 1))
        echo "FAIL: crosspage $* -> status $got, $lines lines:"
        head -n 5 "$work/err"
    fi
}

run() {
    status=$1 pattern=$2
    shift 2
    refuse "$status" "$pattern" run -quiet -m 32 -stop-after 0.05 "$@"
}

# survive STATUS ARGUMENT...: a guest that may do as it likes. The run ends with that status at the most and with one
# line on standard error at the most, after what a triple fault prints; no sanitizer says a word.
survive() {
    status=$1
    shift
    rows=$((rows + 1))
    got=0
    timeout 60 "$crosspage" run -quiet -m 32 -no-reboot -serial null -stop-after 0.01 "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
    if [ $got -gt "$status" ] || grep -q 'Sanitizer\|runtime error\|check failed' "$work/err"; then
        failures=$((failures + 1))
        echo "FAIL: crosspage run $* -> status $got (expected at most $status):"
        head -n 5 "$work/err"
    fi
}

# damaged ARGUMENT...: input damaged at random, which may still be valid: success, or status 1 and one line.
damaged() {
    rows=$((rows + 1))
    got=0
    timeout 60 "$crosspage" "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
    lines=$(wc -l <"$work/err")
    if [ $got -gt 1 ] || [ "$lines" -ne $got ]; then
        failures=$((failures + 1))
        cp "$work/bent" "$work/bent.$rows"
        trap - EXIT # keeps the files
        echo "FAIL: crosspage $* ($work/bent.$rows) -> status $got, $lines lines:"
        head -n 5 "$work/err"
    fi
}

# ---- Command line ----
refuse 2 "did you mean 'run'" rum
refuse 2 "unknown command" xyzzy
run 2 'write tcp|udp' -nic user,hostfwd=22 -kernel "$elf"
run 2 'are of -nic user' -nic peer,hostfwd=tcp::1-:1 -kernel "$elf"
run 2 'known: off, on' -nic user,restrict=perhaps -kernel "$elf"
run 2 'takes a recording of one' -nic user -engine check -kernel "$elf"
run 2 'not a second host' -nic user -kernel "$elf" -- -kernel "$elf"
run 2 'give -s, -gdb or -monitor' -S -kernel "$elf"
run 1 'none of tcp' -gdb 1234 -kernel "$elf"
run 1 'HOST.:PORT' -gdb tcp:1 -kernel "$elf"
run 1 "unknown word 'client'" -gdb tcp::0,client -kernel "$elf"
run 2 "did you mean '-kernel'" -kernal "$elf"
run 2 "unknown option" -frobnicate
run 2 "unknown option '-Q'; 'crosspage help' lists them" -Q # no guess from one letter
run 2 "did you mean '-initrd'" -kernel "$elf" -intird x
run 2 "does not write down" -kernel "$elf" -record "$work/recording" -gdb tcp::0
run 2 "does not write down" -kernel "$elf" -record "$work/recording" -monitor tcp::0
run 2 "takes no input" -kernel "$elf" -record "$work/recording" -engine check
run 1 "cannot write" -kernel "$elf" -record "$work/no/such/folder"
run 1 "one of the two" -kernel "$elf" -record "$work/recording" -replay "$work/recording"
run 2 "needs a value" -kernel
run 2 "nothing to boot"
run 2 "not an option" "$elf"
run 2 "not a size" -kernel "$elf" -m lots
run 2 "memory is" -kernel "$elf" -m 0
run 2 "did you mean 'interp'" -kernel "$elf" -engine intrep
run 2 "every 1 to 1T cycles" -kernel "$elf" -engine check,every=0
run 2 "at 1 to 1000000 points" -kernel "$elf" -engine check,points=0
run 2 "unknown engine option 'every=5'" -kernel "$elf" -engine translate,every=5
run 2 "takes no input" -kernel "$elf" -engine check -serial pty
run 2 "no trace, capture or statistics" -kernel "$elf" -engine check -stats "$work/stats"
run 2 "at least 1" -kernel "$elf" -nic peer,coalesce=0
run 2 "too large" -kernel "$elf" -nic peer,coalesce=1001
run 1 "only a hosted monitor has" -kernel "$elf" -nic peer,coalesce=2
run 1 "sent= is of the host's NIC" -kernel "$elf" -nic peer,sent=drained
run 2 "unknown value" -kernel "$elf" -nic peer,sent=never
run 2 "no unicast" -kernel "$elf" -nic peer,mac=ff:ff:ff:ff:ff:ff
run 2 "unknown property" -kernel "$elf" -nic peer,colour=red
run 2 "IPv4" -kernel "$elf" -nic peer,ip=10.0.0
run 2 "base=" -kernel "$elf" -rtc base=yesterday
run 2 "unknown value" -kernel "$elf" -d everything
run 2 "simulated seconds" -kernel "$elf" -stop-after never
run 2 "a disk needs" -kernel "$elf" -drive media=disk
run 2 "twice" -kernel "$elf" -hda "$elf" -hda "$elf"
run 1 "unknown hypervisor" -kernel "$elf" -hypervisor vmwear
run 1 "workstation" -kernel "$elf" -hypervisor workstation,zippy=on
run 1 "combine-limit must be a number, 1..16" -kernel "$elf" -hypervisor workstation,combine-limit=17
run 1 "combine-limit must be a number, 1..16" -kernel "$elf" -hypervisor workstation,combine-limit
run 1 "bypass=on drives the NIC" -kernel "$elf" -hypervisor workstation,bypass,net=nat
run 1 "version must be one of 2.0|optimized" -kernel "$elf" -hypervisor workstation,version=3.0
run 1 "unknown CPU model" -kernel "$elf" -cpu pentium9
run 1 "profile" -kernel "$elf" -profile pc-9000
run 1 "cost" -kernel "$elf" -cost switch.warp=1us
run 1 "not a number" -kernel "$elf" -cost switch.cr3=fast
run 1 "did you mean 'cache.l2-size'" -kernel "$elf" -cost cache.l3-size=1
run 1 "not a whole number" -kernel "$elf" -cost cache.l2-ways=2.5
run 1 "not a whole number" -kernel "$elf" -cost cache.l2-size=1us
run 1 "l1d: the number of sets" -kernel "$elf" -timing cache -cost cache.l1d-size=3000
run 1 "l1d: the number of sets" -kernel "$elf" -timing cache -cost cache.l1d-size=65536
run 1 "dtlb: ways" -kernel "$elf" -timing cache -cost cache.dtlb-ways=1
run 1 "a cache line has" -kernel "$elf" -timing cache -cost cache.line=512
run 1 "power of two" -kernel "$elf" -timing cache -cost cache.line=0
run 1 "branch target buffer" -kernel "$elf" -timing cache -cost cache.btb-entries=7
run 1 "return stack" -kernel "$elf" -timing cache -cost cache.returns=3
run 1 "cache.memory-load: more than" -kernel "$elf" -timing cache -cost cache.memory-load=1000000
run 1 "cache.host-code-lines: more than" -kernel "$elf" -timing cache -cost cache.host-code-lines=1000000
sed '/^\[cache\]/,/^$/d' "$profiles/pc-733.ini" >"$work/bare.ini"
run 1 "does not give 'cache.line'" -kernel "$elf" -timing cache -profile "$work/bare.ini"
# A guest without a way to switch off halts with interrupts off; that is no success.
for way in none workstation; do
    run 1 "guest halted for good" -kernel "$elf" -hypervisor $way -serial null -append "exit=none total=12q"
done

run 2 "not a size" -kernel "$elf" -m -64
run 2 "memory is" -kernel "$elf" -m 1
run 2 "not a size" -kernel "$elf" -m 99999999999999999999
run 2 "memory is" -kernel "$elf" -m 1000G
run 2 "simulated seconds" -kernel "$elf" -stop-after -1
run 2 "whole number" -kernel "$elf" -drive file="$elf",index=-1
run 2 "too large" -kernel "$elf" -drive file="$elf",index=4
run 2 "whole number" -kernel "$elf" -nic peer,rate=-10
run 2 "at least 1" -kernel "$elf" -nic peer,rate=0
run 2 "not a size" -kernel "$elf" -nic peer,limit=-1
run 2 "unknown value" -kernel "$elf" -serial-pace turtle
run 2 "unknown value" -kernel "$elf" -fast-paths maybe
run 2 "did you mean 'table'" -kernel "$elf" -timing tabel
run 2 "takes no value" --kernel="$elf" --snapshot=on
run 1 "not a number\|negative\|cost" -kernel "$elf" -cost switch.cr3=-1us
if [ $(($(getconf _PHYS_PAGES) / 256)) -lt 65536 ]; then
    run 1 "this host has" -kernel "$elf" -m 64G
fi
refuse 2 "unknown option" report -frobnicate
refuse 2 "unknown option" costs -frobnicate
refuse 2 "not a\|unknown\|16" disasm -m 48 90

# ---- Experiments ----
experiment() {
    status=$1 pattern=$2
    shift 2
    refuse "$status" "$pattern" experiment -quiet -kernel "$elf" "$@"
}
experiment 2 "which experiment"
experiment 2 "did you mean 'table1'" tabel1
experiment 2 "no experiment is called 'xyzzyxyzzy'" fig5 xyzzyxyzzy
experiment 2 "unknown option" sweep -frobnicate
experiment 2 "expected name=value" sweep -set total
experiment 2 "did you mean 'switch.cr3'" sweep -set switch.cr4=1
experiment 2 "without blanks or commas" sweep -set total=1,2
experiment 2 "no machine is called 'pdp-11'" sweep -set @pdp-11
experiment 2 "is too long" sweep -set "total=$(head -c 100 /dev/zero | tr '\0' 1)"
experiment 2 "is no range" sweep -vary write=1:2
experiment 2 "is no range" sweep -vary write=1:2:3:4
experiment 2 "never gets" sweep -vary write=1:2:-1
experiment 2 "different units" sweep -vary switch=1us:2ns:1us
experiment 2 "more than 10000" sweep -vary write=1:2:0.00001
experiment 2 "more than 100000 combinations" sweep -vary write=1:5000:1 -vary total=1:5000:1
experiment 2 "is no parameter" sweep -vary frobnication=1,2
experiment 2 "give its values by -vary" fig6 -set write=7
experiment 2 "against what" counterfactual
experiment 2 "is no parameter" counterfactual -against frobnication=1
experiment 2 "there is no experiment 'a'" sensitivity -of a:b:c
experiment 2 "has no run 'b'" sensitivity -of fig5:b:c
experiment 2 "expected METRIC or" sensitivity -of fig5:b
experiment 2 "at least one" sweep -j 0
experiment 2 "not a whole number" sweep -j many
experiment 2 "expects seconds" sweep -timeout never
experiment 2 "unknown format" sweep -format haiku
experiment 2 "known are nettest and linux" sweep -guest minix
experiment 2 "has no -initrd" sweep -guest nettest -initrd "$elf"
refuse 1 "cannot open" experiment sweep -quiet -kernel /nosuch
refuse 1 "not a regular file" experiment sweep -quiet -kernel /dev
: >"$work/file"
experiment 1 "cannot make the folder" sweep -o "$work/file"
experiment 2 "name is too long" sweep -o "/$(head -c 3000 /dev/zero | tr '\0' x)"

# ---- Profiles ----
mkdir "$work/folder"
mkfifo "$work/fifo"
: >"$work/empty"
head -c 200000 /dev/urandom >"$work/random"
run 1 "profile .*not a regular file" -kernel "$elf" -profile "$work/folder"
run 1 "profile .*not a regular file" -kernel "$elf" -profile "$work/fifo"
run 1 "profile .*empty" -kernel "$elf" -profile "$work/empty"
run 1 "profile .*binary" -kernel "$elf" -profile "$work/random"
run 1 "profile .*not a regular file" -kernel "$elf" -profile /dev/zero
printf '[profile]\ncpu_mhz = -5\n' >"$work/negative"
run 1 "profile .*cpu_mhz" -kernel "$elf" -profile "$work/negative"
printf '[profile]\nbase = %s\n' "$work/loop" >"$work/loop"
run 1 "profile .*base" -kernel "$elf" -profile "$work/loop"

# ---- Kernels and initial RAM disks ----
head -c 6000 "$elf" >"$work/short.elf"
run 1 "cannot open" -kernel "$work/nosuch"
run 1 "cannot read" -kernel "$work"
run 1 "empty" -kernel "$work/empty"
run 1 "no bootable kernel" -kernel "$work/random"
run 1 "damaged Multiboot" -kernel "$work/short.elf"
run 1 "cannot open" -kernel "$elf" -initrd "nosuch"
printf 'x' | dd of="$work/header" bs=1 seek=510 conv=notrunc 2>/dev/null
{ dd if=/dev/zero bs=1 count=510; printf '\125\252\353\146HdrS\017\002'; dd if=/dev/zero bs=1 count=4000; } >"$work/bz" 2>/dev/null
run 1 "no bootable kernel" -kernel "$work/bz"
run 1 "not a regular file" -kernel "$work/fifo"
run 1 "not a regular file" -kernel /dev/zero
run 1 "not a regular file" -kernel "$elf" -initrd "folder"
run 1 "not a regular file" -kernel "$elf" -initrd "fifo"
run 1 "empty" -kernel "$elf" -initrd "empty"
truncate -s 1T "$work/sparse" # more than some file systems take is as good as none
run 1 "too large\|cannot" -kernel "$work/sparse"
run 1 "too large\|cannot" -kernel "$elf" -initrd "sparse"
head -c 40000000 /dev/zero >"$work/forty"
run 1 "does not fit\|too large" -kernel "$elf" -initrd "forty"

# A bzImage of boot protocol 2.15 whose kernel is HLT in a loop: field by field (offsets from the Linux boot
# protocol), each cut off and each with bits that no kernel has.
bzimage() {
    head -c 497 /dev/zero
    printf '\001\000\000\000\001\000\000\000\000\000\000\000\000\125\252' # setup_sects 1 .. boot_flag
    printf '\353\152HdrS\017\002'                                        # jump, magic, version
    head -c 9 /dev/zero
    printf '\001'                                                         # loadflags: LOADED_HIGH
    head -c 26 /dev/zero
    printf '\377\377\377\177'                                             # initrd_addr_max
    head -c 8 /dev/zero
    printf '\377\007\000\000'                                             # cmdline_size
    head -c 456 /dev/zero
    printf '\364\353\375'
    head -c 8189 /dev/zero
}
bzimage >"$work/linux"
survive 1 -kernel "$work/linux" # halts with interrupts off
for offset in 497 500 510 512 513 514 518 529 531 552 556 560 564 568 572 592 600 608 616 1024; do
    head -c $offset "$work/linux" >"$work/cut"
    run 1 "no bootable kernel" -kernel "$work/cut"
    { head -c $offset "$work/linux"; printf '\377\377\377\377\377\377\377\377'; tail -c +$((offset + 9)) "$work/linux"; } >"$work/bent"
    survive 1 -kernel "$work/bent"
    survive 1 -kernel "$work/bent" -initrd "random"
done
for n in 1 2 3 4 5 6 7 8; do # an ELF kernel with random bytes in its headers
    cp "$elf" "$work/bent"
    head -c 24 /dev/urandom | dd of="$work/bent" bs=1 seek=$((n * 12)) conv=notrunc 2>/dev/null
    survive 1 -kernel "$work/bent"
done

# ---- Disks, consoles, outputs ----
run 1 "nosuch" -kernel "$elf" -hda "$work/nosuch"
run 1 "empty\|truncated\|size" -kernel "$elf" -hda "$work/empty"
for disk in folder fifo; do
    run 1 "not a file or block device\|cannot open" -kernel "$elf" -hda "$work/$disk"
    run 1 "not a file or block device\|cannot open" -kernel "$elf" -hda "$work/$disk" -snapshot
    run 1 "not a file or block device\|cannot open" -kernel "$elf" -cdrom "$work/$disk"
done
run 1 "not a file or block device" -kernel "$elf" -hda /dev/zero
head -c 1000 /dev/zero >"$work/odd"
run 1 "truncated" -kernel "$elf" -hda "$work/odd"
run 1 "truncated" -kernel "$elf" -cdrom "$work/odd"
survive 0 -kernel "$elf" -append exit=acpi -hda "$work/sparse"
survive 0 -kernel "$elf" -append exit=acpi -hda "$work/sparse" -snapshot
run 1 "serial\|unknown\|character" -kernel "$elf" -serial telepathy
run 1 "cannot\|serial" -kernel "$elf" -serial file:"$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -trace "$work/no/such/folder"
run 2 "give -trace" -kernel "$elf" -probe irq_dispatch
run 2 "give one of them" -kernel "$elf" -symbols "$elf"
run 2 "power of two" -kernel "$elf" -probe irq_dispatch -trace "$work/t" -probe-stack 5000
run 2 "cycles apart" -kernel "$elf" -sample 1 -trace "$work/t"
run 1 "no function 'nothing_of_it'" -kernel "$elf" -probe nothing_of_it -trace "$work/t"
run 1 "no address" -kernel "$elf" -probe 0xyz -trace "$work/t"
run 1 "cannot open\|No such file" -kernel "$elf" -probe irq_dispatch -trace "$work/t" -symbols "$work/none"
run 1 "neither" -kernel "$elf" -probe irq_dispatch -trace "$work/t" -symbols "$work/random"
echo "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package" >"$work/map"
run 1 "stand-in" -kernel "$elf" -probe irq_dispatch -trace "$work/t" -symbols "$work/map"
{ head -c 3000 "$elf"; head -c 64 "$work/random"; } >"$work/map"
run 1 "symbols" -kernel "$elf" -probe irq_dispatch -trace "$work/t" -symbols "$work/map"
run 1 "cannot write" -kernel "$elf" -pcap "$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -D "$work/no/such/folder"
run 1 "cannot write" -kernel "$elf" -stats "$work/no/such/folder"
for output in trace pcap D stats; do
    run 1 "cannot write\|directory" -kernel "$elf" -append exit=acpi -$output "$work/folder"
done
for output in trace pcap stats; do
    run 1 "failed\|cannot write" -kernel "$elf" -append exit=acpi -$output /dev/full
done

# ---- Traces ----
refuse 1 "not a regular file" report "$work/folder"
refuse 1 "not a regular file" report "$work/fifo"
refuse 1 "not a readable trace" report "$work/sparse"
refuse 2 "which trace" report
refuse 2 "give both" report -diff "$elf"
refuse 2 "one trace at a time" report "$elf" "$elf"
refuse 2 "too many traces" report -diff "$elf" "$elf" "$elf"
refuse 2 "formats text and json" report -diff -format csv "$elf" "$elf"
refuse 1 "not a readable trace" report -diff "$work/random" "$work/random"
refuse 2 "unknown format" report -format haiku "$elf"
refuse 1 "cannot open" report "$work/nosuch"
refuse 1 "not a readable trace" report "$work/random"
refuse 1 "not a readable trace" report "$work/empty"
"$crosspage" run -quiet -m 32 -kernel "$elf" -append "exit=acpi total=20000" -nic peer -serial null -trace "$work/trace" </dev/null
size=$(wc -c <"$work/trace")
number() { od -An -N4 -tu4 /dev/urandom | tr -d ' '; }
for n in $(seq 50); do
    bytes=$(($(number) % size))
    head -c $bytes "$work/trace" >"$work/cut"
    refuse 1 "not a readable trace" report "$work/cut"
done
for n in $(seq 20); do # the checksum, or the decompressor before it, finds every damaged byte
    bytes=$((10 + $(number) % (size - 10)))
    { head -c $bytes "$work/trace"; head -c 64 /dev/urandom; tail -c +$((bytes + 65)) "$work/trace"; } >"$work/bent"
    damaged report "$work/bent"
done
"$crosspage" run -quiet -m 32 -kernel "$elf" -append "exit=acpi total=20000" -nic peer -serial null -trace "$work/probed" \
    -probe syscall_dispatch,tcp_write,ethernet_send,irq_dispatch -sample 20000 </dev/null
for kind in trace probed; do
    # Reports read this form as well; nothing but the reader's own checks protects it.
    gzip -dc "$work/$kind" >"$work/plain"
    size=$(wc -c <"$work/plain")
    for n in $(seq 30); do
        bytes=$(($(number) % size))
        { head -c $bytes "$work/plain"; printf '\377'; tail -c +$((bytes + 2)) "$work/plain"; } >"$work/bent"
        damaged report "$work/bent"
        [ $kind = trace ] || damaged report -format folded "$work/bent"
    done
done
refuse 2 "hexadecimal" disasm 9z

echo "$rows rows, $failures failures"
[ $failures -eq 0 ]
