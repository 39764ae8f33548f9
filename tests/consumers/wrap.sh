#!/usr/bin/env bash
# A Meson wrap, cloned from a local repository made of this tree.
source "$(dirname "$0")/common.sh"
needs meson git
mkdir -p loquat consumer/subprojects
cp -r "$root"/{include,meson.build,meson_options.txt} loquat/
git -C loquat init -q && git -C loquat add . &&
  git -C loquat -c user.name=consumer -c user.email=consumer@localhost commit -qm "as it is" || fails "git"
cat >consumer/subprojects/loquat.wrap <<END
[wrap-git]
url = file://$work/loquat
revision = HEAD

[provide]
dependency_names = loquat
END
cat >consumer/meson.build <<END
project('consumer', 'cpp', default_options: ['cpp_std=c++20', 'warning_level=3', 'werror=true'])
executable('app', 'app.cpp', dependencies: dependency('loquat', version: '>=0.1'))
END
cp "$(dirname "$app")"/app.?pp consumer/
meson setup build consumer && meson compile -C build || fails "meson"
runs build/app
