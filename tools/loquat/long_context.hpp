#pragma once
/// \file
/// Options for texts longer than a model was trained for: what happens when the context is full, and how the rotary
/// embedding is extended.

#include "options.hpp"

#include <loquat/model/eviction.hpp>
#include <loquat/model/options.hpp>

#include <vector>

namespace tool {

/// What happens when the context is full.
struct full_context {
  enum class action : unsigned char { stop, rotate, recompute } then = action::stop;
  loquat::drop_oldest_half policy;

  loquat::cache_shift how() const {
    return then == action::rotate ? loquat::cache_shift::rotate : loquat::cache_shift::recompute;
  }
};

inline std::vector<option> long_context_options(full_context& full, loquat::rope_override& rope) {
  using enum loquat::rope_scaling;
  using action = full_context::action;
  return {{"--context-shift", "HOW", "when the context is full, forget its older half and move the rest up",
           one_of(full.then, {{"off", action::stop}, {"rotate", action::rotate}, {"recompute", action::recompute}})},
          {"--keep", "N", "tokens at the start that are never forgotten", number(full.policy.keep, std::size_t{0})},
          {"--rope-scaling", "KIND", "how the rotary embedding is extended",
           one_of(rope.scaling, {{"file", as_file}, {"none", none}, {"linear", linear}, {"ntk", ntk}, {"yarn", yarn}})},
          {"--rope-scale", "F", "by how much longer texts get; 0: as the file says", number(rope.factor, 0.0f, 1e6f)},
          {"--rope-base", "B", "base of its wavelengths; 0: as the file says", number(rope.base, 0.0f, 1e12f)},
          {"--rope-magnitude", "M", "factor of queries and keys; 0: as the file says",
           number(rope.magnitude, 0.0f, 1000.0f)},
          {"--yarn-context", "N", "context before it was extended; 0: as the file says",
           number(rope.original_context, std::size_t{0})},
          {"--yarn-fast", "R", "rotations in it of pairs that stay; 0: as the file says",
           number(rope.yarn_beta_fast, 0.0f, 1e6f)},
          {"--yarn-slow", "R", "rotations of pairs that are fully extended; 0: as the file says",
           number(rope.yarn_beta_slow, 0.0f, 1e6f)}};
}

} // namespace tool
