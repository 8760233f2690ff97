#!/bin/sh
# build.sh CC OBJCOPY 32|64 SOURCE-FOLDER NAME: make NAME.elf and NAME.img in the current folder.
set -eu
cc=$1 objcopy=$2 word=$3 source=$4 name=$5

# The sources use the GNU assembler's spellings of prefixes, and its objcopy is needed for raw images: clang's own
# assembler knows fewer.
case $("$cc" --version) in *clang*) cc="$cc -fno-integrated-as" ;; esac

link="-nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096"
link="$link -Wl,--no-warn-rwx-segments"

# shellcheck disable=SC2086 # options are separate words
$cc -m$word -c -Wa,--noexecstack "$source/$name.S" -o "$name.o"
$cc -m$word $link -Wl,-T,"$source/link.ld" "$name.o" -o "$name.linked"
"$objcopy" -O elf32-i386 "$name.linked" "$name.elf"

"$objcopy" -O binary -j .text "$name.elf" "$name.bin"
sectors=$((($(wc -c <"$name.bin") + 511) / 512))
$cc -m32 -c -Wa,--noexecstack -DIMAGE_SECTORS=$sectors "$source/bootsector.S" -o "$name.boot.o"
$cc -m32 $link -Wl,-Ttext,0x7c00 -Wl,--oformat,binary "$name.boot.o" -o "$name.boot"
# 2 cylinders of 16 heads and 63 sectors, the geometry that the test tells Bochs.
cat "$name.boot" "$name.bin" >"$name.img"
truncate -s 1032192 "$name.img"
rm -f "$name.o" "$name.boot.o" "$name.boot" "$name.bin" "$name.linked"
