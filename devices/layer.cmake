# CRC-32 of Ethernet frames (pcnet).
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
target_link_libraries(cp_devices PUBLIC PkgConfig::ZLIB)

# ACPI tables are compiled from source.
find_program(IASL iasl REQUIRED)
set(aml_dir ${CMAKE_BINARY_DIR}/generated/acpi)
file(MAKE_DIRECTORY ${aml_dir})
add_custom_command(
    OUTPUT ${aml_dir}/dsdt_aml.c
    COMMAND ${IASL} -vs -vr -we -p ${aml_dir}/dsdt ${CMAKE_SOURCE_DIR}/devices/acpi/dsdt.asl > ${aml_dir}/dsdt.log
    COMMAND ${CMAKE_COMMAND} -DAML=${aml_dir}/dsdt.aml -DNAME=dsdt -DOUTPUT=${aml_dir}/dsdt_aml.c
            -P ${CMAKE_SOURCE_DIR}/devices/acpi/embed_aml.cmake
    DEPENDS ${CMAKE_SOURCE_DIR}/devices/acpi/dsdt.asl ${CMAKE_SOURCE_DIR}/devices/acpi/embed_aml.cmake
    VERBATIM)
target_sources(cp_devices PRIVATE ${aml_dir}/dsdt_aml.c)
