pkg_check_modules(CAPSTONE REQUIRED IMPORTED_TARGET capstone)
target_link_libraries(cp_cpu PUBLIC PkgConfig::CAPSTONE)
