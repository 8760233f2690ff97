# Not by pkg-config, whose file for it asks for glib's headers, which nobody needs here.
find_path(SLIRP_INCLUDE slirp/libslirp.h REQUIRED)
find_library(SLIRP_LIBRARY slirp REQUIRED)
target_include_directories(cp_hostworld SYSTEM PRIVATE ${SLIRP_INCLUDE})
target_link_libraries(cp_hostworld PUBLIC ${SLIRP_LIBRARY} m)
