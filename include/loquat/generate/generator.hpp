#pragma once
/// \file
/// Text generation as a plain loop: feed a prompt, then ask for tokens until there are none.
/// `generator g(model, session, sampler, options); g.prompt(ids); while (auto id = g.next()) …`
/// The `generate` stage is a view of the same thing.

#include <loquat/core/result.hpp>
#include <loquat/core/token.hpp>
#include <loquat/generate/choose.hpp>
#include <loquat/generate/options.hpp>
#include <loquat/generate/pull.hpp>
#include <loquat/generate/sampler.hpp>
#include <loquat/generate/weight.hpp>
#include <loquat/model/model.hpp>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <optional>
#include <ranges>
#include <span>
#include <utility>

namespace loquat {

/// Continues the text of a session, prompt after prompt.
///
/// The last token chosen is not in the session yet: it goes in when the next one is asked for, or in front of the next
/// prompt. So nothing is computed in vain, and a conversation goes on exactly as if it had never stopped. Allocates
/// nothing; errors apart.
template <Model M, Sampler S = greedy> class generator {
 public:
  using session_type = typename M::session; ///< what the caller owns

  /// Generates with `model` and `session`, which must outlive it.
  constexpr generator(M const& model, typename M::session& session, S sampler, generate_options options = {})
      : model_(&model), session_(&session), sampler_(std::move(sampler)), options_(options) {}
  constexpr generator(M const& model, typename M::session& session, generate_options options = {}) ///< \overload
      requires std::same_as<S, greedy> : generator(model, session, greedy{}, options) {}

  /// Feeds the tokens of a prompt, in chunks, and starts a new count of tokens. An empty prompt goes on where the last
  /// generation ended; there must have been one. On an error, what was fed before stays in the session
  /// (`report().prompt_tokens`): `errc::argument` for an empty prompt or an id out of range, `errc::capacity` for one
  /// that exceeds the context, `errc::mismatch` for a transcript of another conversation, `errc::cancelled`.
  template <TokenRange R> constexpr result<void> prompt(R&& ids) {
    mutable_report() = {};
    auto seen = std::span<token const>(session_->tokens()).first(options_.transcript ? session_->tokens().size() : 0);
    std::array<token, chunk> buffer{};
    std::size_t n = 0, carried = 0;
    if (options_.transcript)
      pending_ = no_token; // the transcript says whether and how it goes on
    else if (pending_ != no_token)
      buffer[n++] = pending_, carried = 1;
    if constexpr (std::ranges::sized_range<R>)
      if (auto const size = static_cast<std::size_t>(std::ranges::size(ids)); size > seen.size())
        if (auto fits = check_room(size - seen.size() + n); !fits) return fits;

    std::size_t matched = 0;
    auto const flush = [&]() -> result<void> {
      if (auto fed = feed(std::span(buffer).first(n)); !fed) return fed;
      mutable_report().prompt_tokens += n - std::exchange(carried, 0);
      n = 0;
      return {};
    };
    for (token const id : ids) {
      if (matched < seen.size()) {
        if (id != seen[matched])
          return end(finish::error, fail(errc::mismatch, "generate: token ", matched, " of the transcript is ", id,
                                         ", but the session has seen ", seen[matched]));
        ++matched;
        continue;
      }
      if (n == chunk)
        if (auto fed = flush(); !fed) return fed;
      buffer[n++] = id;
      if (!seen.empty()) seen = {}, matched = 0; // forward may move the session's tokens
    }
    if (matched < seen.size())
      return end(finish::error, fail(errc::mismatch, "generate: the transcript has ", matched,
                                     " tokens, but the session has seen ", seen.size()));
    if (n > 0) return flush();
    if (!fresh_)
      return end(finish::error, fail(errc::argument, "generate: an empty prompt, and nothing to go on from"));
    return {};
  }

  /// The next token, or nothing when the generation has ended; `report().why` says why.
  constexpr std::optional<token> next() {
    auto& report = mutable_report();
    if (report.why != finish::none) return std::nullopt;
    if (report.generated_tokens >= options_.max_tokens) return stop(finish::max_tokens);
    if (!fresh_) {
      if (pending_ == no_token) return stop(finish::error, fail(errc::argument, "generate: next() without a prompt()"));
      if (session_->tokens().size() >= session_->context()) return stop(finish::context_full);
      if (!feed(std::span(&pending_, 1))) return std::nullopt;
    }
    if (!choose()) return std::nullopt;
    if (model_->ends(report.last)) return stop(finish::end_token);
    if (std::ranges::find(options_.stop_tokens, report.last) != options_.stop_tokens.end())
      return stop(finish::stop_token);
    ++report.generated_tokens;
    return report.last;
  }

  /// How it goes: the caller's report if the options name one.
  constexpr generate_report const& report() const { return options_.report ? *options_.report : own_report_; }

  /// The token that was chosen last and goes into the session next; `no_token` if there is none.
  constexpr token pending() const noexcept { return pending_; }
  /// Forgets the pending token, for a prompt that brings its own, such as the end mark of a chat's turn.
  constexpr void drop_pending() noexcept { pending_ = no_token; }

  constexpr S& sampler() noexcept { return sampler_.value; }          ///< to change it between prompts
  constexpr generate_options& options() noexcept { return options_; } ///< \overload

 private:
  static constexpr std::size_t chunk = 256; // tokens of a prompt that the model gets at once

  constexpr generate_report& mutable_report() { return options_.report ? *options_.report : own_report_; }

  constexpr error end(finish why, error e) {
    mutable_report().why = why;
    mutable_report().error = e;
    return e;
  }
  constexpr std::nullopt_t stop(finish why, error e = {}) {
    mutable_report().why = why;
    mutable_report().error = std::move(e);
    return std::nullopt;
  }

  constexpr result<void> check_room(std::size_t wanted) {
    std::size_t const used = session_->tokens().size(), context = session_->context();
    if (used <= context && wanted <= context - used) return {};
    return end(finish::error, fail(errc::capacity, "generate: the prompt does not fit: the context holds ", context,
                                   " tokens, ", used, " are used and ", wanted, " or more are to come"));
  }

  /// Appends tokens to the session, the pending one among them, and so gets fresh logits.
  constexpr result<void> feed(std::span<token const> ids) {
    if (options_.cancel && options_.cancel->load(std::memory_order_relaxed))
      return end(finish::cancelled, fail(errc::cancelled, "generate: cancelled by the caller"));
    if (auto fits = check_room(ids.size()); !fits) return fits;
    auto logits = model_->forward(*session_, ids);
    if (!logits) return end(finish::error, logits.error().within("generate"));
    logits_ = *logits;
    fresh_ = true;
    pending_ = no_token;
    return {};
  }

  /// Chooses a token by the fresh logits.
  constexpr bool choose() {
    auto& report = mutable_report();
    if (auto const space = options_.logprobs; !space.empty()) {
      if (space.size() < logits_.size()) {
        stop(finish::error, fail(errc::argument, "generate: logprobs has room for ", space.size(), " of ",
                                 logits_.size(), " vocabulary entries"));
        return false;
      }
      log_softmax(logits_, space.first(logits_.size()));
    }
    token const id = sampler_.value(logits_, std::span<token const>(session_->tokens()));
    fresh_ = false;
    if (id < 0 || static_cast<std::size_t>(id) >= logits_.size()) {
      stop(finish::error, id == no_token ? fail(errc::argument, "generate: no token is left to choose from")
                                         : fail(errc::argument, "generate: the sampler chose ", id, ", expected 0 to ",
                                                logits_.size(), " - 1"));
      return false;
    }
    report.last = pending_ = id;
    if (!options_.logprobs.empty()) report.logprob = options_.logprobs[static_cast<std::size_t>(id)];
    return true;
  }

  M const* model_;
  typename M::session* session_;
  [[no_unique_address]] detail::assignable<S> sampler_;
  generate_options options_;
  generate_report own_report_; // used if the caller has none
  std::span<float> logits_;    // of the last token in the session, in the session's memory
  token pending_ = no_token;
  bool fresh_ = false; // nothing was chosen by logits_ yet
};

} // namespace loquat
