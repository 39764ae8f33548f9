/// \file
/// Fails when the two halves do not tell the same.

#include <cstdio>
#include <string>

std::string baseline(std::string const& path);
std::string with_avx2(std::string const& path);

int main(int, char** arguments) {
  auto const one = baseline(arguments[1]), other = with_avx2(arguments[1]);
  std::printf("%s\n", one.c_str());
  if (one == other && !one.empty()) return 0;
  std::printf("but with AVX2:\n%s\n", other.c_str());
  return 1;
}
