# Read by ctest before the tests: their scripts compare what programs say, sort, and name letters by ranges, all of
# which a locale changes.
set(ENV{LC_ALL} C.UTF-8)
