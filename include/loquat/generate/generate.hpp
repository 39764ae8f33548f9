#pragma once
/// \file
/// `ids | generate(model, session, sampler, options)`: a lazy range of the tokens that follow. One token is computed
/// when it is asked for.

#include <loquat/core/pipe.hpp>
#include <loquat/core/token.hpp>
#include <loquat/generate/generator.hpp>
#include <loquat/generate/pull.hpp>

#include <optional>
#include <type_traits>
#include <utility>

namespace loquat {

/// Feeds a prompt to a generator and hands out what follows; `generate` makes it a range. `G` is a generator or a
/// pointer to one.
template <TokenRange V, class G> class generate_source {
 public:
  constexpr generate_source(V prompt, G generator) : prompt_(std::move(prompt)), generator_(std::move(generator)) {}

  constexpr std::optional<token> next() {
    auto& g = get(generator_);
    std::optional<token> id;
    if (std::exchange(prompted_, true) || g.prompt(prompt_)) id = g.next();
#if defined(__cpp_exceptions)
    if constexpr (!std::is_pointer_v<G>) // nobody else could ever learn of the error
      if (!id && !g.options().report && g.report().why == finish::error) throw bad_result(g.report().error);
#endif
    return id;
  }

 private:
  template <class T> static constexpr T& get(T& g) { return g; }
  template <class T> static constexpr T& get(T* g) { return *g; }

  V prompt_;
  G generator_;
  bool prompted_ = false;
};

/// A stage: the tokens of a prompt to the tokens that follow. The prompt itself is not repeated, nor is the token that
/// ended the text. Errors end the range and are in the report; an error without a report to put it in is thrown as
/// `bad_result` (where exceptions are off, the range just ends). The model and the session must outlive the range.
///
/// The range gets its own copy of the sampler, and forgets the last token, which is not in the session yet. For a
/// conversation of several prompts pass a `generator`, or let prompts be transcripts.
template <Model M, Sampler S>
constexpr auto generate(M const& model, typename M::session& session, S sampler, generate_options options = {}) {
  return stage([&model, &session, sampler = std::move(sampler), options]<TokenRange V>(V prompt) {
    return pull_view(generate_source<V, generator<M, S>>(std::move(prompt), {model, session, sampler, options}));
  });
}
/// \overload
/// With the most probable token each time.
template <Model M>
constexpr auto generate(M const& model, typename M::session& session, generate_options options = {}) {
  return generate(model, session, greedy{}, options);
}
/// \overload
/// With a generator that the caller keeps, which carries a conversation from prompt to prompt.
template <Model M, Sampler S> constexpr auto generate(generator<M, S>& from) {
  return stage([from = &from]<TokenRange V>(V prompt) {
    return pull_view(generate_source<V, generator<M, S>*>(std::move(prompt), from));
  });
}
template <Model M, class... Rest> void generate(M const&&, Rest&&...) = delete; // gone before the range is read

} // namespace loquat
