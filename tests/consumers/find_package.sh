#!/usr/bin/env bash
# CMake's find_package, after `cmake --install`.
source "$(dirname "$0")/common.sh"
needs cmake
cmake -S "$root" -B library && cmake --install library --prefix "$work/prefix" >/dev/null || fails "install"
cat >CMakeLists.txt <<END
cmake_minimum_required(VERSION 3.21)
project(consumer LANGUAGES CXX)
find_package(loquat 0.1 REQUIRED)
add_executable(app "$app")
target_link_libraries(app PRIVATE loquat::loquat)
END
cmake -S . -B build -DCMAKE_PREFIX_PATH="$work/prefix" && cmake --build build || fails "cmake"
runs build/app
