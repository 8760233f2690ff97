# CRC-32 of Ethernet frames (pcnet).
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
target_link_libraries(cp_devices PUBLIC PkgConfig::ZLIB)
