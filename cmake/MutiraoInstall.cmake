# Where the package is installed and how find_package(mutirao) finds it.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(modules GLOBAL PROPERTY MUTIRAO_MODULES)
foreach(module IN LISTS modules)
  install(TARGETS mutirao_${module} EXPORT mutirao-targets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  # Templates in public headers include a few internal ones.
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/mutirao/${module}/internal
          DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mutirao/${module} OPTIONAL FILES_MATCHING PATTERN "*.hpp")
endforeach()
if(TARGET mutirao)
  install(TARGETS mutirao RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(MUTIRAO_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/mutirao)
install(EXPORT mutirao-targets NAMESPACE mutirao:: DESTINATION ${MUTIRAO_PACKAGE_DIR})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/mutiraoConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/mutiraoConfig.cmake INSTALL_DESTINATION ${MUTIRAO_PACKAGE_DIR})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/mutiraoConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/mutiraoConfig.cmake ${PROJECT_BINARY_DIR}/mutiraoConfigVersion.cmake
        DESTINATION ${MUTIRAO_PACKAGE_DIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE
        DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/mutirao)
