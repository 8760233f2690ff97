# Profiles are text in profiles/ and compiled in.
pkg_check_modules(INIH REQUIRED IMPORTED_TARGET inih)
target_link_libraries(cp_vmm PUBLIC PkgConfig::INIH)

file(GLOB profiles CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/profiles/*.ini)
set(profiles_source ${CMAKE_BINARY_DIR}/generated/cost_profiles.c)
add_custom_command(
    OUTPUT ${profiles_source}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${profiles_source} "-DPROFILES=${profiles}" -P ${CMAKE_SOURCE_DIR}/vmm/embed_profiles.cmake
    DEPENDS ${profiles} ${CMAKE_SOURCE_DIR}/vmm/embed_profiles.cmake
    VERBATIM)
target_sources(cp_vmm PRIVATE ${profiles_source})
