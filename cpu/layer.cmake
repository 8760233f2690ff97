pkg_check_modules(CAPSTONE REQUIRED IMPORTED_TARGET capstone)
target_link_libraries(cp_cpu PUBLIC PkgConfig::CAPSTONE)
# Gathering two flag operands in a vector register to store them at once costs more than two stores.
file(GLOB fast_sources ${CMAKE_SOURCE_DIR}/cpu/fast_*.c)
set_source_files_properties(${fast_sources} PROPERTIES COMPILE_OPTIONS -fno-tree-slp-vectorize)
