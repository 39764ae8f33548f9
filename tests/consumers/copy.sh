#!/usr/bin/env bash
# include/ copied into a project, and a bare compiler command: no build system, no flag but the standard.
source "$(dirname "$0")/common.sh"
mkdir project && cp -r "$root/include/loquat" "$(dirname "$app")"/app.?pp project/
cd project
$CXX -std=c++20 -I. app.cpp -o app || fails "$CXX -std=c++20"
runs ./app
