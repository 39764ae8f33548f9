#pragma once
/// \file
/// `adaptable<B>`: a backend whose sessions can take LoRA adapters. Models know nothing of it: to them it is a backend
/// whose matrix products have some terms more. So every architecture can be adapted, a program without adapters pays
/// nothing, and the weights of the model stay as they are, shared by sessions with other adapters or none.

#include <loquat/backend/backend.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/model/any_session.hpp>
#include <loquat/model/lora.hpp>
#include <loquat/model/session.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace loquat {

/// What a session has room for.
struct adapter_limits {
  std::size_t count = 8;  ///< adapters at once
  std::size_t rank = 128; ///< of each
};

/// Backend `B` for the model in one file, whose sessions take adapters (`adapt`). To each product of a matrix the terms
/// of the adapters are added in their order: y += scale · alpha / rank · B(A x), in floats. So the bits are the same
/// for every batch, split, number of threads and instruction set, as always. An adapter of the token embeddings changes
/// the vectors of tokens only, also where the same matrix is the output's.
template <Backend B> class adaptable : public B {
  static constexpr std::size_t nowhere = std::numeric_limits<std::size_t>::max();

 public:
  /// A matrix of the backend that knows which rows of which tensor it is.
  class matrix : public B::matrix {
   public:
    constexpr matrix() = default;

   private:
    friend adaptable;
    constexpr explicit matrix(typename B::matrix const& m) : B::matrix(m) {}
    std::size_t tensor_ = nowhere, first_ = 0;
  };

  /// The backend's, and the adapters of the session.
  struct workspace : B::workspace {
    std::span<scaled_lora> room{};   ///< [limits.count]
    std::span<scaled_lora> active{}; ///< those of them in use
    std::span<float> inner{};        ///< [tokens, limits.rank]: A x
    std::span<float> outer{};        ///< [tokens, …]: some rows of B(A x)
    adaptable const* backend{};      ///< which made it
  };

  /// For the model in `base`, which must outlive it and stay where it is. The arguments are those of `B`.
  template <class... Arguments>
  explicit adaptable(gguf::file const& base, adapter_limits limits = {}, Arguments&&... arguments)
      : B(std::forward<Arguments>(arguments)...), base_(&base), limits_(limits), seen_(base.tensors().size()) {}

  constexpr adapter_limits const& limits() const noexcept { return limits_; } ///< what its sessions have room for

  /// The backend's matrix. A tensor of another file, or one that is no run of rows of a tensor there, is none to adapt.
  result<matrix> make_matrix(tensor_view const& tensor) const {
    auto const made = B::make_matrix(tensor);
    if (!made) return made.error();
    matrix out(*made);
    auto const* const whole = base_->find_tensor(tensor.name);
    if (!whole || whole->columns() != tensor.columns() || whole->type != tensor.type) return out;
    auto const begin = reinterpret_cast<std::uintptr_t>(whole->data.data()), // parts lie where the whole does
        at = reinterpret_cast<std::uintptr_t>(tensor.data.data());
    if (at < begin || at - begin > whole->data.size() - std::min(tensor.data.size(), whole->data.size())) return out;
    out.tensor_ = static_cast<std::size_t>(whole - base_->tensors().data());
    seen_[out.tensor_].store(true, std::memory_order_relaxed);
    out.first_ = (at - begin) / (whole->data.size() / static_cast<std::size_t>(whole->rows()));
    return out;
  }

  /// Adds the memory of a workspace to a session's.
  constexpr void reserve(workspace_limits const& limits, arena_size& size) const {
    B::reserve(wider(limits), size);
    size.add<scaled_lora>(limits_.count)
        .template add<float>(saturated(limits.tokens, limits_.rank))
        .template add<float>(saturated(limits.tokens, outer_columns(limits)));
  }
  /// Takes a workspace from an arena with that much left.
  constexpr workspace make_workspace(workspace_limits const& limits, arena& memory) const {
    workspace work{B::make_workspace(wider(limits), memory)};
    work.room = memory.take<scaled_lora>(limits_.count);
    work.inner = memory.take<float>(limits.tokens * limits_.rank);
    work.outer = memory.take<float>(limits.tokens * outer_columns(limits));
    work.backend = this;
    return work;
  }

  /// y[n, columns]: rows of the matrix, with the adapters of token embeddings.
  constexpr void embed(workspace& work, matrix const& m, std::span<token const> ids, std::span<float> y) const {
    B::embed(work, m, ids, y);
    std::size_t const n = ids.size();
    for (auto const& [adapter, scale] : work.active)
      if (auto const* const term = adapter->find(m.tensor_); term && term->embedding) {
        auto const inner = work.inner.first(n * term->rank);
        auto const b = floats(term->b.data(), term->rows, term->rank);
        if (b) B::embed(work, *b, ids, inner);
        add_outer(work, *term, scale, n, term->a.data(), term->columns, y);
      }
  }

  /// All products of the same activations x[n, columns], with the terms of the adapters.
  constexpr void matmul(workspace& work, std::span<float const> x, std::size_t n,
                        std::span<projection<matrix> const> projections) const {
    for (auto rest = projections; !rest.empty();) {
      std::array<projection<typename B::matrix>, 4> some{}; // what a model mostly asks for
      std::size_t const count = std::min(some.size(), rest.size());
      for (std::size_t i = 0; i < count; ++i) some[i] = {rest[i].weights, rest[i].y, rest[i].bias};
      B::matmul(work, x, n, std::span(some).first(count));
      rest = rest.subspan(count);
    }
    for (auto const& [adapter, scale] : work.active)
      for (auto const& p : projections) {
        matrix const& w = *p.weights;
        auto const* const term = adapter->find(w.tensor_);
        if (!term || term->embedding) continue;
        std::size_t const number = w.first_ / term->rows; // in a stack
        multiply(work, x, n, term->a.data() + number * term->rank * term->columns, term->rank, term->columns,
                 work.inner.first(n * term->rank));
        add_outer(work, *term, scale, n, term->b.data() + w.first_ * term->rank, w.rows(), p.y);
      }
  }

  /// Whether the adapters can be those of a session; see `adapt`.
  result<void> check(std::span<scaled_lora const> adapters) const {
    if (adapters.size() > limits_.count)
      return fail(errc::capacity, "session: ", adapters.size(), " adapters: there is room for ", limits_.count);
    if (auto good = detail::check_adapters(adapters, *base_); !good) return good;
    for (auto const& [adapter, scale] : adapters) {
      if (adapter->rank() > limits_.rank)
        return fail(errc::capacity, adapter->name(), ": rank ", adapter->rank(), ": the session has room for ",
                    limits_.rank);
      for (std::size_t i = 0; i < seen_.size(); ++i) {
        if (auto const* const term = adapter->find(i); term && !term->magnitudes.empty())
          return fail(errc::unsupported, adapter->name(), ": has magnitudes (DoRA) of ", base_->tensors()[i].name,
                      ", which only merging can use");
        if (adapter->find(i) && !seen_[i].load(std::memory_order_relaxed))
          return fail(errc::unsupported, adapter->name(), ": the model does not use tensor ", base_->tensors()[i].name,
                      " of ", base_->name(), " in a form that can be adapted");
      }
    }
    float const one = 1;
    auto const possible = floats(&one, 1, 1);
    return possible ? result<void>() : possible.error();
  }

 private:
  constexpr workspace_limits wider(workspace_limits limits) const noexcept {
    limits.columns = std::max(limits.columns, limits_.rank); // of B
    return limits;
  }
  constexpr std::size_t outer_columns(workspace_limits const& limits) const noexcept {
    return limits_.count == 0 ? 0 : limits.columns;
  }
  static constexpr std::uint64_t saturated(std::uint64_t a, std::uint64_t b) noexcept {
    constexpr auto most = std::numeric_limits<std::uint64_t>::max();
    return b != 0 && a > most / b ? most : a * b;
  }

  // a matrix of floats; only a backend that takes no F32 fails, and `check` knows
  result<typename B::matrix> floats(float const* weights, std::size_t rows, std::size_t columns) const {
    return B::make_matrix(
        {"adapter", tensor_type::f32, 2, {columns, rows, 1, 1}, std::as_bytes(std::span(weights, rows * columns))});
  }
  void multiply(workspace& work, std::span<float const> x, std::size_t n, float const* weights, std::size_t rows,
                std::size_t columns, std::span<float> y) const {
    auto const m = floats(weights, rows, columns);
    if (!m) return;
    std::array<projection<typename B::matrix>, 1> const one{{{&*m, y, {}}}};
    B::matmul(work, x, n, one);
  }
  // y[n, rows] += factor · scale · inner[n, rank] · weights[rows, rank]ᵀ, so many rows at once as there is room for
  void add_outer(workspace& work, low_rank const& term, float scale, std::size_t n, float const* weights,
                 std::size_t rows, std::span<float> y) const {
    auto const inner = work.inner.first(n * term.rank);
    float const factor = term.factor * scale;
    for (float& v : inner) v *= factor;
    std::size_t const step = std::min(rows, work.outer.size() / n);
    for (std::size_t first = 0; first < rows; first += step) {
      std::size_t const count = std::min(step, rows - first);
      auto const outer = work.outer.first(n * count);
      multiply(work, inner, n, weights + first * term.rank, count, term.rank, outer);
      if (count == rows) return B::add(work, y.first(n * rows), outer);
      for (std::size_t t = 0; t < n; ++t)
        B::add(work, y.subspan(t * rows + first, count), outer.subspan(t * count, count));
    }
  }

  gguf::file const* base_;
  adapter_limits limits_;
  mutable std::vector<std::atomic<bool>> seen_; // tensors of which matrices were made: nothing else can be adapted
};

/// From now on a session has these adapters in place of those that it had, and none if there are none. Nothing is
/// allocated; the adapters must outlive their use. Keys and values that are in the session already stay as they were
/// computed: truncate it to forget them. Errors leave the session as it was and name the adapter: `errc::argument` for
/// a scale that is not finite, `errc::mismatch` for an adapter that was read for another file, `errc::capacity` for
/// more adapters, or a higher rank, than the backend's `adapter_limits`, `errc::unsupported` for a tensor of which no
/// model on this backend has a matrix, and for magnitudes (DoRA).
template <class Session>
requires requires(Session& s) { s.work.active; }
result<void> adapt(Session& s, std::span<scaled_lora const> adapters) {
  if (auto good = s.work.backend->check(adapters); !good) return good;
  s.work.active = s.work.room.first(adapters.size());
  std::ranges::copy(adapters, s.work.active.begin());
  return {};
}
/// \overload
/// Of a session with a model of one of several kinds.
template <class... Ss> result<void> adapt(any_session<Ss...>& s, std::span<scaled_lora const> adapters) {
  return s.visit([&](auto& own) { return adapt(own, adapters); });
}
/// \overload
/// `adapt(talk, {{style, 0.8f}, tone})`.
template <class Session> result<void> adapt(Session& s, std::initializer_list<scaled_lora> adapters) {
  return adapt(s, std::span<scaled_lora const>(adapters.begin(), adapters.size()));
}

} // namespace loquat
