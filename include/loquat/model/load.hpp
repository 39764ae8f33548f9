#pragma once
/// \file
/// `load`: a model of whatever architecture a file holds. The run-time fact meets the static types here, once: a
/// `one_of` that is visited once per call of the model.

#include <loquat/core/one_of.hpp>
#include <loquat/model/model.hpp>
#include <loquat/model/zoo.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace loquat {

/// See the specialisation for a list of builders.
template <class Builders, Backend B> class basic_model;

/// A model that one of `Builders` built. Const after construction and shared by any number of sessions and threads; the
/// file its weights lie in, and the backend, must outlive it.
template <class... Builders, Backend B>
requires(ModelBuilder<Builders, B>&&...) class basic_model<type_list<Builders...>, B> {
 public:
  using session = loquat::session<B>; ///< the state of one conversation

  /// Holds a model.
  template <class M>
  requires(std::same_as<M, typename Builders::template model<B>> || ...) constexpr explicit basic_model(M model)
      : any_(std::move(model)) {}

  constexpr std::size_t vocabulary() const {
    return visit([](auto const& m) { return m.vocabulary(); });
  }                                                ///< tokens
  constexpr hyperparameters const& sizes() const { ///< what the model measures
    return visit([](auto const& m) -> hyperparameters const& { return m.sizes(); });
  }
  /// True for the tokens after which the model has no more to say.
  constexpr bool ends(token id) const {
    return visit([id](auto const& m) { return m.ends(id); });
  }
  /// A new, empty session: the last allocation. `errc::capacity` if its memory exceeds the cap or the machine.
  constexpr result<session> make_session(session_options options = {}) const {
    return visit([&](auto const& m) { return m.make_session(options); });
  }
  /// Appends tokens to the session and returns the logits after the last one; see `transformer_model::forward`.
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids) const {
    return visit([&](auto const& m) { return m.forward(s, ids); });
  }
  /// Forgets tokens of a session that `policy` chooses, and returns how many; see `transformer_model::evict`.
  template <EvictionPolicy P>
  constexpr result<std::size_t> evict(session& s, P const& policy, cache_shift how = cache_shift::rotate) const {
    return visit([&](auto const& m) { return m.evict(s, policy, how); });
  }

  /// Builds the model that the file's `general.architecture` names. `errc::unsupported` lists the known names.
  static constexpr result<basic_model> build(gguf::file const& file, B const& backend,
                                             model_options const& options = {}) {
    if (auto const intact = file.intact(); !intact) return intact.error();
    auto const wanted = file.get<std::string_view>("general.architecture");
    if (!wanted) return wanted.error();
    result<basic_model> out = unknown(file, *wanted);
    ((Builders::name() == *wanted ? void(out = build_one<Builders>(file, backend, options).transform([](auto&& m) {
       return basic_model(std::move(m));
     }))
                                  : void()),
     ...);
    return out;
  }

 private:
  template <class Builder>
  static constexpr auto build_one(gguf::file const& file, B const& backend, model_options const& options)
      -> decltype(Builder::build(file, backend)) {
    if constexpr (requires { Builder::build(file, backend, options); }) {
      return Builder::build(file, backend, options);
    } else {
      if (options.rope != rope_override{})
        return fail(errc::unsupported, file.name(), ": the builder of ", Builder::name(), " takes no rope override");
      return Builder::build(file, backend);
    }
  }
  static constexpr error unknown(gguf::file const& file, std::string_view wanted) {
    std::vector<char> names;
    ((detail::append(names, ' '), detail::append(names, Builders::name())), ...);
    return fail(errc::unsupported, file.name(), ": no builder for general.architecture ", wanted,
                "; known:", std::string_view(names.data(), names.size()));
  }
  template <class F> constexpr decltype(auto) visit(F&& f) const { return any_.visit(f); }

  one_of<typename Builders::template model<B>...> any_;
};

/// A model of any architecture of the zoo.
template <Backend B> using any_model = basic_model<zoo, B>;

/// Builds the model a file holds, on a backend; both must outlive it. Errors name the key or tensor;
/// `errc::unsupported` for an architecture that is not in the zoo, `errc::io` if the file changed since it was opened.
template <Backend B>
constexpr result<any_model<B>> load(gguf::file const& file, B const& backend, model_options const& options = {}) {
  return any_model<B>::build(file, backend, options);
}

} // namespace loquat
