# cmake -DBUILD=<build folder> -DSOURCE=<this folder> -DWORK=<scratch> -DGENERATOR=<generator> -P run.cmake
file(REMOVE_RECURSE ${WORK})
foreach(step IN ITEMS
    "${CMAKE_COMMAND}|--install|${BUILD}|--prefix|${WORK}/installed"
    "${CMAKE_COMMAND}|-S|${SOURCE}|-B|${WORK}/build|-G|${GENERATOR}|-DCMAKE_PREFIX_PATH=${WORK}/installed|-DCMAKE_BUILD_TYPE=Release|-DCMAKE_CXX_FLAGS=${FLAGS}"
    "${CMAKE_COMMAND}|--build|${WORK}/build"
    "${WORK}/build/consumer")
  string(REPLACE "|" ";" command "${step}")
  execute_process(COMMAND ${command} COMMAND_ERROR_IS_FATAL ANY)
endforeach()
