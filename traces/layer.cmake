pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
target_link_libraries(cp_traces PUBLIC PkgConfig::ZLIB PkgConfig::JANSSON)
