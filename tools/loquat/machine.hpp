#pragma once
/// \file
/// Options that several commands share: how the `cpu` backend runs, and what a key-value cache holds.

#include "options.hpp"

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/kv_cache.hpp>

#include <string>

namespace tool {

inline option threads_option(loquat::cpu_options& to) {
  return {"--threads", "N", "threads; 0: one for each CPU", number(to.threads, 0u, 1024u)};
}

inline option target_option(loquat::cpu_options& to) {
  std::vector<std::pair<std::string_view, loquat::simd::target>> known;
  for (auto const target : loquat::simd::all_targets) // those that this machine can run
    if (target <= loquat::simd::detect()) known.emplace_back(name(target), target);
  setting s = one_of(to.target, known);
  s.hint = s.expected += " on this machine";
  return {"--target", "SET", "instruction set", s};
}

inline option kv_option(loquat::kv_type& to) {
  return {"--kv", "TYPE", "elements of the key-value cache",
          one_of(to, {{"f16", loquat::kv_type::f16},
                      {"f32", loquat::kv_type::f32},
                      {"q8_0", loquat::kv_type::q8_0},
                      {"q4_0", loquat::kv_type::q4_0}})};
}

} // namespace tool
