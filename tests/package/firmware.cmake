# The component for ESP-IDF and the module for Zephyr, read with stand-ins for what those tools define, and what they
# name, compiled:
#
#   cmake -DSOURCE=DIR -DCOMPILER=CC -DLWIP=DIR -DMBEDTLS=DIR -P firmware.cmake
#
# The stand-ins say what the tools' manuals say. The tools themselves are not here.
cmake_minimum_required(VERSION 3.20)

function(compile_all name)
    cmake_parse_arguments(PARSE_ARGV 1 it "" "" "SRCS;INCLUDE_DIRS;DEFINITIONS")
    list(LENGTH it_SRCS count)
    if(count LESS 15)
        message(FATAL_ERROR "${name}: ${count} sources are too few")
    endif()
    list(TRANSFORM it_INCLUDE_DIRS PREPEND -I)
    foreach(source ${it_SRCS})
        execute_process(COMMAND ${COMPILER} -std=gnu17 -w ${it_DEFINITIONS} ${it_INCLUDE_DIRS} -I${LWIP}/src/include
            -I${SOURCE}/tests/lwip -I${MBEDTLS}/include -fsyntax-only ${source} RESULT_VARIABLE result)
        if(result)
            message(FATAL_ERROR "${name}: ${source} does not compile")
        endif()
    endforeach()
    message(STATUS "${name}: ${count} sources")
endfunction()

# ---- ESP-IDF: idf_component_register, and then the file is left ----

macro(idf_component_register)
    cmake_parse_arguments(component "" "" "SRCS;INCLUDE_DIRS;REQUIRES;PRIV_REQUIRES" ${ARGN})
    if(component_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "ESP-IDF: ${component_UNPARSED_ARGUMENTS}")
    endif()
endmacro()

set(ESP_PLATFORM 1)
include(${SOURCE}/CMakeLists.txt)
list(TRANSFORM component_INCLUDE_DIRS PREPEND ${SOURCE}/)
compile_all("ESP-IDF" SRCS ${component_SRCS} INCLUDE_DIRS ${component_INCLUDE_DIRS})

# ---- Zephyr: what zephyr/module.yml names ----

macro(zephyr_library_named name)
    set(zephyr_name ${name})
endmacro()
macro(zephyr_library_sources)
    list(APPEND zephyr_sources ${ARGN})
endmacro()
macro(zephyr_include_directories)
    list(APPEND zephyr_include_dirs ${ARGN})
endmacro()
macro(zephyr_library_link_libraries)
    list(APPEND zephyr_libraries ${ARGN})
endmacro()

file(STRINGS ${SOURCE}/zephyr/module.yml module)
if(NOT "${module}" MATCHES "cmake: ([a-z]+);.*kconfig: ([A-Za-z/]+)" OR NOT EXISTS ${SOURCE}/${CMAKE_MATCH_2})
    message(FATAL_ERROR "zephyr/module.yml names no files of ours")
endif()
set(CONFIG_MAILMOTE y)
set(CONFIG_MAILMOTE_MBEDTLS y)
include(${SOURCE}/${CMAKE_MATCH_1}/CMakeLists.txt)
compile_all("Zephyr" SRCS ${zephyr_sources} INCLUDE_DIRS ${zephyr_include_dirs})
