# Differences of QEMU 7.2 that appear in every affected line; applied to both outputs before they are compared.
# Page faults by reserved bits lack the P bit, which the SDM wants set (vol. 3, 4.7: P is 0 only when an entry
# is not present).
s/(#0E err 000000[01])8/\19/
s/(#0E err 000000[01])A/\1B/
s/(#0E err 000000[01])C/\1D/
s/(#0E err 000000[01])E/\1F/
# The read of a read-modify-write instruction faults as a read; processors ask for write access at once.
s/(rmw[^:]*: #0E err 0000000)0/\12/
s/(rmw[^:]*: #0E err 0000000)1/\13/
s/(rmw[^:]*: #0E err 0000000)4/\16/
s/(rmw[^:]*: #0E err 0000000)5/\17/
s/(rmw[^:]*: #0E err 0000000)9/\1B/
s/(rmw[^:]*: #0E err 0000000)D/\1F/
