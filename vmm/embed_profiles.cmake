# Write a C file that holds the text of each profile as a byte array, sorted by name.
list(SORT PROFILES)
set(arrays "")
set(rows "")
set(index 0)
foreach(profile IN LISTS PROFILES)
    get_filename_component(name ${profile} NAME_WLE)
    file(READ ${profile} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(APPEND arrays "static const char profile_${index}[] = {${bytes}0};\n")
    string(APPEND rows "    {\"${name}\", profile_${index}},\n")
    math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUTPUT} "/* Generated from profiles/ by vmm/embed_profiles.cmake. */
#include \"vmm/cost.h\"

${arrays}
const struct cost_profile_text cost_profile_texts[] = {
${rows}};
const unsigned cost_profile_text_count = ARRAY_LEN(cost_profile_texts);
")
