#pragma once
/// \file
/// Steps that move logits without excluding any: temperature, a bias per token, and three penalties for tokens that
/// were there before (repetition: Keskar et al., "CTRL", 2019; frequency and presence: as in OpenAI's API).

#include <loquat/core/token.hpp>
#include <loquat/generate/weight.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace loquat {

/// Divides the logits: below 1 the choice gets narrower, above 1 wider. 0 or less (or NaN) leaves the best token alone,
/// of equal ones the lowest id.
struct temperature {
  float value = 1; ///< 1 changes nothing

  constexpr void operator()(std::span<float> logits, std::span<token const>) const {
    if (value == 1) return;
    float const highest = highest_logit(logits);
    if (value > 0) {
      visit_logits(logits, lowest_logit, [&](std::size_t i) {
        if (logits[i] < std::numeric_limits<float>::infinity()) logits[i] /= value; // +∞ / ∞ would be NaN
        return true;
      });
      return;
    }
    bool found = false;
    for (float& x : logits) {
      if (!found && x == highest)
        found = true;
      else
        x = excluded_logit;
    }
  }
};

/// A token and what to add to its logit: −∞ rules it out.
struct token_bias {
  token id;
  float bias;
};

/// Adds to the logits of some tokens. Ids out of range are ignored.
struct logit_bias {
  std::span<token_bias const> biases; ///< the caller's

  constexpr void operator()(std::span<float> logits, std::span<token const>) const {
    for (auto [id, bias] : biases) {
      if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
      float& x = logits[static_cast<std::size_t>(id)];
      x = bias > excluded_logit && x > excluded_logit ? x + bias : excluded_logit; // +∞ does not undo an exclusion
    }
  }
};

inline constexpr std::size_t whole_history = std::numeric_limits<std::size_t>::max(); ///< a window without a limit

namespace detail {

constexpr std::span<token const> newest(std::span<token const> history, std::size_t window) {
  return history.last(std::min(window, history.size()));
}

/// Calls `visit(x)` with the logit of each token of the history, once per token. Which ones were met is kept in a
/// fixed set of bits, hence slices of the vocabulary: linear in the history, without scratch.
template <class Visit>
constexpr void visit_distinct(std::span<float> logits, std::span<token const> history, Visit visit) {
  constexpr std::size_t slice = 65536; // ids: 8 KiB of bits
  if (history.empty()) return;
  for (std::size_t start = 0; start < logits.size(); start += slice) {
    std::array<std::uint64_t, slice / 64> met{};
    std::size_t const length = std::min(slice, logits.size() - start);
    for (token id : history) {
      std::size_t const i = static_cast<std::size_t>(id) - start; // wraps to a large value if below
      if (id < 0 || i >= length) continue;
      std::uint64_t const bit = std::uint64_t{1} << i % 64;
      if ((met[i / 64] & bit) != 0) continue;
      met[i / 64] |= bit;
      visit(logits[start + i]);
    }
  }
}

} // namespace detail

/// Makes tokens of the last `window` tokens less probable: positive logits are divided by `factor`, others multiplied.
/// Once per token, however often it was there. A factor that is not positive and finite changes nothing.
struct repetition_penalty {
  float factor = 1.1f;     ///< above 1 discourages, below 1 encourages
  std::size_t window = 64; ///< tokens; 0 for none, `whole_history` for all

  constexpr void operator()(std::span<float> logits, std::span<token const> history) const {
    if (!(factor > 0) || !(factor < std::numeric_limits<float>::infinity()) || factor == 1) return;
    detail::visit_distinct(logits, detail::newest(history, window), [this](float& x) {
      if (x > excluded_logit) x = x > 0 ? x / factor : x * factor;
    });
  }
};

/// Lowers the logit of a token by `amount` for each time it was there in the last `window` tokens.
struct frequency_penalty {
  float amount = 0;        ///< above 0 discourages, below 0 encourages
  std::size_t window = 64; ///< tokens; 0 for none, `whole_history` for all

  constexpr void operator()(std::span<float> logits, std::span<token const> history) const {
    for (token id : detail::newest(history, window)) {
      if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
      if (float& x = logits[static_cast<std::size_t>(id)]; x > excluded_logit) x -= amount;
    }
  }
};

/// Lowers the logit of a token by `amount` if it was there at all in the last `window` tokens.
struct presence_penalty {
  float amount = 0;        ///< above 0 discourages, below 0 encourages
  std::size_t window = 64; ///< tokens; 0 for none, `whole_history` for all

  constexpr void operator()(std::span<float> logits, std::span<token const> history) const {
    detail::visit_distinct(logits, detail::newest(history, window), [this](float& x) {
      if (x > excluded_logit) x -= amount;
    });
  }
};

} // namespace loquat
