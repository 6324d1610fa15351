# SPDX-License-Identifier: AGPL-3.0-or-later
# What `cmake --install` puts where: header, libraries, pkg-config file, CMake package. The
# command installs itself (cli/CMakeLists.txt).
include(CMakePackageConfigHelpers)

install(FILES ${PROJECT_SOURCE_DIR}/include/neurograph.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS neurograph_shared neurograph_static EXPORT neurograph-targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

# Directories relative to the place of the .pc file, so that an installed tree can be moved.
file(RELATIVE_PATH NG_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
configure_file(${CMAKE_CURRENT_LIST_DIR}/neurograph.pc.in ${PROJECT_BINARY_DIR}/neurograph.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/neurograph.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

set(NG_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/neurograph)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/neurograph-config.cmake.in
    ${PROJECT_BINARY_DIR}/neurograph-config.cmake INSTALL_DESTINATION ${NG_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/neurograph-config-version.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/neurograph-config.cmake
    ${PROJECT_BINARY_DIR}/neurograph-config-version.cmake DESTINATION ${NG_PACKAGE_DIR})
install(EXPORT neurograph-targets NAMESPACE neurograph:: DESTINATION ${NG_PACKAGE_DIR})
