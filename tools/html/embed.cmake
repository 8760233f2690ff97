# Write a C file with the two pages of tools/html/page.h, each in two parts: what stands before its data, and after it.
#
# FOLDER  tools/html         CHART   the minified Chart.js         WORK  for what lies between         OUTPUT  the C file
#
# A template has lines @STYLE@, @CHART@, @SCRIPT@ and @DATA@; @POLICY@ is the Content-Security-Policy, which names the
# scripts by their SHA-256. All is put together in hexadecimal: CMake's strings would take brackets and semicolons of a
# script for their own.

cmake_policy(VERSION 3.25)

function(concatenate output)
    execute_process(COMMAND ${CMAKE_COMMAND} -E cat ${ARGN} OUTPUT_FILE ${output} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# SHA-256 of a file, in base64 as the policy wants it.
function(policy_hash file result)
    set(letters ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
    file(SHA256 ${file} hash)
    set(text "")
    # Three bytes, four letters; 32 bytes leave two for three letters and a pad.
    foreach(at RANGE 0 60 6)
        string(SUBSTRING "${hash}00" ${at} 6 part)
        math(EXPR bits "0x${part}")
        foreach(shift IN ITEMS 18 12 6 0)
            math(EXPR letter "(${bits} >> ${shift}) & 63")
            string(SUBSTRING ${letters} ${letter} 1 letter)
            string(APPEND text ${letter})
        endforeach()
    endforeach()
    string(SUBSTRING ${text} 0 43 text)
    set(${result} "'sha256-${text}='" PARENT_SCOPE)
endfunction()

# The template's marker becomes these bytes (hexadecimal).
macro(substitute marker bytes)
    string(HEX "@${marker}@" marker_hex)
    string(REPLACE ${marker_hex} "${bytes}" page "${page}")
endmacro()

macro(array name hex)
    string(LENGTH "${hex}" size)
    math(EXPR size "${size} / 2")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const char ${name}[${size}] = {${bytes}};\n")
endmacro()

# make_page(NAME template style... CHART? SCRIPT script...)
function(make_page name)
    cmake_parse_arguments(PAGE "CHART" "TEMPLATE" "STYLE;SCRIPT" ${ARGN})
    list(TRANSFORM PAGE_STYLE PREPEND ${FOLDER}/)
    list(TRANSFORM PAGE_SCRIPT PREPEND ${FOLDER}/)
    concatenate(${WORK}/${name}.css ${PAGE_STYLE})
    concatenate(${WORK}/${name}.js ${PAGE_SCRIPT})
    file(READ ${FOLDER}/${PAGE_TEMPLATE} page HEX)
    policy_hash(${WORK}/${name}.js scripts)
    if(PAGE_CHART)
        concatenate(${WORK}/chart.js ${FOLDER}/chart-licence.js ${CHART})
        file(READ ${WORK}/chart.js bytes HEX)
        substitute(CHART "${bytes}")
        policy_hash(${WORK}/chart.js chart)
        string(APPEND scripts " ${chart}")
    endif()
    string(HEX "default-src 'none'; style-src 'unsafe-inline'; script-src ${scripts}; img-src data:; base-uri 'none'; form-action 'none'" bytes)
    substitute(POLICY "${bytes}")
    file(READ ${WORK}/${name}.css bytes HEX)
    substitute(STYLE "${bytes}")
    file(READ ${WORK}/${name}.js bytes HEX)
    substitute(SCRIPT "${bytes}")
    string(HEX "@DATA@" marker_hex)
    string(FIND "${page}" ${marker_hex} at)
    string(SUBSTRING "${page}" 0 ${at} before)
    string(LENGTH ${marker_hex} length)
    math(EXPR at "${at} + ${length}")
    string(SUBSTRING "${page}" ${at} -1 after)
    array(${name}_before "${before}")
    array(${name}_after "${after}")
    string(APPEND arrays "const struct page page_${name} = {${name}_before, ${name}_after, sizeof ${name}_before, sizeof ${name}_after};\n\n")
    set(arrays "${arrays}" PARENT_SCOPE)
endfunction()

file(MAKE_DIRECTORY ${WORK})
set(arrays "")
include(${FOLDER}/pages.cmake)
file(WRITE ${OUTPUT} "/* Generated from tools/html by tools/html/embed.cmake. */
#include \"tools/html/page.h\"

${arrays}")
