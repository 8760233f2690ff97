#!/bin/sh
# A Debian guest on the host's network (-nic user), without an internet: DHCP by busybox udhcpc, a ping, a file by wget from a web server of this
# host, and the same file back and forth through a forwarded port.
#
#     user_network.sh CROSSPAGE NETTEST [ARCH...]      ARCH: i686 (default), i686-pae, amd64
#
# NETTEST is the Linux program without its ending, build/release/guests/linux/nettest. Kernels are fetched to out/kernel-ARCH. Exit
# status 77 (skipped) without network or python3.
set -eu

[ $# -ge 2 ] || { echo "usage: user_network.sh CROSSPAGE NETTEST [ARCH...]" >&2; exit 2; }
crosspage=$(cd "$(dirname "$1")" && pwd)/$(basename "$1") nettest=$(cd "$(dirname "$2")" && pwd)/$(basename "$2")
shift 2
[ $# -gt 0 ] || set -- i686
cd "$(dirname "$0")/../.."
tests/tools/loopback.sh || exit $?
work=$(mktemp -d) server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT INT TERM

mkdir "$work/root" "$work/www"
cat >"$work/root/dhcp" <<'EOD'
#!/bin/sh
[ "$1" = bound ] || exit 0
busybox ip address add "$ip/${mask:-24}" dev "$interface"
busybox ip route add default via "$router"
echo "dhcp: $ip via $router, names from $dns"
EOD
chmod +x "$work/root/dhcp"
cat >"$work/script" <<'EOD'
busybox ip address flush dev eth0
busybox udhcpc -i eth0 -n -q -s /dhcp || exit 1
busybox ping -c 1 10.0.2.2 || exit 1
for w in $(busybox cat /proc/cmdline); do case $w in cp.http=*) port=${w#*=} ;; esac; done
busybox wget -q -O /tmp/data "http://10.0.2.2:$port/data" || exit 1
busybox nc -l -p 2222 </tmp/data >/tmp/got &
until busybox grep -qs ':08AE .* 0A ' /proc/net/tcp /proc/net/tcp6; do busybox sleep 0.1; done # the port listens
echo "listening for $(busybox md5sum </tmp/data)"
wait
busybox cmp /tmp/data /tmp/got
EOD
head -c 300000 /dev/urandom >"$work/www/data"
sum=$(md5sum <"$work/www/data")
cat >"$work/server" <<'EOD'
import functools, http.server, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
server = http.server.HTTPServer(('127.0.0.1', 0), handler)
print(server.server_address[1], flush=True)
server.serve_forever()
EOD
cat >"$work/echo" <<'EOD'
import socket, sys
data = open(sys.argv[2], 'rb').read()
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])), 120)
s.sendall(data)
s.shutdown(socket.SHUT_WR)
got = b''
while True:
    part = s.recv(65536)
    if not part:
        break
    got += part
sys.exit(got != data)
EOD
python3 "$work/server" "$work/www" >"$work/http" 2>/dev/null &
server=$!
while ! [ -s "$work/http" ]; do
    kill -0 $server || { echo "FAIL: no web server"; exit 1; }
    sleep 0.1
done

for arch; do
    cpu=pentium3 status=0 kernel=out/kernel-$arch
    [ "$arch" != amd64 ] || cpu=x86-64-v2
    tools/fetch-kernel "$arch" "$kernel" >"$work/fetch" 2>&1 || status=$?
    [ $status -ne 3 ] || { cat "$work/fetch"; exit 77; }
    [ $status -eq 0 ] || { cat "$work/fetch"; exit 1; }
    tools/mkinitramfs -n "$nettest-$(cat "$kernel/debarch")" -s "$work/script" -x "$work/root" "$kernel" "$work/initrd"
    forward=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : >"$work/serial"
    timeout 300 "$crosspage" run -cpu $cpu -m 192 -nic "user,hostfwd=tcp::$forward-:2222" -kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0,115200 quiet panic=-1 cryptomgr.notests noisapnp cp.run=script cp.http=$(cat "$work/http")" \
        -nographic -no-reboot -quiet </dev/null >"$work/serial" 2>&1 &
    guest=$!
    while ! grep -q 'listening\|crosspage-guest' "$work/serial" && kill -0 $guest 2>/dev/null; do sleep 0.2; done
    python3 "$work/echo" "$forward" "$work/www/data" || { echo "FAIL: $arch: what came back through the forwarded port"; cat "$work/serial"; exit 1; }
    wait $guest
    for expected in 'dhcp: 10.0.2.15 via 10.0.2.2, names from 10.0.2.3' "listening for $sum" 'crosspage-guest: done'; do
        grep -q "$expected" "$work/serial" || { echo "FAIL: $arch: no '$expected'"; cat "$work/serial"; exit 1; }
    done
    echo "$arch: DHCP, a file by HTTP, and back and forth through a forwarded port"
done
