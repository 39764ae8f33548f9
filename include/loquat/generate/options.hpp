#pragma once
/// \file
/// What bounds a generation, and what there is to say about it afterwards.

#include <loquat/core/error.hpp>
#include <loquat/core/token.hpp>

#include <atomic>
#include <cstddef>
#include <limits>
#include <span>
#include <string_view>

namespace loquat {

/// Why a generation ended.
enum class finish : unsigned char {
  none,         ///< it has not: not started, still going, or the reader stopped asking (a stop string, a `break`)
  max_tokens,   ///< as many tokens as were allowed
  end_token,    ///< the model chose a token after which there is no more
  stop_token,   ///< it chose one of the caller's stop tokens
  context_full, ///< the session holds as many tokens as it can
  cancelled,    ///< the caller's flag was set
  error,        ///< see `generate_report::error`
};

/// The name of a reason, for messages and logs.
constexpr std::string_view name(finish why) noexcept {
  constexpr std::string_view names[]{"none",         "max_tokens", "end_token", "stop_token",
                                     "context_full", "cancelled",  "error"};
  return names[static_cast<std::size_t>(why)];
}

/// How a generation goes, current after every token. A new prompt resets it.
struct generate_report {
  finish why = finish::none;        ///< why it ended
  loquat::error error = {};         ///< what went wrong, for `finish::error` and `finish::cancelled`
  std::size_t prompt_tokens = 0;    ///< tokens of the prompt that were fed to the model
  std::size_t generated_tokens = 0; ///< tokens handed out
  token last = no_token;            ///< the last token chosen, also an end or stop token that was not handed out
  float logprob = 0;                ///< log-probability of `last`, if `generate_options::logprobs` asks for it
};

/// What bounds a generation. All pointers and spans are the caller's and must outlive it; none is required.
struct generate_options {
  std::size_t max_tokens = std::numeric_limits<std::size_t>::max(); ///< most tokens to hand out for a prompt
  bool transcript = false; ///< prompts repeat the conversation from its start: what the session has seen is not fed
                           ///< again, and must be the same. Off: a prompt continues the session
  std::span<token const> stop_tokens{};      ///< end the generation, like the model's own, and are not handed out
  std::atomic<bool> const* cancel = nullptr; ///< set it to end the generation before the model runs again
  /// One float per vocabulary entry: before a token is chosen, it is filled with the log-probabilities of all, as the
  /// model gives them. `sampler`s overwrite the logits, hence the space.
  std::span<float> logprobs{};
  generate_report* report = nullptr; ///< where to report to
};

} // namespace loquat
