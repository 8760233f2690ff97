# Write a C file that holds the compiled table AML as the byte array NAME.
file(READ ${AML} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUTPUT} "/* Generated from ${NAME}.asl by devices/acpi/embed_aml.cmake. */
#include \"devices/acpi/${NAME}_aml.h\"

const uint8_t ${NAME}_aml[] = {${bytes}};
const size_t ${NAME}_aml_size = sizeof ${NAME}_aml;
")
