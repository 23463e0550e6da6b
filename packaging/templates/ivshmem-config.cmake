# find_package(ivshmem) gives
#   ivshmem::ivshmem   the shared library
#   ivshmem::static    the static one, with the shared libraries that it needs

get_filename_component(_ivshmem_prefix "${CMAKE_CURRENT_LIST_DIR}/@TO_PREFIX@" ABSOLUTE)

if(NOT TARGET ivshmem::ivshmem)
  add_library(ivshmem::ivshmem SHARED IMPORTED)
  set_target_properties(ivshmem::ivshmem PROPERTIES
    IMPORTED_LOCATION "${_ivshmem_prefix}/@LIBDIR@/libivshmem.so.@VERSION@"
    IMPORTED_SONAME "libivshmem.so.@SOVERSION@"
    INTERFACE_INCLUDE_DIRECTORIES "${_ivshmem_prefix}/include")
  add_library(ivshmem::static STATIC IMPORTED)
  set_target_properties(ivshmem::static PROPERTIES
    IMPORTED_LOCATION "${_ivshmem_prefix}/@LIBDIR@/libivshmem.a"
    INTERFACE_INCLUDE_DIRECTORIES "${_ivshmem_prefix}/include"
    INTERFACE_LINK_LIBRARIES "@LIBS_PRIVATE@")
endif()

unset(_ivshmem_prefix)
