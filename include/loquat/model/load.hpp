#pragma once
/// \file
/// `load`: a model of whatever architecture a file holds. The run-time fact meets the static types here, once: a
/// `one_of` that is visited once per call of the model.

#ifdef LOQUAT_SEPARATE_MODELS
#  include <loquat/backend/cpu.hpp>
#endif
#include <loquat/core/one_of.hpp>
#include <loquat/model/any_session.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/model.hpp>
#include <loquat/model/zoo.hpp>

#include <cstddef>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace loquat {

/// See the specialisation for a list of builders.
template <class Builders, Backend B> class basic_model;

/// A model that one of `Builders` built. Const after construction and shared by any number of sessions and threads; the
/// file its weights lie in, and the backend, must outlive it.
template <class... Builders, Backend B>
requires(ModelBuilder<Builders, B>&&...) class basic_model<type_list<Builders...>, B> {
 public:
  /// The state of one conversation: the builders' session if they have one in common, else an `any_session`.
  using session =
      typename detail::distinct_sessions<any_session<>, typename Builders::template model<B>::session...>::type;

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
  result<session> make_session(session_options options = {}) const;
  /// Appends tokens to the session and returns the logits after the last one; see `transformer_model::forward`.
  /// `errc::argument` for a session with a model of another kind.
  result<std::span<float>> forward(session& s, std::span<token const> ids) const;
  /// Forgets tokens of a session that `policy` chooses, and returns how many; see `transformer_model::evict`.
  template <EvictionPolicy P>
  constexpr result<std::size_t> evict(session& s, P const& policy, cache_shift how = cache_shift::rotate) const {
    return visit([&]<class M>(M const& m) -> result<std::size_t> {
      if constexpr (requires(typename M::session & own) { m.evict(own, policy, how); }) {
        auto* const own = detail::session_as<typename M::session>(s);
        if (!own) return fail(errc::argument, "evict: the session is one with a model of another kind");
        return m.evict(*own, policy, how);
      } else {
        return fail(errc::unsupported, "evict: this model keeps no tokens apart");
      }
    });
  }
  /// The same with hooks, see `hooks.hpp`: compiles every model once more; where the architecture is known, name it.
  /// `errc::unsupported` for a model without hooks.
  template <Hooks H>
  constexpr result<std::span<float>> forward(session& s, std::span<token const> ids, H& hooks) const {
    return visit([&]<class M>(M const& m) -> result<std::span<float>> {
      if constexpr (requires(typename M::session & own) { m.forward(own, ids, hooks); }) {
        auto* const own = detail::session_as<typename M::session>(s);
        if (!own) return fail(errc::argument, "forward: the session is one with a model of another kind");
        return m.forward(*own, ids, hooks);
      } else {
        return fail(errc::unsupported, "forward: this model has no hooks");
      }
    });
  }

  /// Builds the model that the file's `general.architecture` names. `errc::unsupported` lists the known names.
  static result<basic_model> build(gguf::file const& file, B const& backend, model_options const& options = {});

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

// Outside of the class, so that a program that compiles models elsewhere does without their code.
template <class... Builders, Backend B>
requires(ModelBuilder<Builders, B>&&...) auto basic_model<type_list<Builders...>, B>::make_session(
    session_options options) const -> result<session> {
  return visit([&](auto const& m) -> result<session> {
    auto made = m.make_session(options);
    if (!made) return made.error();
    return session(std::move(*made));
  });
}

template <class... Builders, Backend B>
requires(ModelBuilder<Builders, B>&&...) auto basic_model<type_list<Builders...>, B>::forward(
    session& s, std::span<token const> ids) const -> result<std::span<float>> {
  return visit([&]<class M>(M const& m) -> result<std::span<float>> {
    auto* const own = detail::session_as<typename M::session>(s);
    if (!own) return fail(errc::argument, "forward: the session is one with a model of another kind");
    return m.forward(*own, ids);
  });
}

template <class... Builders, Backend B>
requires(ModelBuilder<Builders, B>&&...) auto basic_model<type_list<Builders...>, B>::build(
    gguf::file const& file, B const& backend, model_options const& options) -> result<basic_model> {
  if (auto const intact = file.intact(); !intact) return intact.error();
  auto const wanted = file.get<std::string_view>("general.architecture");
  if (!wanted) return wanted.error();
  result<basic_model> out = unknown(file, *wanted);
  auto const hold = [](auto&& m) { return basic_model(std::move(m)); };
  ((Builders::name() == *wanted ? void(out = build_one<Builders>(file, backend, options).transform(hold)) : void()),
   ...);
  return out;
}

/// A model of any architecture of the zoo.
template <Backend B> using any_model = basic_model<zoo, B>;

/// Builds the model a file holds, on a backend; both must outlive it. Errors name the key or tensor;
/// `errc::unsupported` for an architecture that is not in the zoo, `errc::io` if the file changed since it was opened.
template <Backend B>
result<any_model<B>> load(gguf::file const& file, B const& backend, model_options const& options = {}) {
  return any_model<B>::build(file, backend, options);
}

/// The same of the transformers that a program knows, which is all that is then compiled:
/// `load<arch::llama, arch::qwen3>(file, machine)`.
template <architecture A, architecture... More, Backend B>
result<basic_model<type_list<transformer<A>, transformer<More>...>, B>> load(gguf::file const& file, B const& backend,
                                                                             model_options const& options = {}) {
  return basic_model<type_list<transformer<A>, transformer<More>...>, B>::build(file, backend, options);
}

// All models take half a minute to compile. A program of several translation units can compile them in one of them alone
// (`template class loquat::basic_model<loquat::zoo, loquat::cpu>;`) and define LOQUAT_SEPARATE_MODELS in the others.
#ifdef LOQUAT_SEPARATE_MODELS
extern template class basic_model<zoo, cpu>;
#endif

} // namespace loquat
