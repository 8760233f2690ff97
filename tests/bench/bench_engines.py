"""The engines: how each is started, and how its kernels are timed.

The benchmark program prints a line before and after each kernel (guests/bench/main.c). Work begins when the newline of the
first arrives and ends when the first character of the second arrives, by the host's monotonic clock. Beside it
the CPU time of the emulator is read at the same moments (the native run says its own): on a machine with other work it is
the steadier measure."""

import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

import bench_guest
from bench_guest import Problem

LINE = re.compile(rb"BENCH (\S+) (start|end|fail|skip) ?(.*)")
MEMORY_MB = 256


class Engine:
    """One way to run the guest. `command` is the argument vector for a list of kernels."""

    emulates = True

    def __init__(self, name):
        self.name = name
        self.version = ""

    def prepare(self, guest):
        """Fails with one line if this engine cannot run."""

    def command(self, guest, kernels):
        raise NotImplementedError

    def environment(self):
        return None

    def close(self):
        """Removes what prepare left behind."""


class Crosspage(Engine):
    def __init__(self, name, binary, cpu, more):
        super().__init__(name)
        self.binary, self.cpu, self.more = binary, cpu, more

    def prepare(self, guest):
        if not os.access(self.binary, os.X_OK):
            raise Problem(f"{self.binary} is not built")

    def command(self, guest, kernels):
        return [str(self.binary), "run", "-engine", self.name, "-hypervisor", "none", "-cpu", self.cpu, "-m",
                str(MEMORY_MB), "-kernel", str(guest.kernel), "-initrd", str(guest.initramfs), "-append",
                f"{guest.append} bench.run={kernels}", "-nic", "none", "-nographic", "-no-reboot", "-quiet", *self.more]


class Qemu(Engine):
    # The nearest of QEMU's models, by family, model and feature bits.
    MODELS = {"x86-64-v3": "Haswell", "x86-64-v2": "Nehalem", "pentium3": "pentium3"}

    def __init__(self, name, cpu, icount):
        super().__init__(name)
        if cpu not in self.MODELS:
            raise Problem(f"no CPU model of QEMU to compare with {cpu}; known: {', '.join(self.MODELS)}")
        self.cpu, self.icount = self.MODELS[cpu], icount

    def prepare(self, guest):
        if shutil.which(guest.qemu) is None:
            raise Problem(f"{guest.qemu} is not installed (apt-get install qemu-system-x86)")
        self.version = bench_guest.helper(guest.qemu, "--version").splitlines()[0]

    def command(self, guest, kernels):
        icount = ["-icount", "shift=0,sleep=off"] if self.icount else []
        return [guest.qemu, "-M", "pc", "-accel", "tcg", "-cpu", self.cpu, "-m", str(MEMORY_MB), "-kernel",
                str(guest.kernel), "-initrd", str(guest.initramfs), "-append", f"{guest.append} bench.run={kernels}",
                "-nic", "none", "-nographic", "-no-reboot", *icount]


class Native(Engine):
    """The same binaries on the host, in the same tree, in a file system in memory."""

    emulates = False

    def prepare(self, guest):
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
        self.folder = tempfile.mkdtemp(prefix="crosspage-bench.", dir=memory)
        shutil.copytree(guest.root, self.folder, symlinks=True, dirs_exist_ok=True)

    def command(self, guest, kernels):
        return [str(guest.program), "run", "-r", self.folder, kernels]

    def environment(self):
        return {"GLIBC_TUNABLES": bench_guest.TUNABLES}

    def close(self):
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder, ignore_errors=True)


def cpu_seconds(pid):
    """CPU time of all threads of a process."""
    total = 0
    for file in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat"):
        try:
            total += int(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            pass # the thread has just ended
    return total * 1e-9


class Stamper:
    """Lines from a pipe with the moments at which their first and last characters of interest arrived."""

    def __init__(self, process):
        self.process, self.line, self.arrived = process, b"", []

    def moment(self):
        return time.monotonic(), cpu_seconds(self.process.pid)

    def lines(self, limit):
        """Yields (match, begin, end) for each line of the program. None when nothing happened for `limit` seconds; ends
        with the output."""
        file = self.process.stdout.fileno()
        while True:
            if not select.select([file], [], [], limit)[0]:
                yield None
                continue
            moment = self.moment()
            data = os.read(file, 65536)
            if not data:
                return
            for piece in data.splitlines(keepends=True):
                self.arrived.append((len(self.line), moment))
                self.line += piece
                if piece.endswith((b"\n", b"\r")):
                    match = LINE.search(self.line.rstrip())
                    if match:
                        begin = [at for place, at in self.arrived if place <= match.start()][-1]
                        yield match, begin, moment
                    self.line, self.arrived = b"", []


class Run:
    """The measurements of one engine in one repetition: results[name] = {status, seconds, cpu_seconds, checksum or
    reason}. `boot` is among the names. Kernels' stacks begin `stack` bytes lower than they would."""

    def __init__(self, engine, guest, limit, stack=0):
        self.engine, self.guest, self.limit, self.stack = engine, guest, limit, stack
        self.results = {}

    def all(self, requests):
        """A kernel that takes the emulator down is failed; the emulator is started again for those after it."""
        pending = list(requests)
        while pending:
            running, problem = self.once(pending)
            missing = [name for name, _ in pending if name not in self.results]
            if not missing:
                return
            if running is None and self.engine.emulates and "boot" not in self.results:
                self.results["boot"] = {"status": "failed", "reason": problem}
            if "boot" in self.results and self.results["boot"]["status"] == "failed":
                for name in missing:
                    self.results[name] = {"status": "failed", "reason": "no boot: " + problem}
                return
            self.results[running or missing[0]] = {"status": "failed", "reason": problem}
            pending = [(name, count) for name, count in pending if name not in self.results]

    def once(self, pending):
        """One start. Returns the kernel that was running when it ended, if any, and what happened."""
        command = self.engine.command(self.guest, ",".join(f"{name}:{count}@{self.stack}" for name, count in pending))
        running, problem = None, None
        with tempfile.TemporaryFile() as errors:
            start = time.monotonic(), 0
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                                       env=self.engine.environment(), start_new_session=True)
            try:
                for event in Stamper(process).lines(self.limit):
                    if event is None:
                        problem = f"no line for {self.limit} s"
                        break
                    match, begin, end = event
                    name, verb = match[1].decode(), match[2].decode()
                    if name == "run":
                        problem = match[3].decode() if verb == "fail" else "not run"
                        break
                    if verb == "start":
                        running, start = name, end
                        continue
                    self.note(name, verb, match[3].decode(), start, begin)
                    running = None
            finally:
                os.killpg(process.pid, signal.SIGKILL) # with what it started
                process.stdout.close()
                status = process.wait()
            errors.seek(0)
            said = errors.read().decode(errors="replace").strip().splitlines()
        if problem is None:
            problem = said[-1] if said else f"ended with status {status}"
        return running, problem

    def note(self, name, verb, text, start, begin):
        if name == "boot" and name in self.results:
            return
        if verb == "end":
            checksum, _, cpu = text.partition(" cpu=")
            self.results[name] = {"status": "ok", "seconds": begin[0] - start[0], "checksum": checksum,
                                  "cpu_seconds": begin[1] - start[1] if self.engine.emulates else float(cpu)}
        else:
            self.results[name] = {"status": "failed" if verb == "fail" else "skipped", "reason": text}
