# The block must be refused with the sentence; an empty sentence means that it must compile.
execute_process(
  COMMAND ${COMPILER} -std=c++20 -fsyntax-only -D${BLOCK} -I${ROOT} ${CMAKE_CURRENT_LIST_DIR}/programs.cpp
  ERROR_VARIABLE errors RESULT_VARIABLE result)
if(SENTENCE STREQUAL "")
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "it does not compile:\n${errors}")
  endif()
elseif(result EQUAL 0)
  message(FATAL_ERROR "it compiles")
else()
  string(FIND "${errors}" "${SENTENCE}" found)
  if(found EQUAL -1)
    message(FATAL_ERROR "it is refused without saying '${SENTENCE}':\n${errors}")
  endif()
endif()
