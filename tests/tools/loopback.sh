#!/bin/sh
# Can a process of this host call another one, at 127.0.0.1? Exit status 77 (skipped), and one line, if not: in a network
# namespace whose loopback device is down, or without python3.
#
# Usage: loopback.sh || exit $?
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
python3 - <<'END' || { echo "skipped: no loopback network"; exit 77; }
import socket, sys
try:
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname(), 60)
except OSError:
    sys.exit(1)
END
