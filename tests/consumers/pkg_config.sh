#!/usr/bin/env bash
# pkg-config, after `meson install`.
source "$(dirname "$0")/common.sh"
needs meson pkg-config
meson setup library "$root" --prefix "$work/prefix" -Dtests=false -Dexamples=false -Dtools=false &&
  meson install -C library >/dev/null || fails "meson install"
export PKG_CONFIG_PATH=$work/prefix/share/pkgconfig
flags=$(pkg-config --cflags --libs loquat) || fails "pkg-config"
$CXX -std=c++20 "$app" $flags -o app || fails "$CXX -std=c++20 $flags"
runs ./app
expect "$(pkg-config --modversion loquat)" "$(sed -n 's/.*version_text{"\(.*\)"}.*/\1/p' "$root/include/loquat/core/version.hpp")"
