"""What runs: Debian's kernel, the benchmark program and Debian's programs in one tree, which is the initramfs of every
emulator and the root folder of the native run."""

import os
import pathlib
import shutil
import subprocess

TREE = pathlib.Path(__file__).resolve().parents[2]

# One code path everywhere: the library's string functions must not choose what only the host's CPU or only one of the
# emulated ones has, and kernels must not add mitigations for the bugs of one model and not of the other.
TUNABLES = "glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-BMI2,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load"
APPEND = "console=ttyS0,115200 quiet panic=-1 rdinit=/bench/bench mitigations=off clearcpuid=erms GLIBC_TUNABLES=" + TUNABLES

ARCHES = {
    # debarch, QEMU's program, multiarch triplet
    "i686": ("i386", "qemu-system-i386", "i386-linux-gnu"),
    "amd64": ("amd64", "qemu-system-x86_64", "x86_64-linux-gnu"),
}

PROGRAMS = {
    # kernel's name: package, file
    "gzip": ("gzip", "bin/gzip"),
    "sqlite3": ("sqlite3", "usr/bin/sqlite3"),
    "tcc": ("tcc", "usr/bin/tcc"),
}


class Problem(Exception):
    """Something is missing or a helper failed: one line for the user, and the exit status."""

    def __init__(self, text, status=1):
        super().__init__(text)
        self.status = status


def helper(*command):
    """Runs a script of the tree; what it prints. Exit status 3 (no network) is ours too."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no message"]
        raise Problem(lines[-1], 3 if done.returncode == 3 else 1)
    return done.stdout


class Guest:
    """The kernel, tree and initramfs of one architecture, under `out`."""

    def __init__(self, arch, build, out, append=()):
        self.arch = arch
        self.append = " ".join((APPEND, *append))
        self.debarch, self.qemu, self.triplet = ARCHES[arch]
        self.program = build / "guests/bench" / f"bench-{self.debarch}"
        self.out = out
        self.kernel_folder = TREE / "out" / f"kernel-{arch}"
        self.kernel = self.kernel_folder / "vmlinuz"
        self.root = out / f"root-{arch}"
        self.initramfs = out / f"initramfs-{arch}"
        if not os.access(self.program, os.X_OK):
            raise Problem(f"{self.program} is not built (cmake --preset release && cmake --build build/release)")

    def kernels(self):
        """The table of kernels as the program has it: (name, set, count), in order."""
        rows = [line.split() for line in helper(self.program, "list").splitlines()]
        return [(name, group.lower(), int(count)) for name, group, count in rows]

    def make(self, names, build):
        """Fetches and builds what the kernels of these names need."""
        helper(TREE / "tools/fetch-kernel", self.arch, self.kernel_folder)
        self.release = (self.kernel_folder / "release").read_text().strip()
        shutil.rmtree(self.root, ignore_errors=True)
        for folder in ("bench", "tmp", "proc", "dev"):
            (self.root / folder).mkdir(parents=True)
        shutil.copy(self.program, self.root / "bench/bench")
        programs = [name for name in PROGRAMS if name in names]
        if programs:
            self.add_programs(programs)
        helper(TREE / "tools/mkinitramfs", "-n", build / "guests/linux" / f"nettest-{self.debarch}", "-x", self.root,
               self.kernel_folder, self.initramfs)

    def add_programs(self, names):
        packages = self.unpack([PROGRAMS[name][0] for name in PROGRAMS] + ["libc6-dev"])
        helper(TREE / "tools/collect-program", packages, self.root, *[PROGRAMS[name][1] for name in names])
        if "gzip" in names:
            (self.root / "bench/text").write_text(text(256 << 10))
        if "sqlite3" in names:
            shutil.copy(TREE / "tests/bench/query.sql", self.root / "bench/query.sql")
        if "tcc" in names:
            source = TREE / "guests/linux/kernels.c"
            shutil.copy(source, self.root / "bench/program.c")
            self.add_headers(packages, source)

    def unpack(self, names):
        """Packages and what they depend on, unpacked; again only if others are asked for."""
        folder = TREE / "out" / f"programs-{self.debarch}"
        listing = helper(TREE / "tools/fetch-package", "-d", self.debarch, folder, *names)
        tree, complete = folder / "tree", folder / "complete"
        if not complete.exists() or complete.read_text() != listing:
            shutil.rmtree(tree, ignore_errors=True)
            tree.mkdir()
            for package in listing.split():
                helper("dpkg-deb", "-x", folder / package, tree)
            complete.write_text(listing)
        return tree

    def add_headers(self, packages, source):
        """The headers that the source includes, from the packages."""
        compiler = f"usr/lib/{self.triplet}/tcc/include"
        folders = ["usr/include", f"usr/include/{self.triplet}", compiler]
        bits = "-m32" if self.debarch == "i386" else "-m64"
        rule = helper("cc", bits, "-M", "-nostdinc", *[f"-I{packages / folder}" for folder in folders], source)
        for word in rule.replace("\\\n", " ").split()[2:]:
            file = pathlib.Path(word).relative_to(packages)
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(packages / file, self.root / file)


def text(size):
    """Deterministic text with the redundancy of prose: words from a small vocabulary, common ones often."""
    seed, words, lines, line = 1, [], [], ""

    def number(limit):
        nonlocal seed
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
        return (seed >> 8) % limit

    for _ in range(800):
        words.append("".join("etaoinshrdlucmfwypvbgk"[min(number(22), number(22))] for _ in range(2 + number(7))))
    length = 0
    while length < size:
        word = words[min(number(800), number(800), number(800))]
        if len(line) + len(word) > 76:
            lines.append(line)
            length += len(line) + 1
            line = ""
        line += " " + word if line else word
    return "\n".join(lines)[:size - 1] + "\n"
