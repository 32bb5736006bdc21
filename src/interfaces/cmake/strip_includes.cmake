# Lets a message package build against the ROS wheels of the Python package index.
#
# Why: the wheels' CMake targets carry the include directories of the machine they were built on
# (below /opt/python), and CMake stops at a target whose include directory does not exist. The
# headers themselves are found through the virtual environment's own include directory.
#
# Used with -DCMAKE_PROJECT_INCLUDE=...; on a ROS distribution it is not needed.

function(strip_missing_wheel_includes)
  get_property(targets DIRECTORY "${CMAKE_SOURCE_DIR}" PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(includes)
      list(FILTER includes EXCLUDE REGEX "^/opt/python")
      set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${includes}")
    endif()
  endforeach()
endfunction()

# Deferred to the end of the project: only then do all the imported targets exist.
cmake_language(DEFER DIRECTORY "${CMAKE_SOURCE_DIR}" CALL strip_missing_wheel_includes)
