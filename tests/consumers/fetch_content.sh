#!/usr/bin/env bash
# CMake's FetchContent, from the local tree instead of the network.
source "$(dirname "$0")/common.sh"
needs cmake
cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.21)
project(consumer LANGUAGES CXX)
include(FetchContent)
FetchContent_Declare(loquat SOURCE_DIR "$root")
FetchContent_MakeAvailable(loquat)
add_executable(app "$app")
target_link_libraries(app PRIVATE loquat::loquat)
install(TARGETS app)
END
cmake -S . -B build && cmake --build build || fails "cmake"
runs build/app
cmake --install build --prefix installed >installed.txt || fails "install"
[ ! -e installed/include ] || fails "the consumer installs the headers of its dependency"
