/* The compiled dsdt.asl; the array is made at build time (embed_aml.cmake). */
#ifndef CROSSPAGE_DEVICES_ACPI_DSDT_AML_H
#define CROSSPAGE_DEVICES_ACPI_DSDT_AML_H

#include "base/types.h"

extern const uint8_t dsdt_aml[];
extern const size_t dsdt_aml_size;

#endif
