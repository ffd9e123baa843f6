# Compiler settings for every target of the project, through the interface target baton_options.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# -fPIE for libraries and programs alike (CMake's property would give libraries -fPIC): a precompiled header is
# shared by both and the compiler insists on the same settings.
add_compile_options(-fPIE)
add_link_options(-pie)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(BATON_CCACHE ccache)
if(BATON_CCACHE)
    # Precompiled headers need the two sloppiness settings to be cached at all.
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${BATON_CCACHE})
endif()

add_library(baton_options INTERFACE)
# -Wno-mismatched-new-delete: false alarm of g++ 12 on coroutine frames, whose own operator delete it cannot match.
target_compile_options(baton_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
    -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2 -Wextra-semi
    $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond -Wlogical-op -Wno-mismatched-new-delete -fpch-preprocess>
    $<$<BOOL:${BATON_WERROR}>:-Werror>)
if(NOT BATON_SANITIZE STREQUAL "")
    add_compile_options(-fsanitize=${BATON_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
    add_link_options(-fsanitize=${BATON_SANITIZE})
    if(BATON_SANITIZE MATCHES "thread")
        add_compile_options(-Wno-tsan)
    endif()
else()
    add_compile_options(-g1 -fstack-protector-strong)
    add_compile_definitions($<$<CONFIG:Release>:_GLIBCXX_ASSERTIONS>)
    add_link_options(-Wl,-z,relro,-z,now)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2")
# Asio and Beast are compiled once, in one source file each.
add_compile_definitions(
    BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED
    SPDLOG_COMPILED_LIB SPDLOG_FMT_EXTERNAL)
