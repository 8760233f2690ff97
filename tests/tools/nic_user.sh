#!/bin/sh
# -nic user without an internet: streams of the embedded guest to a process of this host (10.0.2.2), and of this host to the guest's
# server through forwarded ports, under both hypervisors; and nothing gets out with restrict=on.
#
# Usage: nic_user.sh CROSSPAGE NETTEST.ELF; status 77 without python3 or loopback network
set -eu

"$(dirname "$0")/loopback.sh" || exit $?
crosspage=$1 elf=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# sink: prints its port to $work/port, takes one stream, and prints how long it was and the sum of its bytes.
cat >"$work/sink" <<'EOD'
import socket, sys
s = socket.socket()
s.bind(('127.0.0.1', 0))
s.listen(1)
s.settimeout(float(sys.argv[2]))
with open(sys.argv[1] + '.new', 'w') as f:
    f.write('%d\n' % s.getsockname()[1])
import os
os.rename(sys.argv[1] + '.new', sys.argv[1])
try:
    c, peer = s.accept()
except socket.timeout:
    print('nobody')
    sys.exit()
n = 0
while True:
    d = c.recv(65536)
    if not d:
        break
    n += len(d)
print(n)
EOD
# port: a free one. connect PORT read|BYTES: to the guest's server, which may not be there yet; how many bytes went.
cat >"$work/port" <<'EOD'
import socket
s = socket.socket()
s.bind(('127.0.0.1', 0))
print(s.getsockname()[1])
EOD
cat >"$work/connect" <<'EOD'
import socket, sys, time
for attempt in range(100):
    try:
        s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)
        s.settimeout(20)
        n = 0
        if sys.argv[2] == 'read':
            while True:
                d = s.recv(65536)
                if not d:
                    break
                n += len(d)
        else:
            n = int(sys.argv[2])
            s.sendall(bytes(n))
            s.shutdown(socket.SHUT_WR)
            while s.recv(65536):
                pass
        if n:
            print(n)
            sys.exit()
    except OSError:
        pass
    time.sleep(0.1)
print('nothing')
EOD

# run NIC WORDS OPTION...
run() {
    nic=$1 words=$2
    shift 2
    timeout 120 "$crosspage" run -quiet -m 32 -nic "$nic" -kernel "$elf" -append "exit=acpi ip=10.0.2.15 peer=10.0.2.2 $words" \
        -serial "file:$work/serial" "$@" </dev/null
}

# equal GOT EXPECTED WHAT
equal() {
    [ "$1" = "$2" ] || { echo "FAIL: $3: '$1', not '$2'"; cat "$work/serial"; exit 1; }
}

# start_sink SECONDS: at $port.
start_sink() {
    rm -f "$work/sink.port"
    python3 "$work/sink" "$work/sink.port" "$1" >"$work/got" &
    while ! [ -s "$work/sink.port" ]; do sleep 0.05; done
    port=$(cat "$work/sink.port")
}

for hypervisor in none workstation; do
    start_sink 60
    run user "total=1000000 port=$port" -hypervisor $hypervisor
    wait $!
    equal "$(cat "$work/got")" 1000000 "bytes from the guest, $hypervisor"

    forward=$(python3 "$work/port")
    run "user,hostfwd=tcp::$forward-:7777" "mode=source total=500000 port=7777" -hypervisor $hypervisor &
    equal "$(python3 "$work/connect" "$forward" read)" 500000 "bytes from the guest's server, $hypervisor"
    wait $!
done

forward=$(python3 "$work/port")
run "user,restrict=on,hostfwd=tcp:127.0.0.1:$forward-10.0.2.15:9" "mode=serve" &
equal "$(python3 "$work/connect" "$forward" 300000)" 300000 "bytes to the guest's server"
wait $!

start_sink 5
run user,restrict=on "total=1000 port=$port" -stop-after 2
wait $!
equal "$(cat "$work/got")" nobody "with restrict=on"
echo "streams both ways, nobody where nobody may be"
